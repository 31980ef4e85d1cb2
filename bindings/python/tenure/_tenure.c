/* The C part of the Python package: functions of tenure.h, and a stack of scopes for each thread.
 *
 * The scopes of a thread lie here and not in Python objects, because entering and leaving must need no memory: a tenant that is
 * full would refuse the object that says how to leave the tenant.
 *
 * A handle is passed as a number. Only the package uses this module; Tenant objects own the handles. */
#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>

#define TENURE_WEAK
#include <tenure/tenure.h>

#include <stdint.h>

/* ---- Scopes -------------------------------------------------------------------------------------------------------- */

enum { kDeepest = 512 };
struct entry {
  struct tenure_tenant* tenant;
  struct tenure_scope outer;
  unsigned long long key; /* Names the `with` statement */
};
/* The thread's own, so the thread alone reads and writes them. */
static _Thread_local struct entry entries[kDeepest];
static _Thread_local unsigned depth;
static _Thread_local unsigned steps; /* Steps of coroutines under way on this thread */

static struct tenure_tenant* handle_of(PyObject* number) { return PyLong_AsVoidPtr(number); }

static int push(PyObject* handle, PyObject* key) {
  struct tenure_tenant* const tenant = handle_of(handle);
  const unsigned long long name = PyLong_AsUnsignedLongLong(key);
  if (PyErr_Occurred()) return -1;
  if (depth == kDeepest) {
    PyErr_SetString(PyExc_RecursionError, "tenants are nested too deeply");
    return -1;
  }
  struct entry* const entry = &entries[depth];
  entry->tenant = tenant;
  entry->key = name;
  entry->outer = tenure_enter(tenant);
  ++depth;
  return 0;
}

static void unwind_to(unsigned mark) {
  while (depth > mark) tenure_leave(entries[--depth].outer);
}

/* Leaves the scope of that name. Scopes above it, which generators can leave behind, stay: they are left and entered again.
 * Returns whether this thread has such a scope. */
static int leave(unsigned long long key) {
  unsigned at = depth;
  while (at > 0 && entries[at - 1].key != key) --at;
  if (at == 0) return 0;
  const unsigned above = depth;
  unwind_to(at - 1);
  for (; at < above; ++at) {
    struct entry* const entry = &entries[depth];
    entry->tenant = entries[at].tenant;
    entry->key = entries[at].key;
    entry->outer = tenure_enter(entry->tenant);
    ++depth;
  }
  return 1;
}

/* step(chain, function, arguments, named or None): the call, inside each tenant of (handle, key, handle, key, ...). */
static PyObject* step(PyObject* self, PyObject* const* arguments, Py_ssize_t count) {
  (void)self;
  if (count != 4 || !PyTuple_Check(arguments[0]) || !PyTuple_Check(arguments[2]))
    return PyErr_Format(PyExc_TypeError, "step(chain, function, arguments, named)");
  const unsigned mark = depth;
  const Py_ssize_t size = PyTuple_Size(arguments[0]);
  PyObject* result = NULL;
  Py_ssize_t i = 0;
  while (i + 1 < size && push(PyTuple_GetItem(arguments[0], i), PyTuple_GetItem(arguments[0], i + 1)) == 0) i += 2;
  if (i >= size) {
    ++steps;
    result = PyObject_Call(arguments[1], arguments[2], arguments[3] == Py_None ? NULL : arguments[3]);
    --steps;
  }
  unwind_to(mark);
  return result;
}

/* ---- What Tenant derives from -------------------------------------------------------------------------------------------
 *
 * _entering() and _leaving() of the Python class write the chain of the context and return a key and a handle. They run in the
 * root: a tenant that is full could not be left otherwise. */

static PyObject* call_in_root(PyObject* self, const char* name) {
  const struct tenure_scope outer = tenure_enter(tenure_root());
  PyObject* const result = PyObject_CallMethod(self, name, NULL);
  tenure_leave(outer);
  return result;
}

static PyObject* scoped_enter(PyObject* self, PyObject* none) {
  (void)none;
  PyObject* const entering = call_in_root(self, "_entering");
  if (!entering) return NULL;
  const int result = push(PyTuple_GetItem(entering, 0), PyTuple_GetItem(entering, 1));
  Py_DECREF(entering);
  if (result == 0) return Py_NewRef(self);
  PyObject *type, *value, *traceback;
  PyErr_Fetch(&type, &value, &traceback);
  Py_XDECREF(call_in_root(self, "_leaving"));
  PyErr_Restore(type, value, traceback);
  return NULL;
}

static PyObject* scoped_exit(PyObject* self, PyObject* const* arguments, Py_ssize_t count) {
  (void)arguments, (void)count;
  PyObject* const leaving = call_in_root(self, "_leaving");
  if (!leaving) return NULL;
  const unsigned long long key = PyLong_AsUnsignedLongLong(leaving);
  Py_DECREF(leaving);
  if (PyErr_Occurred()) return NULL;
  if (!leave(key)) return PyErr_Format(PyExc_RuntimeError, "left on another thread than it was entered on");
  Py_RETURN_NONE;
}

