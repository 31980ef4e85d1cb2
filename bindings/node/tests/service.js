'use strict'
// Uses the example service.
const assert = require('node:assert')
const { spawn } = require('node:child_process')
const path = require('node:path')
const test = require('node:test')

test('a full customer beside another', async () => {
  const server = spawn(process.execPath, [path.join(__dirname, '..', 'examples', 'service.js'), '0'], { stdio: ['ignore', 'pipe', 'inherit'] })
  const port = await new Promise(resolve => server.stdout.once('data', data => resolve(Number(data))))
  const ask = (method, url, body) => fetch(`http://127.0.0.1:${port}${url}`, { method, body })
  try {
    const block = Buffer.alloc(1 << 20, 'x')
    const statuses = []
    for (let i = 0; i < 24; ++i) statuses.push((await ask('PUT', `/full/k${i}`, block)).status)
    assert.deepStrictEqual(statuses.slice(0, 8), Array(8).fill(204))
    assert.strictEqual(statuses.at(-1), 507)
    assert.strictEqual((await ask('PUT', '/other/k', block)).status, 204)
    assert.strictEqual((await (await ask('GET', '/other/k')).arrayBuffer()).byteLength, block.length)
    assert.strictEqual((await ask('GET', '/other/none')).status, 404)
    const other = await (await ask('GET', '/other')).json()
    assert(other.usage >= block.length && other.failures === 0)
    assert((await (await ask('GET', '/full')).json()).failures > 0)
    assert.strictEqual((await ask('GET', '/' + 'n'.repeat(70))).status, 400)
  } finally {
    server.kill()
  }
})
