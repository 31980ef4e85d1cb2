'use strict'
// Run by node --test with the library preloaded.
const assert = require('node:assert')
const { setTimeout: sleep } = require('node:timers/promises')
const test = require('node:test')
const { Worker } = require('node:worker_threads')
const tenure = require('..')

const MIB = 1 << 20
const here = tenure.current

test('buffers are charged to who allocates', () => {
  const tenant = new tenure.Tenant('charged')
  const kept = tenant.run(() => Buffer.alloc(4 * MIB))
  assert(tenant.stats().usage >= 4 * MIB && kept.length === 4 * MIB)
  assert.strictEqual(here(), '/')
})

test('a full tenant gets a RangeError, and others go on', () => {
  const full = new tenure.Tenant('full', { max: 8 * MIB })
  const other = new tenure.Tenant('other', { max: 64 * MIB })
  full.run(() => {
    assert.throws(() => Buffer.alloc(16 * MIB), RangeError)
    assert.throws(() => new ArrayBuffer(16 * MIB), RangeError)
    assert.strictEqual(other.run(() => Buffer.alloc(16 * MIB)).length, 16 * MIB)
    assert.strictEqual(here(), '/full')
  })
  assert(full.stats().failures >= 2)
})

test('asynchronous work keeps its tenant', async () => {
  const tenants = ['a', 'b', 'c'].map(name => new tenure.Tenant(name))
  const work = async path => {
    for (let i = 0; i < 10; ++i) {
      assert.strictEqual(here(), path)
      await (i % 3 === 0 ? sleep(1) : null)
    }
    await new Promise(resolve => setImmediate(() => { assert.strictEqual(here(), path); resolve() }))
    await new Promise(resolve => process.nextTick(() => { assert.strictEqual(here(), path); resolve() }))
    queueMicrotask(() => assert.strictEqual(here(), path))
    const stat = await require('node:fs/promises').stat('.')
    assert(stat && here() === path)
    return Buffer.alloc(MIB)
  }
  const kept = await Promise.all(tenants.map(tenant => tenant.run(work, tenant.path)))
  for (const tenant of tenants) assert(tenant.stats().usage >= MIB)
  assert.strictEqual(kept.length, 3)
})

test('exceptions and rejections leave', async () => {
  const tenant = new tenure.Tenant('throws')
  assert.throws(() => tenant.run(() => { throw new Error('x') }), /x/)
  assert.strictEqual(here(), '/')
  await assert.rejects(tenant.run(async () => { await null; throw new Error('y') }), /y/)
})

test('workers of a durable tenant are its', async () => {
  const tenant = new tenure.Tenant('workers', { durable: true })
  const code = `const tenure = require(${JSON.stringify(require.resolve('..'))})
    const kept = Buffer.alloc(${4 * MIB})
    const inner = new tenure.Tenant('inner')
    setTimeout(() => { // Outside of 'inner', so where the worker began.
      require('node:worker_threads').parentPort.postMessage([tenure.current(), inner.run(tenure.current), kept.length])
    }, 1)`
  const worker = tenant.run(() => new Worker(code, { eval: true }))
  const [path, inner] = await new Promise((resolve, reject) => { worker.on('message', resolve); worker.on('error', reject) })
  assert.strictEqual(path, '/workers')
  assert.strictEqual(inner, '/inner')
  assert(tenant.stats().peak >= 4 * MIB)
  await worker.terminate()
})

test('errors have codes', () => {
  const tenant = new tenure.Tenant('named')
  const child = new tenure.Tenant('child', { parent: tenant })
  assert.strictEqual(child.path, '/named/child')
  const fails = (code, work) => assert.throws(work, { code })
  fails('EEXIST', () => new tenure.Tenant('named'))
  fails('EINVAL', () => new tenure.Tenant('a/b'))
  fails('EINVAL', () => tenant.limit('max', -1))
  fails('EINVAL', () => tenant.limit('max', 'much'))
  fails('EBUSY', () => tenant.offline())
  assert.throws(() => new tenure.Tenant('typo', { maximum: 1 }), TypeError)
  fails('EINVAL', () => new tenure.Tenant('refused', { policy: 'unknown' }))
  new tenure.Tenant('refused').offline()
  tenant.offline(true)
  assert.strictEqual(tenant.stats().online, false)
  fails('ENODEV', () => tenant.limit('max', MIB))
  assert(tenure.checkpoint() >= 0)
})
