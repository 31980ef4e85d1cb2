-- The FFI binding. With the argument "closed": without the library.
local ffi = require("ffi")
local tenure = require("tenure")

if arg[1] == "closed" then
  assert(not tenure.active())
  local made, message = pcall(tenure.tenant, "t")
  assert(not made and message:find("tenure run", 1, true), message)
  os.exit(0)
end

assert(tenure.active() and tenure.current() == "/")
local full = tenure.tenant("full", { max = 8 * 2 ^ 20, policy = "fail_all" })
local other = tenure.tenant("other", { max = 64 * 2 ^ 20 })
full:run(function()
  assert(tenure.current() == "/full")
  assert(ffi.C.malloc(16 * 2 ^ 20) == nil)
  local block = other:run(ffi.C.malloc, 16 * 2 ^ 20)
  assert(block ~= nil and other:stats().usage >= 16 * 2 ^ 20)
  ffi.C.free(block)
end)
assert(full:stats().failures == 1 and other:stats().usage == 0)
local fine, message = pcall(full.run, full, error, "passed on", 0)
assert(not fine and message == "passed on" and tenure.current() == "/")
assert(select("#", full:run(function() return nil, nil end)) == 2)
assert(not pcall(tenure.tenant, "full") and not pcall(tenure.tenant, "a/b"))
assert(not pcall(tenure.tenant, "refused", { max = 1, policy = "unknown" }))
local child = tenure.tenant("child", { parent = full })
assert(not pcall(full.offline, full))
full:offline(true)
other:offline()
tenure.tenant("refused"):offline() -- Its name is free.
