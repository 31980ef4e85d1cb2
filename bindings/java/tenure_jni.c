/* The JNI library of dev.tenure.Tenant. It links no library, and finds Tenure's functions in the process. */
#include <jni.h>

#define TENURE_WEAK
#include <tenure/tenure.h>

#include <errno.h>
#include <string.h>

#define TENANT(result, name) JNIEXPORT result JNICALL Java_dev_tenure_Tenant_##name

static struct tenure_tenant* handle_of(jlong handle) {
  return (struct tenure_tenant*)(uintptr_t)handle;
}

TENANT(jboolean, active)(JNIEnv* env, jclass class) {
  (void)env, (void)class;
  return tenure_available() && tenure_active();
}

static jstring path_of(JNIEnv* env, struct tenure_tenant* tenant) {
  char path[2100];
  tenure_tenant_path(tenant, path, sizeof path);
  return (*env)->NewStringUTF(env, path);
}
TENANT(jstring, path0)(JNIEnv* env, jclass class, jlong handle) {
  (void)class;
  return path_of(env, handle_of(handle));
}
TENANT(jstring, current)(JNIEnv* env, jclass class) {
  (void)class;
  return tenure_available() ? path_of(env, tenure_current()) : NULL;
}

TENANT(jint, create0)
(JNIEnv* env, jclass class, jlong parent, jstring name, jint flags, jlongArray made) {
  (void)class;
  const char* const text = (*env)->GetStringUTFChars(env, name, NULL);
  if (!text) return -ENOMEM;
  struct tenure_tenant* tenant = NULL;
  const int result = tenure_tenant_create(parent ? handle_of(parent) : tenure_root(), text,
                                          (unsigned)flags, &tenant);
  (*env)->ReleaseStringUTFChars(env, name, text);
  const jlong handle = (jlong)(uintptr_t)tenant;
  (*env)->SetLongArrayRegion(env, made, 0, 1, &handle);
  return result;
}
TENANT(jint, offline0)(JNIEnv* env, jclass class, jlong handle, jint flags) {
  (void)env, (void)class;
  return tenure_tenant_offline(handle_of(handle), (unsigned)flags);
}
TENANT(void, close0)(JNIEnv* env, jclass class, jlong handle) {
  (void)env, (void)class;
  tenure_tenant_close(handle_of(handle));
}
TENANT(jlong, enter0)(JNIEnv* env, jclass class, jlong handle) {
  (void)env, (void)class;
  return (jlong)tenure_enter(handle_of(handle)).word;
}
TENANT(void, leave0)(JNIEnv* env, jclass class, jlong outer) {
  (void)env, (void)class;
  const struct tenure_scope scope = {(uint64_t)outer};
  tenure_leave(scope);
}
TENANT(jint, setLimit0)(JNIEnv* env, jclass class, jlong handle, jint which, jlong bytes) {
  (void)env, (void)class;
  return tenure_tenant_set_limit(handle_of(handle), (enum tenure_limit)which,
                                 bytes < 0 ? TENURE_UNLIMITED : (size_t)bytes);
}
TENANT(jint, setPolicy0)(JNIEnv* env, jclass class, jlong handle, jint policy) {
  (void)env, (void)class;
  return tenure_tenant_set_policy(handle_of(handle), (enum tenure_policy)policy);
}
TENANT(jint, stats0)(JNIEnv* env, jclass class, jlong handle, jlongArray figures) {
  (void)class;
  struct tenure_tenant_stats s = {.struct_size = sizeof s};
  const int result = tenure_tenant_stats(handle_of(handle), &s);
  const jlong values[] = {(jlong)s.usage, (jlong)s.peak, (jlong)s.failures, (jlong)s.children};
  if (result == 0) (*env)->SetLongArrayRegion(env, figures, 0, 4, values);
  return result;
}
TENANT(jstring, strerror0)(JNIEnv* env, jclass class, jint number) {
  (void)class;
  return (*env)->NewStringUTF(env, strerror(number));
}