static PyMethodDef scoped_methods[] = {{"__enter__", scoped_enter, METH_NOARGS, NULL},
                                       {"__exit__", (PyCFunction)(void (*)(void))scoped_exit, METH_FASTCALL, NULL},
                                       {NULL, NULL, 0, NULL}};
static PyType_Slot scoped_slots[] = {{Py_tp_methods, scoped_methods}, {0, NULL}};
static PyType_Spec scoped_spec = {"tenure._tenure.Scoped", 0, 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE, scoped_slots};

static PyObject* stepping(PyObject* self, PyObject* none) {
  (void)self, (void)none;
  return PyBool_FromLong(steps != 0);
}

/* ---- Functions of tenure.h ----------------------------------------------------------------------------------------- */

static PyObject* active(PyObject* self, PyObject* none) {
  (void)self, (void)none;
  return PyBool_FromLong(tenure_available() && tenure_active());
}
static PyObject* available(PyObject* self, PyObject* none) {
  (void)self, (void)none;
  return PyBool_FromLong(tenure_available());
}
static PyObject* library_mode(PyObject* self, PyObject* none) {
  (void)self, (void)none;
  return PyUnicode_FromString(tenure_available() ? tenure_mode() : "");
}
static PyObject* library_version(PyObject* self, PyObject* none) {
  (void)self, (void)none;
  return PyUnicode_FromString(tenure_available() ? tenure_version() : "");
}

/* create(parent, name, flags): (result, handle) */
static PyObject* create(PyObject* self, PyObject* arguments) {
  (void)self;
  PyObject* parent;
  const char* name;
  unsigned flags;
  if (!PyArg_ParseTuple(arguments, "OsI", &parent, &name, &flags)) return NULL;
  struct tenure_tenant *above = handle_of(parent), *tenant = NULL;
  if (PyErr_Occurred()) return NULL;
  int result;
  Py_BEGIN_ALLOW_THREADS
  result = tenure_tenant_create(above, name, flags, &tenant);
  Py_END_ALLOW_THREADS
  return Py_BuildValue("iN", result, PyLong_FromVoidPtr(tenant));
}

static PyObject* offline(PyObject* self, PyObject* arguments) {
  (void)self;
  PyObject* handle;
  unsigned flags;
  if (!PyArg_ParseTuple(arguments, "OI", &handle, &flags)) return NULL;
  struct tenure_tenant* const tenant = handle_of(handle);
  if (PyErr_Occurred()) return NULL;
  int result;
  Py_BEGIN_ALLOW_THREADS
  result = tenure_tenant_offline(tenant, flags);
  Py_END_ALLOW_THREADS
  return PyLong_FromLong(result);
}

static PyObject* find(PyObject* self, PyObject* path) {
  (void)self;
  Py_ssize_t length;
  const char* const text = PyUnicode_AsUTF8AndSize(path, &length);
  if (!text) return NULL;
  return PyLong_FromVoidPtr(tenure_available() ? tenure_tenant_find(text) : NULL);
}
static PyObject* root(PyObject* self, PyObject* none) {
  (void)self, (void)none;
  return PyLong_FromVoidPtr(tenure_available() ? tenure_root() : NULL);
}
static PyObject* current(PyObject* self, PyObject* none) {
  (void)self, (void)none;
  return PyLong_FromVoidPtr(tenure_available() ? tenure_tenant_ref(tenure_current()) : NULL);
}

#define OF_HANDLE(name, expression)                                            \
  static PyObject* name(PyObject* self, PyObject* handle) {                    \
    (void)self;                                                                \
    struct tenure_tenant* const tenant = handle_of(handle);                    \
    if (PyErr_Occurred()) return NULL;                                         \
    return expression;                                                         \
  }
OF_HANDLE(online, PyBool_FromLong(tenure_tenant_online(tenant)))
OF_HANDLE(number, PyLong_FromUnsignedLong(tenure_tenant_id(tenant)))
OF_HANDLE(parent, PyLong_FromVoidPtr(tenure_tenant_parent(tenant)))
OF_HANDLE(policy, PyLong_FromLong(tenure_tenant_policy(tenant)))
OF_HANDLE(close_handle, (tenure_tenant_close(tenant), Py_BuildValue("")))
OF_HANDLE(reset_peak, (tenure_tenant_reset_peak(tenant), Py_BuildValue("")))

static PyObject* path(PyObject* self, PyObject* handle) {
  (void)self;
  char text[32 * 64 + 1]; /* 31 levels of 63 bytes and a slash */
  struct tenure_tenant* const tenant = handle_of(handle);
  if (PyErr_Occurred()) return NULL;
  tenure_tenant_path(tenant, text, sizeof text);
  return PyUnicode_FromString(text);
}

