'use strict'
// Without the library.
const assert = require('node:assert')
const tenure = require('..')

assert.strictEqual(tenure.active(), false)
assert.strictEqual(tenure.current(), null)
assert.throws(() => new tenure.Tenant('t'), { code: 'ERR_TENURE_NOT_ACTIVE', message: /tenure run/ })
