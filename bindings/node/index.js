'use strict'
// Tenants for Node: owners of memory inside a process, with limits. See README.md.
const { AsyncLocalStorage, createHook } = require('node:async_hooks')
const { getSystemErrorName } = require('node:util')
const native = require(process.env.NODE_TENURE_ADDON || './tenure.node')

const LIMITS = { min: 0, low: 1, high: 2, max: 3, reserve: 4 }
const POLICIES = { failLarge: 0, failAll: 1, observe: 2, event: 3, abort: 4 }
const storage = new AsyncLocalStorage()

// Node runs a callback between `before` and `after`; the tenant of its asynchronous context is entered for that time. A thread that runs
// no tenant's callback is in the tenant it began in.
let hook = null
function follow () {
  if (hook) return
  hook = createHook({
    before () { native.enter(handleOf(storage.getStore())) },
    after () { native.leave() }
  }).enable()
}

// Without a tenant of its own a callback is in the tenant that the thread began in.
function handleOf (tenant) { return tenant ? tenant.handle : null }

function check (result, what) {
  if (typeof result !== 'number' || result >= 0) return result
  const error = new Error(`${what}: ${getSystemErrorName(result)}`)
  error.code = getSystemErrorName(result)
  error.errno = result
  throw error
}

class Tenant {
  // settings: parent, durable, isolated, policy, and limits in bytes.
  constructor (name, settings = {}) {
    if (!native.active()) {
      const error = new Error("the process's malloc is not Tenure's, so nothing would be limited: start the program by " +
        '`tenure run -- node program.js`, or with LD_PRELOAD=libtenure.so in its environment')
      error.code = 'ERR_TENURE_NOT_ACTIVE'
      throw error
    }
    if (typeof name !== 'string' || name.includes('\0')) throw new TypeError('the name is a string without 0')
    for (const key of Object.keys(settings)) {
      if (!(key in LIMITS) && !['parent', 'durable', 'isolated', 'policy'].includes(key)) throw new TypeError(`no setting ${key}`)
    }
    const flags = (settings.durable ? 1 : 0) | (settings.isolated ? 2 : 0)
    this.handle = check(native.create(settings.parent ? settings.parent.handle : null, name, flags), `tenant ${name}`)
    try {
      for (const [limit, which] of Object.entries(LIMITS)) {
        if (limit in settings) check(native.setLimit(this.handle, which, settings[limit]), limit)
      }
      if ('policy' in settings) check(native.setPolicy(this.handle, POLICIES[settings.policy]), 'policy')
    } catch (error) {
      this.offline() // Without its limits it must not serve anybody.
      throw error
    }
    follow()
  }

  // Calls the function inside the tenant. What it starts, such as promises, timers and sockets, stays inside.
  run (work, ...args) {
    return storage.run(this, () => {
      native.enter(this.handle)
      try {
        return work(...args)
      } finally {
        native.leave()
      }
    })
  }

  limit (which, bytes) { check(native.setLimit(this.handle, LIMITS[which], bytes), which) }
  get path () { return native.path(this.handle) }
  stats () {
    const [usage, peak, failures, children, online] = native.stats(this.handle)
    return { usage, peak, failures, children, online: online === 1 }
  }

  offline (recursive = false) { check(native.offline(this.handle, recursive ? 1 : 0), 'offline') }
}

module.exports = {
  Tenant,
  active: () => native.active(),
  // The path of the tenant this thread is inside of; null without the library.
  current: () => native.current(),
  checkpoint: () => native.checkpoint()
}
