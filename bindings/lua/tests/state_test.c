/* States that are tenants, in Lua 5.4 or LuaJIT. With the argument "closed": without the library. */
#include <lualib.h>

#define TENURE_WEAK
#include "../tenure_lua.h"

#include <stdio.h>
#include <string.h>

#define CHECK(condition)                                                              \
  do {                                                                                \
    if (!(condition)) {                                                               \
      fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);         \
      exit(1);                                                                        \
    }                                                                                 \
  } while (0)

static size_t usage(struct tenure_tenant* tenant) {
  struct tenure_tenant_stats stats = {.struct_size = sizeof stats};
  CHECK(tenure_tenant_stats(tenant, &stats) == 0);
  return stats.usage;
}

static void a_full_state_raises_and_goes_on(void) {
  struct tenure_lua full, other;
  CHECK(tenure_lua_open(&full, NULL, "full", 4 << 20) == 0);
  CHECK(tenure_lua_open(&other, NULL, "other", 64 << 20) == 0);
  luaL_openlibs(full.state);
  luaL_openlibs(other.state);
  const char* const fill = "kept = {} for i = 1, 1e7 do kept[i] = 'string number ' .. i end";
  CHECK(luaL_dostring(full.state, fill) != 0);
  CHECK(strstr(lua_tostring(full.state, -1), "not enough memory"));
  CHECK(usage(full.tenant) <= 4 << 20);
  CHECK(luaL_dostring(other.state, "kept = string.rep('x', 16 * 1024 * 1024)") == 0);
  CHECK(usage(other.tenant) >= 16 << 20);
  /* The state is whole: it lets go, and works on. To compile the script that says so would need memory, which there is none of. */
  lua_settop(full.state, 0);
  lua_pushnil(full.state);
  lua_setglobal(full.state, "kept");
  lua_gc(full.state, LUA_GCCOLLECT, 0); /* LuaJIT does not by itself */
  CHECK(luaL_dostring(full.state, "return #string.rep('x', 256 * 1024)") == 0);
  CHECK(lua_tointeger(full.state, -1) == 256 * 1024);
  tenure_lua_close(&full);
  tenure_lua_close(&other);
}

static void garbage_is_no_failure(void) {
  if (LUA_VERSION_NUM < 504) return; /* Not so in LuaJIT */
  struct tenure_lua lua;
  CHECK(tenure_lua_open(&lua, NULL, "garbage", 4 << 20) == 0);
  luaL_openlibs(lua.state);
  CHECK(luaL_dostring(lua.state, "for i = 1, 200 do local s = string.rep('x', 300 * 1024 + i) end") == 0);
  tenure_lua_close(&lua);
}

static void nothing_is_left(void) {
  struct tenure_lua lua;
  CHECK(tenure_lua_open(&lua, NULL, "ends", 4 << 20) == 0);
  struct tenure_tenant* const tenant = tenure_tenant_ref(lua.tenant);
  luaL_openlibs(lua.state);
  CHECK(luaL_dostring(lua.state, "t = {} for i = 1, 1000 do t[i] = {i} end") == 0);
  CHECK(usage(tenant) > 0);
  lua_close(lua.state);
  lua.state = NULL;
  CHECK(usage(tenant) == 0);
  tenure_lua_close(&lua);
  CHECK(!tenure_tenant_online(tenant));
  tenure_tenant_close(tenant);
}

static void failures_leave_nothing(void) {
  struct tenure_lua lua, again;
  CHECK(tenure_lua_open(&lua, NULL, "tiny", 100) == -ENOMEM && !lua.state && !lua.tenant);
  CHECK(tenure_lua_open(&lua, NULL, "a/b", 1 << 20) == -EINVAL);
  CHECK(tenure_lua_open(&lua, NULL, "tiny", 1 << 20) == 0);
  CHECK(tenure_lua_open(&again, NULL, "tiny", 1 << 20) == -EEXIST && !again.state);
  tenure_lua_close(&again);
  tenure_lua_close(&lua);
}

int main(int count, char** arguments) {
  struct tenure_lua lua;
  if (count > 1 && strcmp(arguments[1], "closed") == 0) {
    CHECK(tenure_lua_open(&lua, NULL, "t", 1 << 20) == -ENOTSUP && !lua.state && !lua.tenant);
    return 0;
  }
  CHECK(tenure_available() && tenure_active());
  a_full_state_raises_and_goes_on();
  garbage_is_no_failure();
  nothing_is_left();
  failures_leave_nothing();
  CHECK(tenure_validate() == 0);
  return 0;
}
