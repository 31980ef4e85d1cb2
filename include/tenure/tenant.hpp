// Tenants as C++ objects: handles, scopes, and the current tenant carried into other threads' work.
#pragma once

#include <tenure/tenure.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <functional>
#include <optional>
#include <string>
#include <system_error>
#include <type_traits>
#include <utility>

// The inline namespace separates these types, for the linker, from the library's own types of the same names.
namespace tenure {
inline namespace v1 {

namespace detail {

[[noreturn]] inline void fail(int error, const char* what) {
#if defined(__cpp_exceptions)
  throw std::system_error(error, std::generic_category(), what);
#else
  (void)error;
  (void)what;
  std::abort();
#endif
}

// `result` is the result of a function of the C API: 0, or a negative errno value.
inline void check(int result, const char* what) {
  if (result < 0) fail(-result, what);
}

// Calls `visit` from a C callback. An exception must not pass through the library's frames. So it ends the walk, and is thrown again when
// the walk has returned.
template <class Visit>
class Visitor {
public:
  explicit Visitor(Visit& visit) : visit_(visit) {}

  template <class Argument>
  int call(Argument&& argument) noexcept {
#if defined(__cpp_exceptions)
    try {
      return call_plainly(std::forward<Argument>(argument));
    } catch (...) {
      thrown_ = std::current_exception();
      return 1;
    }
#else
    return call_plainly(std::forward<Argument>(argument));
#endif
  }
  // Called after the walk.
  void rethrow() const {
#if defined(__cpp_exceptions)
    if (thrown_) std::rethrow_exception(thrown_);
#endif
  }

private:
  // A visitor that returns bool ends the walk with false; one that returns void sees everything.
  template <class Argument>
  int call_plainly(Argument&& argument) {
    if constexpr (std::is_void_v<std::invoke_result_t<Visit&, Argument>>) {
      visit_(std::forward<Argument>(argument));
      return 0;
    } else {
      return visit_(std::forward<Argument>(argument)) ? 0 : 1;
    }
  }

  Visit& visit_;
  std::exception_ptr thrown_;
};

}  // namespace detail

// A handle on a tenant. Copies are handles on the same tenant. Destroying the last handle does not end the tenant, which lives until
// offline(). After that every handle stays good, and allocations through it are charged to the nearest online ancestor. An object that was
// default-constructed or moved from has no tenant, which is not the root: a Scope of it changes nothing, allocating for it throws
// std::bad_alloc, and functions that change a tenant throw EINVAL.
//
// create, offline, set_eventfd and set_handler take the library's control lock. Any thread may call them, but no signal handler. All other
// functions are lock-free; stats, limit, policy, id, name and online are async-signal-safe, too.
class Tenant {
public:
  // No tenant.
  Tenant() noexcept = default;
  Tenant(const Tenant& other) noexcept
      : handle_(other.handle_ ? tenure_tenant_ref(other.handle_) : nullptr) {}
  Tenant(Tenant&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Tenant& operator=(Tenant other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~Tenant() {
    if (handle_) tenure_tenant_close(handle_);
  }

  static Tenant root() noexcept { return Tenant(tenure_root()); }
  // A new child of `parent`, by default of the root. `flags`: TENURE_DURABLE, TENURE_ISOLATED.
  // Throws std::system_error: EINVAL, EEXIST, ENODEV, EMLINK, ENOSPC, ENOMEM,
  // ENOTSUP as tenure_tenant_create(); EINVAL, too, for a name with a 0 in it or a parent that is
  // no tenant.
  static Tenant create(const std::string& name, unsigned flags = 0, const Tenant& parent = root()) {
    struct tenure_tenant* handle = nullptr;
    // The C function would see only the part before a 0, and would take NULL for the root.
    const bool valid = name.find('\0') == std::string::npos && parent.handle_ != nullptr;
    detail::check(valid ? tenure_tenant_create(parent.handle_, name.c_str(), flags, &handle)
                        : -EINVAL,
                  "tenure_tenant_create");
    return Tenant(handle);
  }
  // The online tenant at an absolute path ("/shop/acme"), if there is one.
  static std::optional<Tenant> find(const std::string& path) {
    if (path.find('\0') != std::string::npos) return std::nullopt;
    struct tenure_tenant* const handle = tenure_tenant_find(path.c_str());
    if (!handle) return std::nullopt;
    return Tenant(handle);
  }
  // The tenant that this thread is inside of.
  static Tenant current() noexcept { return share(tenure_current()); }
  // The tenant that is charged for the block of memory that starts at `block`.
  static Tenant owner(const void* block) noexcept { return Tenant(tenure_owner(block)); }
  // Takes over a handle of the C API. This object closes the handle.
  static Tenant adopt(struct tenure_tenant* handle) noexcept { return Tenant(handle); }
  // Makes another handle. The caller keeps its own.
  static Tenant share(struct tenure_tenant* handle) noexcept {
    return Tenant(handle ? tenure_tenant_ref(handle) : nullptr);
  }
  // For functions of the C API; valid as long as this object. NULL: no tenant.
  struct tenure_tenant* get() const noexcept {
    return handle_;
  }

  // Throws std::system_error: EBUSY (has children), EALREADY, EINVAL (the root).
  void offline() { detail::check(tenure_tenant_offline(handle_, 0), "tenure_tenant_offline"); }
  // All tenants below go offline first.
  void offline_recursively() {
    detail::check(tenure_tenant_offline(handle_, TENURE_RECURSIVE), "tenure_tenant_offline");
  }

  bool is_root() const noexcept { return handle_ != nullptr && handle_ == tenure_root(); }
  // Whether it has a tenant.
  explicit operator bool() const noexcept { return handle_ != nullptr; }
  bool online() const noexcept { return tenure_tenant_online(handle_) != 0; }
  std::uint32_t id() const noexcept { return tenure_tenant_id(handle_); }
  // Valid as long as this object.
  const char* name() const noexcept { return tenure_tenant_name(handle_); }
  std::string path() const {
    std::string path(tenure_tenant_path(handle_, nullptr, 0), '\0');
    // data() has room for the terminating 0.
    tenure_tenant_path(handle_, path.data(), path.size() + 1);
    return path;
  }
  Tenant parent() const noexcept { return Tenant(tenure_tenant_parent(handle_)); }
  // Calls visit(const Tenant&) for this tenant and all online ones below it, parents first. If visit returns a bool, false ends the walk.
  // visit may throw. It must not block for long, nor call control functions.
  template <class Visit>
  void for_each(Visit&& visit) const {
    detail::Visitor<std::remove_reference_t<Visit>> visitor(visit);
    tenure_tenant_for_each(
        handle_,
        [](struct tenure_tenant* tenant, void* argument) {
          return static_cast<decltype(visitor)*>(argument)->call(share(tenant));
        },
        &visitor);
    visitor.rethrow();
  }

  // Bytes; TENURE_UNLIMITED for none. Throws std::system_error: EINVAL for the root and for no tenant, ENODEV (offline).
  void set_limit(enum tenure_limit which, std::size_t bytes) {
    detail::check(tenure_tenant_set_limit(handle_, which, bytes), "tenure_tenant_set_limit");
  }
  std::size_t limit(enum tenure_limit which) const noexcept {
    return tenure_tenant_limit(handle_, which);
  }
  void set_policy(enum tenure_policy policy) {
    detail::check(tenure_tenant_set_policy(handle_, policy), "tenure_tenant_set_policy");
  }
  enum tenure_policy policy() const noexcept { return tenure_tenant_policy(handle_); }

  struct tenure_tenant_stats stats() const noexcept {
    struct tenure_tenant_stats stats = {};
    stats.struct_size = sizeof stats;
    tenure_tenant_stats(handle_, &stats);
    return stats;
  }
  // Charged now, in bytes.
  std::size_t usage() const noexcept { return stats().usage; }
  void reset_peak() noexcept { tenure_tenant_reset_peak(handle_); }
  // Gives back up to `bytes` of the memory that this tenant and those below cache or can drop. Returns the bytes uncharged.
  std::size_t reclaim(std::size_t bytes) { return tenure_reclaim(handle_, bytes); }

  // The events of `mask` (TENURE_EVENT_BIT) make `fd` readable, each once until read_events(). -1: none. The caller owns the descriptor,
  // which must stay open until it has been replaced. Throws std::system_error: EINVAL, EBADF, ENODEV, ENOMEM, EDEADLK as
  // tenure_tenant_set_eventfd().
  void set_eventfd(int fd, std::uint32_t mask) {
    detail::check(tenure_tenant_set_eventfd(handle_, fd, mask), "tenure_tenant_set_eventfd");
  }
  std::uint32_t read_events() noexcept { return tenure_tenant_read_events(handle_); }
  // Waits for calls of the previous handler. Exceptions of a handler are lost. Throws std::system_error: EINVAL, ENODEV, ENOMEM, EDEADLK as
  // tenure_tenant_set_handler().
  void set_handler(enum tenure_event event, tenure_event_handler handler, void* argument) {
    detail::check(tenure_tenant_set_handler(handle_, event, handler, argument),
                  "tenure_tenant_set_handler");
  }

  // Whether both are handles on the same tenant.
  friend bool operator==(const Tenant& a, const Tenant& b) noexcept {
    return a.handle_ == b.handle_;
  }
  friend bool operator!=(const Tenant& a, const Tenant& b) noexcept { return !(a == b); }

private:
  explicit Tenant(struct tenure_tenant* handle) noexcept : handle_(handle) {}

  struct tenure_tenant* handle_ = nullptr;  // Owned; NULL is no tenant.
};

// Calls visit(const tenure_dead&) for each departed tenant whose memory is not freed yet. If visit returns a bool, false ends the walk.
// visit may throw. It must not call control functions, because their lock is held. Control, as tenure_dead_for_each().
template <class Visit>
void for_each_dead(Visit&& visit) {
  detail::Visitor<std::remove_reference_t<Visit>> visitor(visit);
  tenure_dead_for_each(
      [](const struct tenure_dead* dead, void* argument) {
        return static_cast<decltype(visitor)*>(argument)->call(*dead);
      },
      &visitor);
  visitor.rethrow();
}

// The tenant that this thread is inside of, for work that runs later or on another thread. Owns a handle; a copy has another handle. A
// moved-from object may only be assigned to and destroyed.
class Captured {
public:
  // The current tenant.
  Captured() noexcept : captured_(tenure_capture()), held_(true) {}
  Captured(const Captured& other) noexcept : captured_(other.again()), held_(true) {}
  Captured(Captured&& other) noexcept
      : captured_(other.captured_), held_(std::exchange(other.held_, false)) {}
  Captured& operator=(Captured other) noexcept {
    std::swap(captured_, other.captured_);
    std::swap(held_, other.held_);
    return *this;
  }
  ~Captured() {
    if (held_) tenure_release(captured_);
  }
  // For functions of the C API; valid as long as this object.
  struct tenure_captured get() const noexcept {
    return captured_;
  }

private:
  struct tenure_captured again() const noexcept {
    const struct tenure_scope outer = tenure_restore(captured_);
    const struct tenure_captured copy = tenure_capture();
    tenure_leave(outer);
    return copy;
  }

  struct tenure_captured captured_;
  bool held_;
};

// While the object lives, this thread is inside the tenant. Use it only as a local variable: scopes are left in reverse order, on the
// thread that entered. A Scope must not live across a co_await. It costs one thread-local store each way. Async-signal-safe.
class [[nodiscard]] Scope {
public:
  // The handle must outlive the scope, which takes no handle of its own.
  explicit Scope(const Tenant& tenant) noexcept : outer_(tenure_enter(tenant.get())) {}
  explicit Scope(const Tenant&&) = delete;
  explicit Scope(const Captured& captured) noexcept : outer_(tenure_restore(captured.get())) {}
  explicit Scope(const Captured&&) = delete;
  ~Scope() { tenure_leave(outer_); }

  Scope(const Scope&) = delete;
  Scope& operator=(const Scope&) = delete;
  static void* operator new(std::size_t) = delete;
  static void* operator new[](std::size_t) = delete;

private:
  struct tenure_scope outer_;
};

// A callable that runs inside the tenant that was current when it was made; see bind().
template <class F>
class Bound {
public:
  explicit Bound(F f) : f_(std::move(f)) {}

  template <class... Arguments>
  decltype(auto) operator()(Arguments&&... arguments) {
    const Scope scope(captured_);
    return std::invoke(f_, std::forward<Arguments>(arguments)...);
  }
  template <class... Arguments>
  decltype(auto) operator()(Arguments&&... arguments) const {
    const Scope scope(captured_);
    return std::invoke(f_, std::forward<Arguments>(arguments)...);
  }

private:
  Captured captured_;
  F f_;
};

// For thread pools: returns a callable that runs `f` inside the tenant that is current now, on any thread, any number of times. It can be
// copied and moved as `f` can. Exceptions of `f` pass through after the scope was left.
template <class F>
Bound<std::decay_t<F>> bind(F&& f) {
  return Bound<std::decay_t<F>>(std::forward<F>(f));
}

// An executor that binds every task submitted through it:
//
//   tenure::BindingExecutor submit([&pool](auto task) { pool.push(std::move(task)); });
//   submit([] { ... });      runs in the pool, inside the submitter's tenant
//
// Returns the result of the wrapped function, and is as thread-safe as that function.
template <class Submit>
class BindingExecutor {
public:
  explicit BindingExecutor(Submit submit) : submit_(std::move(submit)) {}

  template <class F>
  decltype(auto) operator()(F&& f) {
    return submit_(bind(std::forward<F>(f)));
  }

private:
  Submit submit_;
};

}  // namespace v1
}  // namespace tenure
