// Coroutines that stay inside their tenant, on whichever thread they are resumed. Empty before C++20.
#pragma once

#include <tenure/tenant.hpp>
#include <tenure/tenure.h>

#if defined(__cpp_impl_coroutine)

#include <coroutine>
#include <cstddef>
#include <cstdlib>
#include <exception>
#include <memory>
#include <new>
#include <optional>
#include <type_traits>
#include <utility>

namespace tenure {
inline namespace v1 {

class CarriesTenant;

namespace detail {

template <class T>
concept HasMemberCoAwait = requires(T&& source) {
  static_cast<T&&>(source).operator co_await();
};
template <class T>
concept HasFreeCoAwait = requires(T&& source) {
  operator co_await(static_cast<T&&>(source));
};

// The object on which co_await would call await_ready(): a reference to `source`, or the result of its operator co_await
// returns.
template <class T>
decltype(auto) awaiter_of(T&& source) noexcept {
  if constexpr (HasMemberCoAwait<T>) {
    return static_cast<T&&>(source).operator co_await();
  } else if constexpr (HasFreeCoAwait<T>) {
    return operator co_await(static_cast<T&&>(source));
  } else {
    return static_cast<T&&>(source);
  }
}

// An awaiter that leaves the coroutine's tenant when the coroutine suspends, and enters the tenant when the coroutine goes on. Holds
// `Source` by value, or, if that is a reference, refers to an expression of the co_await, which outlives it.
template <class Source>
class Carried {
public:
  Carried(CarriesTenant& promise, Source&& source) noexcept
      : promise_(promise), source_(static_cast<Source&&>(source)),
        awaiter_(awaiter_of(static_cast<Source&&>(source_))) {}
  Carried(const Carried&) = delete;
  Carried& operator=(const Carried&) = delete;

  bool await_ready() noexcept(noexcept(std::declval<Carried&>().awaiter_.await_ready())) {
    return awaiter_.await_ready();
  }
  template <class Promise>
  auto await_suspend(std::coroutine_handle<Promise> coroutine) noexcept(
      noexcept(std::declval<Carried&>().awaiter_.await_suspend(coroutine)));
  decltype(auto)
  await_resume() noexcept(noexcept(std::declval<Carried&>().awaiter_.await_resume()));

private:
  using Awaiter = decltype(awaiter_of(std::declval<Source>()));

  CarriesTenant& promise_;
  Source source_;
  Awaiter awaiter_;
};

}  // namespace detail

// A base for promise types. The coroutine belongs to the tenant that is current at its creation. Its frame is charged to that tenant. The
// coroutine is inside the tenant whenever it runs, on any thread, however often it is suspended. The thread that resumes it is afterwards
// inside the same tenant as before. A promise type
//   - returns carry(awaiter) from initial_suspend(), final_suspend() and yield_value(), to which
//     the language does not apply await_transform(); one with an await_transform() of its own
//     returns carry() from that, too,
//   - has an unhandled_exception() that does not throw.
// The inner await_suspend() runs outside the coroutine's tenant, inside the tenant of the thread that resumed the coroutine: once it has
// begun, another thread may be running the coroutine. A Scope must not live across a co_await or co_yield, as a lock must not. Each
// resumption costs one enter and one leave. Only the frame is allocated.
class CarriesTenant {
public:
  CarriesTenant(const CarriesTenant&) = delete;
  CarriesTenant& operator=(const CarriesTenant&) = delete;

  template <class Awaitable>
  detail::Carried<Awaitable&&> await_transform(Awaitable&& awaitable) noexcept {
    return {*this, static_cast<Awaitable&&>(awaitable)};
  }

  // The frame comes from malloc, whatever operator new the program has. Throws std::bad_alloc if a limit refuses.
  static void* operator new(std::size_t size) {
    if (void* const frame = std::malloc(size)) return frame;
#if defined(__cpp_exceptions)
    throw std::bad_alloc();
#else
    std::abort();
#endif
  }
  static void operator delete(void* frame) noexcept { std::free(frame); }
  static void operator delete(void* frame, std::size_t) noexcept { std::free(frame); }

protected:
  CarriesTenant() noexcept = default;
  // The frame of a coroutine whose final_suspend() does not suspend is destroyed while the coroutine runs.
  ~CarriesTenant() { leave(); }

  template <class Awaiter>
  detail::Carried<Awaiter> carry(Awaiter awaiter) noexcept {
    return {*this, std::move(awaiter)};
  }

private:
  template <class Source>
  friend class detail::Carried;

  void enter() noexcept {
    if (inside_) return;
    outer_ = tenure_restore(captured_.get());
    inside_ = true;
  }
  void leave() noexcept {
    // NOLINTNEXTLINE(clang-analyzer-core.uninitialized.Branch): promises made by the compiler
    if (!inside_) return;
    inside_ = false;
    tenure_leave(outer_);
  }

  Captured captured_;
  struct tenure_scope outer_ = {};  // While inside: the scope to which the resuming thread returns.
  bool inside_ = false;
};

namespace detail {

template <class Source>
template <class Promise>
auto Carried<Source>::await_suspend(std::coroutine_handle<Promise> coroutine) noexcept(
    noexcept(std::declval<Carried&>().awaiter_.await_suspend(coroutine))) {
  // Leaves before the inner call. As soon as that call has handed the coroutine on, another thread may resume it and even end it, together
  // with this awaiter and the promise.
  promise_.leave();
#if defined(__cpp_exceptions)
  if constexpr (!noexcept(awaiter_.await_suspend(coroutine))) {
    try {
      return awaiter_.await_suspend(coroutine);
    } catch (...) {
      promise_.enter();  // By the rules of the language the coroutine was not suspended.
      throw;
    }
  } else {
    return awaiter_.await_suspend(coroutine);
  }
#else
  return awaiter_.await_suspend(coroutine);
#endif
}

template <class Source>
decltype(auto) Carried<Source>::await_resume() noexcept(
    noexcept(std::declval<Carried&>().awaiter_.await_resume())) {
  promise_.enter();  // Does nothing if the coroutine was not suspended.
  return awaiter_.await_resume();
}

}  // namespace detail

// A lazy coroutine that carries its tenant. It starts when it is awaited, or by resume(). It gives a value of type T, or rethrows its
// exception, to the awaiting coroutine, or from result(). Owns the frame: destroying the task destroys a suspended coroutine, and must not
// happen while the coroutine runs. Movable. One thread may use it at a time.
template <class T = void>
class [[nodiscard]] Task {
  struct Promise;

public:
  using promise_type = Promise;

  Task(Task&& other) noexcept : coroutine_(std::exchange(other.coroutine_, nullptr)) {}
  Task& operator=(Task other) noexcept {
    std::swap(coroutine_, other.coroutine_);
    return *this;
  }
  ~Task() {
    if (coroutine_) coroutine_.destroy();
  }

  bool done() const noexcept { return coroutine_.done(); }
  // Starts the coroutine, or continues it after a suspension. For the outermost task; inner tasks are awaited.
  void resume() { coroutine_.resume(); }
  // The result of a finished task. Called once.
  T result() { return coroutine_.promise().take(); }
  std::coroutine_handle<> handle() const noexcept { return coroutine_; }

  // Starts the task. The awaiting coroutine goes on when the task has finished.
  auto operator co_await() && noexcept {
    struct Awaiter {
      std::coroutine_handle<Promise> coroutine;
      bool await_ready() const noexcept { return false; }
      std::coroutine_handle<> await_suspend(std::coroutine_handle<> waiting) const noexcept {
        coroutine.promise().waiting = waiting;
        return coroutine;
      }
      T await_resume() const { return coroutine.promise().take(); }
    };
    return Awaiter{coroutine_};
  }

private:
  explicit Task(std::coroutine_handle<Promise> coroutine) noexcept : coroutine_(coroutine) {}

  std::coroutine_handle<Promise> coroutine_;
};

namespace detail {

// When a task ends, the coroutine that awaits it goes on.
struct Finish {
  bool await_ready() const noexcept { return false; }
  template <class Promise>
  std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> coroutine) const noexcept {
    return coroutine.promise().waiting;
  }
  void await_resume() const noexcept {}
};

template <class T>
struct Result {
  std::optional<T> value;
  std::exception_ptr thrown;

  template <class Value>
  void return_value(Value&& returned) {
    value.emplace(std::forward<Value>(returned));
  }
  void unhandled_exception() noexcept { thrown = std::current_exception(); }
  T take() {
    if (thrown) std::rethrow_exception(thrown);
    return *std::move(value);
  }
};

template <>
struct Result<void> {
  std::exception_ptr thrown;

  void return_void() noexcept {}
  void unhandled_exception() noexcept { thrown = std::current_exception(); }
  void take() const {
    if (thrown) std::rethrow_exception(thrown);
  }
};

}  // namespace detail

template <class T>
struct Task<T>::Promise : CarriesTenant, detail::Result<T> {
  std::coroutine_handle<> waiting = std::noop_coroutine();

  Task get_return_object() noexcept {
    return Task(std::coroutine_handle<Promise>::from_promise(*this));
  }
  auto initial_suspend() noexcept { return carry(std::suspend_always()); }
  auto final_suspend() noexcept { return carry(detail::Finish()); }
};

}  // namespace v1
}  // namespace tenure

#endif
