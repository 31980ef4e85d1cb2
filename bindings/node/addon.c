/* The addon of the Node binding: functions of tenure.h, and a stack of scopes for each thread. Only index.js uses it. It links no
 * library, and finds Tenure's functions in the process. */
#define NAPI_VERSION 8
#include <node_api.h>

#define TENURE_WEAK
#include <tenure/tenure.h>

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { kDeepest = 1024 };
/* The thread's own. */
static _Thread_local struct tenure_scope scopes[kDeepest];
static _Thread_local unsigned depth;
/* The tenant that the thread began in: the root, but for workers of a durable tenant. A handle for the thread's life. */
static _Thread_local struct tenure_tenant* base;

static struct tenure_tenant* handle_of(napi_env env, napi_value value) {
  void* handle = NULL;
  napi_get_value_external(env, value, &handle);
  return (struct tenure_tenant*)handle; /* NULL: no tenant, which all functions refuse */
}

static int arguments(napi_env env, napi_callback_info info, napi_value* values, size_t most) {
  size_t count = most;
  napi_get_cb_info(env, info, &count, values, NULL, NULL);
  if (count >= most) return 1;
  napi_throw_type_error(env, NULL, "too few arguments");
  return 0;
}

static napi_value number(napi_env env, double value) {
  napi_value result;
  napi_create_double(env, value, &result);
  return result;
}

static void finalize(napi_env env, void* handle, void* hint) {
  (void)env, (void)hint;
  tenure_tenant_close((struct tenure_tenant*)handle);
}

static napi_value external(napi_env env, struct tenure_tenant* handle) {
  napi_value result;
  napi_create_external(env, handle, finalize, NULL, &result);
  return result;
}

static napi_value active(napi_env env, napi_callback_info info) {
  (void)info;
  napi_value result;
  napi_get_boolean(env, tenure_available() && tenure_active(), &result);
  return result;
}

/* create(parent or null, name, flags): a handle, or a negative number of errno */
static napi_value create(napi_env env, napi_callback_info info) {
  napi_value values[3];
  if (!arguments(env, info, values, 3)) return NULL;
  char name[256];
  size_t length = 0;
  uint32_t flags = 0;
  napi_get_value_string_utf8(env, values[1], name, sizeof name, &length);
  napi_get_value_uint32(env, values[2], &flags);
  napi_valuetype type;
  napi_typeof(env, values[0], &type);
  struct tenure_tenant* handle = NULL;
  const int result = tenure_tenant_create(type == napi_external ? handle_of(env, values[0]) : tenure_root(), name, flags, &handle);
  return result == 0 ? external(env, handle) : number(env, result);
}

static napi_value find(napi_env env, napi_callback_info info) {
  napi_value values[1], none;
  if (!arguments(env, info, values, 1)) return NULL;
  char path[2100];
  size_t length = 0;
  napi_get_value_string_utf8(env, values[0], path, sizeof path, &length);
  struct tenure_tenant* const handle = tenure_available() ? tenure_tenant_find(path) : NULL;
  napi_get_null(env, &none);
  return handle ? external(env, handle) : none;
}

/* enter(handle), or enter(null): what the thread began in. NULL changes nothing, so without the library nothing is entered. */
static napi_value enter(napi_env env, napi_callback_info info) {
  napi_value values[1];
  if (!arguments(env, info, values, 1)) return NULL;
  if (depth == kDeepest) {
    napi_throw_range_error(env, NULL, "tenants are nested too deeply");
    return NULL;
  }
  napi_valuetype type;
  napi_typeof(env, values[0], &type);
  struct tenure_tenant* const tenant = type == napi_external ? handle_of(env, values[0]) : base;
  scopes[depth] = tenure_enter(tenant);
  ++depth;
  return NULL;
}

static napi_value leave(napi_env env, napi_callback_info info) {
  (void)env, (void)info;
  if (depth > 0) tenure_leave(scopes[--depth]);
  return NULL;
}

