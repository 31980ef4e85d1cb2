/* A Lua state that is a tenant: its memory is charged to the tenant, and the tenant's limit is the state's. For C programs that embed Lua
 * 5.4 or LuaJIT; header only.
 *
 *     struct tenure_lua plugin;
 *     if (tenure_lua_open(&plugin, NULL, "plugin", 8 << 20) != 0) ...;    // -ENOTSUP: see tenure_active()
 *     luaL_dofile(plugin.state, "plugin.lua");                            // "not enough memory" at the limit
 *     tenure_lua_close(&plugin);
 *
 * Lua 5.4 collects garbage and asks again before it reports an error, so a state that leaves garbage does not fail at its limit. LuaJIT
 * does not: its limit needs room for garbage, about as much as the live objects, or a host that calls lua_gc(). */
#ifndef TENURE_LUA_H
#define TENURE_LUA_H

#include <lauxlib.h>
#include <lua.h>

#include <tenure/tenure.h>

#include <errno.h>
#include <stdlib.h>

struct tenure_lua {
  struct tenure_tenant* tenant;
  lua_State* state;
};

/* lua_Alloc, with a tenant as its argument. Blocks keep their owner when they grow, and anybody frees them. */
static inline void* tenure_lua_alloc(void* tenant, void* block, size_t old_size, size_t new_size) {
  if (new_size == 0) {
    free(block);
    return NULL;
  }
  if (!block) return tenure_malloc((struct tenure_tenant*)tenant, new_size);
  void* const moved = realloc(block, new_size);
  /* Lua assumes that shrinking succeeds. */
  return moved || new_size > old_size ? moved : block;
}

/* Makes a tenant below `parent` (NULL: the root) with a limit of `max` bytes, and a state in it. LuaJIT without GC64 takes no lua_Alloc;
 * then, as where there is no memory, -ENOMEM. Other results as tenure_tenant_create(). */
static inline int tenure_lua_open(struct tenure_lua* lua, struct tenure_tenant* parent,
                                  const char* name, size_t max) {
  lua->state = NULL;
  lua->tenant = NULL;
  if (!tenure_available()) return -ENOTSUP;
  int result = tenure_tenant_create(parent, name, 0, &lua->tenant);
  if (result != 0) {
    tenure_tenant_close(lua->tenant);
    lua->tenant = NULL;
    return result;
  }
  result = tenure_tenant_set_limit(lua->tenant, TENURE_MAX, max);
  if (result == 0) result = tenure_tenant_set_policy(lua->tenant, TENURE_FAIL_ALL);
  if (result == 0) {
    lua->state = lua_newstate(tenure_lua_alloc, lua->tenant);
    if (!lua->state) result = -ENOMEM;
  }
  if (result != 0) {
    tenure_tenant_offline(lua->tenant, 0);
    tenure_tenant_close(lua->tenant);
    lua->tenant = NULL;
  }
  return result;
}

/* Ends both. */
static inline void tenure_lua_close(struct tenure_lua* lua) {
  if (lua->state) lua_close(lua->state);
  if (lua->tenant) {
    tenure_tenant_offline(lua->tenant, 0);
    tenure_tenant_close(lua->tenant);
  }
  lua->state = NULL;
  lua->tenant = NULL;
}

#endif
