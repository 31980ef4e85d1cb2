-- Tenants for programs written in LuaJIT, by its FFI. The process's malloc must be Tenure's: `tenure run -- luajit program.lua`.
--
-- LuaJIT takes the memory of its own objects (strings, tables, functions) from the system, past malloc, unless the host gave it
-- a lua_Alloc. So a tenant is charged only for memory of C libraries and of ffi.C.malloc().
local ffi = require("ffi")

ffi.cdef [[
struct tenure_tenant;
struct tenure_scope { uint64_t word; };
struct tenure_tenant_stats {
  size_t struct_size, usage, peak, allocated, cached, meta, failures, events[5], children, stalled_us, pressure10, pressure60,
      subtree_events[5];
};
int tenure_active(void);
struct tenure_tenant* tenure_root(void);
struct tenure_tenant* tenure_current(void);
int tenure_tenant_create(struct tenure_tenant* parent, const char* name, unsigned flags, struct tenure_tenant** tenant);
int tenure_tenant_offline(struct tenure_tenant* tenant, unsigned flags);
void tenure_tenant_close(struct tenure_tenant* tenant);
size_t tenure_tenant_path(struct tenure_tenant* tenant, char* buffer, size_t size);
int tenure_tenant_set_limit(struct tenure_tenant* tenant, int which, size_t bytes);
int tenure_tenant_set_policy(struct tenure_tenant* tenant, int policy);
int tenure_tenant_stats(struct tenure_tenant* tenant, struct tenure_tenant_stats* stats);
struct tenure_scope tenure_enter(struct tenure_tenant* tenant);
void tenure_leave(struct tenure_scope outer);
void* malloc(size_t size);
void free(void* block);
char* strerror(int number);
]]

local M = {}
local limits = { min = 0, low = 1, high = 2, max = 3, reserve = 4 }
local policies = { fail_large = 0, fail_all = 1, observe = 2, event = 3, abort = 4 }
local Tenant = {}
Tenant.__index = Tenant

-- Whether the process's malloc is Tenure's.
function M.active()
  local there, result = pcall(function() return ffi.C.tenure_active() end)
  return there and result == 1
end

local function check(result, what, level)
  if result < 0 then error(what .. ": " .. ffi.string(ffi.C.strerror(-result)), level or 3) end
end

-- settings: parent, durable, isolated, policy, and limits in bytes. Raises an error where nothing would be limited.
function M.tenant(name, settings)
  settings = settings or {}
  if not M.active() then
    error("the process's malloc is not Tenure's, so nothing would be limited: start the program by "
      .. "`tenure run -- luajit program.lua`, or with LD_PRELOAD=libtenure.so", 2)
  end
  if name:find("\0", 1, true) then error("tenant: the name has a 0 in it", 2) end
  local result = ffi.new("struct tenure_tenant*[1]")
  local flags = (settings.durable and 1 or 0) + (settings.isolated and 2 or 0)
  check(ffi.C.tenure_tenant_create(settings.parent and settings.parent.handle, name, flags, result), "tenant " .. name)
  local self = setmetatable({ handle = ffi.gc(result[0], ffi.C.tenure_tenant_close) }, Tenant)
  local made, message = pcall(function()
    for limit in pairs(limits) do
      if settings[limit] then self:limit(limit, settings[limit]) end
    end
    if settings.policy then
      check(ffi.C.tenure_tenant_set_policy(self.handle, policies[settings.policy] or -1), "policy")
    end
  end)
  if not made then
    self:offline()
    error(message, 2)
  end
  return self
end

-- The path of the tenant that the thread is inside of.
function M.current()
  local buffer = ffi.new("char[?]", 2049)
  ffi.C.tenure_tenant_path(ffi.C.tenure_current(), buffer, 2049)
  return ffi.string(buffer)
end

-- Calls the function inside the tenant, and leaves it also where the function raises an error. It must not yield.
function Tenant:run(work, ...)
  local outer = ffi.C.tenure_enter(self.handle)
  local function left(...)
    ffi.C.tenure_leave(outer)
    if not (...) then error((select(2, ...)), 0) end
    return select(2, ...)
  end
  return left(pcall(work, ...))
end

function Tenant:limit(which, bytes)
  check(ffi.C.tenure_tenant_set_limit(self.handle, limits[which] or -1, bytes), "limit " .. which)
end

function Tenant:stats()
  local stats = ffi.new("struct tenure_tenant_stats")
  stats.struct_size = ffi.sizeof(stats)
  check(ffi.C.tenure_tenant_stats(self.handle, stats), "stats")
  return { usage = tonumber(stats.usage), peak = tonumber(stats.peak), failures = tonumber(stats.failures),
    children = tonumber(stats.children) }
end

function Tenant:offline(recursive)
  check(ffi.C.tenure_tenant_offline(self.handle, recursive and 1 or 0), "offline")
end

return M