static PyObject* set_limit(PyObject* self, PyObject* arguments) {
  (void)self;
  PyObject *handle, *bytes;
  int which;
  if (!PyArg_ParseTuple(arguments, "OiO", &handle, &which, &bytes)) return NULL;
  struct tenure_tenant* const tenant = handle_of(handle);
  const size_t value = PyLong_AsSize_t(bytes);
  if (PyErr_Occurred()) return NULL;
  int result;
  Py_BEGIN_ALLOW_THREADS
  result = tenure_tenant_set_limit(tenant, (enum tenure_limit)which, value);
  Py_END_ALLOW_THREADS
  return PyLong_FromLong(result);
}

static PyObject* limit(PyObject* self, PyObject* arguments) {
  (void)self;
  PyObject* handle;
  int which;
  if (!PyArg_ParseTuple(arguments, "Oi", &handle, &which)) return NULL;
  struct tenure_tenant* const tenant = handle_of(handle);
  if (PyErr_Occurred()) return NULL;
  return PyLong_FromSize_t(tenure_tenant_limit(tenant, (enum tenure_limit)which));
}

static PyObject* set_policy(PyObject* self, PyObject* arguments) {
  (void)self;
  PyObject* handle;
  int value;
  if (!PyArg_ParseTuple(arguments, "Oi", &handle, &value)) return NULL;
  struct tenure_tenant* const tenant = handle_of(handle);
  if (PyErr_Occurred()) return NULL;
  return PyLong_FromLong(tenure_tenant_set_policy(tenant, (enum tenure_policy)value));
}

static PyObject* tenant_stats(PyObject* self, PyObject* handle) {
  (void)self;
  struct tenure_tenant* const tenant = handle_of(handle);
  if (PyErr_Occurred()) return NULL;
  struct tenure_tenant_stats s = {.struct_size = sizeof s};
  const int result = tenure_tenant_stats(tenant, &s);
  if (result != 0) return PyLong_FromLong(result);
  return Py_BuildValue("(nnnnnn(nnnnn)nnnn)", s.usage, s.peak, s.allocated, s.cached, s.meta, s.failures, s.events[0],
                       s.events[1], s.events[2], s.events[3], s.events[4], s.children, s.stalled_us, s.pressure10,
                       s.pressure60);
}

static PyObject* reclaim(PyObject* self, PyObject* arguments) {
  (void)self;
  PyObject *handle, *bytes;
  if (!PyArg_ParseTuple(arguments, "OO", &handle, &bytes)) return NULL;
  struct tenure_tenant* const tenant = handle_of(handle);
  const size_t value = PyLong_AsSize_t(bytes);
  if (PyErr_Occurred()) return NULL;
  size_t result;
  Py_BEGIN_ALLOW_THREADS
  result = tenure_reclaim(tenant, value);
  Py_END_ALLOW_THREADS
  return PyLong_FromSize_t(result);
}

static PyObject* checkpoint(PyObject* self, PyObject* none) {
  (void)self, (void)none;
  int result = 0;
  Py_BEGIN_ALLOW_THREADS
  if (tenure_available()) result = tenure_checkpoint();
  Py_END_ALLOW_THREADS
  return PyLong_FromLong(result);
}

static PyObject* reap(PyObject* self, PyObject* none) {
  (void)self, (void)none;
  size_t result = 0;
  Py_BEGIN_ALLOW_THREADS
  if (tenure_available()) result = tenure_reap();
  Py_END_ALLOW_THREADS
  return PyLong_FromSize_t(result);
}

static PyMethodDef methods[] = {
    {"active", active, METH_NOARGS, NULL},
    {"available", available, METH_NOARGS, NULL},
    {"mode", library_mode, METH_NOARGS, NULL},
    {"version", library_version, METH_NOARGS, NULL},
    {"step", (PyCFunction)(void (*)(void))step, METH_FASTCALL, NULL},
    {"stepping", stepping, METH_NOARGS, NULL},
    {"create", create, METH_VARARGS, NULL},
    {"offline", offline, METH_VARARGS, NULL},
    {"find", find, METH_O, NULL},
    {"root", root, METH_NOARGS, NULL},
    {"current", current, METH_NOARGS, NULL},
    {"online", online, METH_O, NULL},
    {"number", number, METH_O, NULL},
    {"parent", parent, METH_O, NULL},
    {"path", path, METH_O, NULL},
    {"close", close_handle, METH_O, NULL},
    {"set_limit", set_limit, METH_VARARGS, NULL},
    {"limit", limit, METH_VARARGS, NULL},
    {"set_policy", set_policy, METH_VARARGS, NULL},
    {"policy", policy, METH_O, NULL},
    {"stats", tenant_stats, METH_O, NULL},
    {"reset_peak", reset_peak, METH_O, NULL},
    {"reclaim", reclaim, METH_VARARGS, NULL},
    {"checkpoint", checkpoint, METH_NOARGS, NULL},
    {"reap", reap, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL}};

static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_tenure", NULL, -1, methods, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__tenure(void) {
  PyObject* made = PyModule_Create(&module);
  PyObject* const scoped = made ? PyType_FromSpec(&scoped_spec) : NULL;
  if (!scoped || PyModule_AddObjectRef(made, "Scoped", scoped) != 0) Py_CLEAR(made);
  Py_XDECREF(scoped);
  return made;
}
