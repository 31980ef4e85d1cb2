// Memory of a given tenant for C++ containers and objects, whichever tenant is current.
#pragma once

#include <tenure/tenant.hpp>
#include <tenure/tenure.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <memory>
#include <memory_resource>
#include <new>
#include <type_traits>
#include <utility>

namespace tenure {
inline namespace v1 {

namespace detail {

[[noreturn]] inline void refuse() {
#if defined(__cpp_exceptions)
  throw std::bad_alloc();
#else
  std::abort();
#endif
}

// Throws std::bad_alloc where the tenant's limit, or the system, refuses. Freed by free().
inline void* allocate(const Tenant& tenant, std::size_t bytes, std::size_t alignment) {
  if (bytes == 0) bytes = 1;  // NULL then always means failure.
  void* const block = alignment <= alignof(std::max_align_t)
                          ? tenure_malloc(tenant.get(), bytes)
                          : tenure_aligned_alloc(tenant.get(), alignment, bytes);
  if (!block) refuse();
  return block;
}

}  // namespace detail

// A std::pmr::memory_resource whose memory is charged to one tenant. Owns a handle: it may outlive
// the tenant, whose nearest online ancestor is charged then. Thread-safe. allocate() throws
// std::bad_alloc where a limit refuses. Memory may be deallocated through any MemoryResource, or by
// free(); yet two are equal only if their tenants are, so that moving a container into another
// tenant's copies the elements and with them the charge.
class MemoryResource final : public std::pmr::memory_resource {
public:
  // The current tenant's.
  MemoryResource() noexcept : MemoryResource(Tenant::current()) {}
  explicit MemoryResource(Tenant tenant) noexcept : tenant_(std::move(tenant)) {}

  const Tenant& tenant() const noexcept { return tenant_; }

private:
  void* do_allocate(std::size_t bytes, std::size_t alignment) override {
    return detail::allocate(tenant_, bytes, alignment);
  }
  void do_deallocate(void* block, std::size_t, std::size_t) override { std::free(block); }
  bool do_is_equal(const std::pmr::memory_resource& other) const noexcept override {
#if defined(__cpp_rtti)
    const auto* const same = dynamic_cast<const MemoryResource*>(&other);
    return same && same->tenant_ == tenant_;
#else
    return this == &other;
#endif
  }

  Tenant tenant_;
};

// An allocator for containers whose memory is charged to one tenant, also where they grow while
// another is current. Owns a handle. Equal if the tenants are. Goes along when a container is moved
// or swapped, and into copies of it; a container that is assigned to by copy keeps its own.
// allocate() throws std::bad_alloc where a limit refuses.
template <class T>
class Allocator {
public:
  using value_type = T;
  using propagate_on_container_copy_assignment = std::false_type;
  using propagate_on_container_move_assignment = std::true_type;
  using propagate_on_container_swap = std::true_type;
  using is_always_equal = std::false_type;

  // The current tenant's.
  Allocator() noexcept : tenant_(Tenant::current()) {}
  // Implicit, so that a container can be given a tenant as its allocator.
  Allocator(Tenant tenant) noexcept : tenant_(std::move(tenant)) {}
  // A moved-from container must still be able to allocate for its tenant: moving copies.
  Allocator(const Allocator&) noexcept = default;
  Allocator& operator=(const Allocator&) noexcept = default;
  ~Allocator() = default;
  template <class U>
  Allocator(const Allocator<U>& other) noexcept : tenant_(other.tenant()) {}

  const Tenant& tenant() const noexcept { return tenant_; }

  T* allocate(std::size_t count) {
    constexpr std::size_t kMost =
        static_cast<std::size_t>(std::numeric_limits<std::ptrdiff_t>::max()) / sizeof(T);
    if (count > kMost) detail::refuse();
    return static_cast<T*>(detail::allocate(tenant_, count * sizeof(T), alignof(T)));
  }
  void deallocate(T* block, std::size_t) noexcept { std::free(block); }

  template <class U>
  friend bool operator==(const Allocator& a, const Allocator<U>& b) noexcept {
    return a.tenant() == b.tenant();
  }
  template <class U>
  friend bool operator!=(const Allocator& a, const Allocator<U>& b) noexcept {
    return !(a == b);
  }

private:
  Tenant tenant_;
};

// A cache of objects of type T, as tenure_cache_create(): slabs of their own, for each tenant. The
// constructor of T runs at each create(), its destructor at each destroy(); both may throw or not
// as they like. All members but close() and the destructor may be called from several threads at
// once.
template <class T>
class Cache {
  static_assert(sizeof(T) <= 32768, "objects of a cache have at most 32 KiB");
  static_assert(alignof(T) <= 4096, "objects of a cache are aligned to at most 4 KiB");

public:
  // The deleter of a Pointer. It refers to the cache's memory, not to the Cache, which may be
  // moved meanwhile; the cache must live as long as its objects.
  class Deleter {
  public:
    Deleter() noexcept = default;
    explicit Deleter(struct tenure_cache* cache) noexcept : cache_(cache) {}
    void operator()(T* object) const noexcept {
      object->~T();
      tenure_cache_free(cache_, object);
    }

  private:
    struct tenure_cache* cache_ = nullptr;
  };
  using Pointer = std::unique_ptr<T, Deleter>;

  // `name`, of which 31 bytes are kept, is for statistics. Throws std::system_error: ENOMEM.
  explicit Cache(const char* name) {
    detail::check(tenure_cache_create(name, sizeof(T), alignof(T), 0, nullptr, &cache_),
                  "tenure_cache_create");
  }
  Cache(Cache&& other) noexcept : cache_(std::exchange(other.cache_, nullptr)) {}
  Cache& operator=(Cache&& other) noexcept {
    std::swap(cache_, other.cache_);
    return *this;
  }
  Cache(const Cache&) = delete;
  Cache& operator=(const Cache&) = delete;
  // As close(): a cache with live objects is left to them and stays for ever.
  ~Cache() { close(); }

  // An object of the current tenant; of a given one. Throws std::bad_alloc where a limit refuses,
  // and what the constructor throws.
  template <class... Arguments>
  T* create(Arguments&&... arguments) {
    return construct(tenure_cache_alloc(cache_), std::forward<Arguments>(arguments)...);
  }
  template <class... Arguments>
  T* create_for(const Tenant& tenant, Arguments&&... arguments) {
    return construct(tenure_cache_alloc_for(cache_, tenant.get()),
                     std::forward<Arguments>(arguments)...);
  }
  // NULL is allowed. From any thread, inside any tenant.
  void destroy(T* object) noexcept {
    if (object) Deleter{cache_}(object);
  }
  // As create() and create_for(), with an owner.
  template <class... Arguments>
  Pointer make(Arguments&&... arguments) {
    return Pointer(create(std::forward<Arguments>(arguments)...), Deleter(cache_));
  }
  template <class... Arguments>
  Pointer make_for(const Tenant& tenant, Arguments&&... arguments) {
    return Pointer(create_for(tenant, std::forward<Arguments>(arguments)...), Deleter(cache_));
  }

  // Free objects of all tenants go back to slabs, empty slabs back. Returns the slabs given back.
  std::size_t shrink() noexcept { return tenure_cache_shrink(cache_); }
  struct tenure_cache_stats stats() const noexcept {
    struct tenure_cache_stats stats = {};
    stats.struct_size = sizeof stats;
    tenure_cache_stats(cache_, &stats);
    return stats;
  }
  // Ends the cache, unless objects live: returns their number, and the cache goes on if it is not
  // 0. Nobody may use the cache meanwhile.
  std::size_t close() noexcept {
    if (!cache_) return 0;
    std::size_t live = 0;
    if (tenure_cache_destroy(cache_, &live) != 0) return live;
    cache_ = nullptr;
    return 0;
  }
  // For functions of the C API; NULL when moved from or closed.
  struct tenure_cache* get() const noexcept {
    return cache_;
  }

private:
  template <class... Arguments>
  T* construct(void* memory, Arguments&&... arguments) {
    if (!memory) detail::refuse();
#if defined(__cpp_exceptions)
    try {
      return ::new (memory) T(std::forward<Arguments>(arguments)...);
    } catch (...) {
      tenure_cache_free(cache_, memory);
      throw;
    }
#else
    return ::new (memory) T(std::forward<Arguments>(arguments)...);
#endif
  }

  struct tenure_cache* cache_ = nullptr;
};

}  // namespace v1
}  // namespace tenure
