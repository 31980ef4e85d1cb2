/* A host of scripts: each line of the standard input is a customer's name and a piece of Lua. A customer has a state of its own, with a
 * quota. A script that allocates too much gets an error, and the other scripts go on.
 *
 *     printf 'acme x = string.rep("x", 1e6)\nacme return #x\n' | tenure run -- host */
#include <lualib.h>

#define TENURE_WEAK
#include "../tenure_lua.h"

#include <stdio.h>
#include <string.h>

enum { kQuota = 4 << 20, kCustomers = 64 };

static struct customer {
  char name[64];
  struct tenure_lua lua;
} customers[kCustomers];

static struct customer* customer_of(const char* name, int* error) {
  for (int i = 0; i < kCustomers; ++i) {
    struct customer* const one = &customers[i];
    if (one->lua.state && strcmp(one->name, name) == 0) return one;
    if (one->lua.state) continue;
    *error = tenure_lua_open(&one->lua, NULL, name, kQuota);
    if (*error != 0) return NULL;
    snprintf(one->name, sizeof one->name, "%s", name);
    luaL_openlibs(one->lua.state);
    return one;
  }
  *error = -ENOSPC;
  return NULL;
}

static int run_protected(lua_State* state) {
  const char* const script = (const char*)lua_touserdata(state, 1);
  lua_settop(state, 0);
  if (luaL_loadstring(state, script) != 0) return lua_error(state);
  lua_call(state, 0, 1);
  lua_getglobal(state, "tostring");
  lua_pushvalue(state, 1);
  lua_call(state, 1, 1);
  return 1;
}

static void run(struct customer* customer, char* script) {
  lua_State* const state = customer->lua.state;
  lua_pushcfunction(state, run_protected);
  lua_pushlightuserdata(state, script);
  const int result = lua_pcall(state, 1, 1, 0);
  const char* const text = lua_isstring(state, -1) ? lua_tostring(state, -1) : "error";
  printf("%s: %s%s\n", customer->name, result == 0 ? "" : "error: ", text);
  lua_settop(state, 0);
}

int main(void) {
  char line[4096], name[64];
  int error = 0;
  while (fgets(line, sizeof line, stdin)) {
    const char* const space = strchr(line, ' ');
    const size_t length = space ? (size_t)(space - line) : 0;
    if (length == 0 || length >= sizeof name) continue;
    memcpy(name, line, length);
    name[length] = 0;
    struct customer* const customer = customer_of(name, &error);
    if (customer) {
      run(customer, line + length + 1);
    } else if (error == -ENOTSUP) {
      fprintf(stderr, "malloc is not Tenure's, so nothing would be limited: start it by `tenure "
                      "run -- host`\n");
      return 1;
    } else {
      printf("%s: no state: %s\n", name, strerror(-error));
    }
    fflush(stdout);
  }
  for (int i = 0; i < kCustomers; ++i) tenure_lua_close(&customers[i].lua);
  return 0;
}