static napi_value offline(napi_env env, napi_callback_info info) {
  napi_value values[2];
  if (!arguments(env, info, values, 2)) return NULL;
  uint32_t flags = 0;
  napi_get_value_uint32(env, values[1], &flags);
  return number(env, tenure_tenant_offline(handle_of(env, values[0]), flags));
}

/* set_limit(handle, which, bytes): bytes above 2^53 are no limit */
static napi_value set_limit(napi_env env, napi_callback_info info) {
  napi_value values[3];
  if (!arguments(env, info, values, 3)) return NULL;
  uint32_t which = 99;
  double bytes = -1;
  napi_get_value_uint32(env, values[1], &which);
  napi_get_value_double(env, values[2], &bytes);
  if (!(bytes >= 0)) return number(env, -22); /* EINVAL; also what is no number */
  return number(env, tenure_tenant_set_limit(handle_of(env, values[0]), (enum tenure_limit)which,
                                             bytes < 9007199254740992.0 ? (size_t)bytes : TENURE_UNLIMITED));
}

static napi_value set_policy(napi_env env, napi_callback_info info) {
  napi_value values[2];
  if (!arguments(env, info, values, 2)) return NULL;
  uint32_t policy = 99;
  napi_get_value_uint32(env, values[1], &policy);
  return number(env, tenure_tenant_set_policy(handle_of(env, values[0]), (enum tenure_policy)policy));
}

/* stats(handle): [usage, peak, failures, children, online] */
static napi_value stats(napi_env env, napi_callback_info info) {
  napi_value values[1], result;
  if (!arguments(env, info, values, 1)) return NULL;
  struct tenure_tenant* const tenant = handle_of(env, values[0]);
  struct tenure_tenant_stats s = {.struct_size = sizeof s};
  tenure_tenant_stats(tenant, &s);
  const double figures[] = {(double)s.usage, (double)s.peak, (double)s.failures, (double)s.children,
                            tenure_tenant_online(tenant)};
  napi_create_array(env, &result);
  for (uint32_t i = 0; i < sizeof figures / sizeof figures[0]; ++i) napi_set_element(env, result, i, number(env, figures[i]));
  return result;
}

static napi_value path_of(napi_env env, struct tenure_tenant* tenant) {
  char path[2100];
  napi_value result;
  const size_t length = tenure_tenant_path(tenant, path, sizeof path);
  napi_create_string_utf8(env, path, length, &result);
  return result;
}
static napi_value path(napi_env env, napi_callback_info info) {
  napi_value values[1];
  return arguments(env, info, values, 1) ? path_of(env, handle_of(env, values[0])) : NULL;
}
static napi_value current(napi_env env, napi_callback_info info) {
  (void)info;
  napi_value none;
  napi_get_null(env, &none);
  return tenure_available() ? path_of(env, tenure_current()) : none;
}
static napi_value checkpoint(napi_env env, napi_callback_info info) {
  (void)info;
  return number(env, tenure_available() ? tenure_checkpoint() : 0);
}

NAPI_MODULE_INIT() {
  static const struct {
    const char* name;
    napi_callback function;
  } functions[] = {{"active", active},       {"create", create},       {"find", find},   {"enter", enter},
                   {"leave", leave},         {"offline", offline},     {"path", path},   {"setLimit", set_limit},
                   {"setPolicy", set_policy}, {"checkpoint", checkpoint}, {"stats", stats}, {"current", current}};
  if (tenure_available() && !base) base = tenure_tenant_ref(tenure_current());
  for (size_t i = 0; i < sizeof functions / sizeof functions[0]; ++i) {
    napi_value function;
    napi_create_function(env, functions[i].name, NAPI_AUTO_LENGTH, functions[i].function, NULL, &function);
    napi_set_named_property(env, exports, functions[i].name, function);
  }
  return exports;
}
