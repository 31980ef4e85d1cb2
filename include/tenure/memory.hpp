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

// Throws std::bad_alloc if the tenant's limit, or the system, refuses. free() frees the block.
inline void* allocate(const Tenant& tenant, std::size_t bytes, std::size_t alignment) {
  if (bytes == 0) bytes = 1;  // So that NULL always means failure.
  void* const block = alignment <= alignof(std::max_align_t)
                          ? tenure_malloc(tenant.get(), bytes)
                          : tenure_aligned_alloc(tenant.get(), alignment, bytes);
  if (!block) refuse();
  return block;
}

}  // namespace detail

// A std::pmr::memory_resource whose memory is charged to one tenant. Owns a handle, so it may outlive the tenant; the nearest online
// ancestor is charged then. Thread-safe. allocate() throws std::bad_alloc if a limit refuses. Memory may be deallocated through any
// MemoryResource, or by free(). But two resources are equal only if their tenants are. So moving a container into the memory of another
// tenant copies the elements, and the charge moves with them.
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

// An allocator for containers whose memory is charged to one tenant, also if they grow while another tenant is current. Owns a handle. Two
// allocators are equal if their tenants are. The allocator moves with a container that is moved or swapped, and is copied into copies of
// the container. A container that is the target of a copy assignment keeps its own allocator. allocate() throws std::bad_alloc if a limit
// refuses.
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

// A cache of objects of type T, as tenure_cache_create() makes one. The constructor of T runs at each create(), and its destructor at each
// destroy(). Both may throw. All members except close() and the destructor may be called from several threads at once.
template <class T>
class Cache {
  static_assert(sizeof(T) <= 32768, "objects of a cache have at most 32 KiB");
  static_assert(alignof(T) <= 4096, "objects of a cache are aligned to at most 4 KiB");

public:
  // The deleter of a Pointer. It refers to the underlying cache, not to the Cache object, which may be moved meanwhile. The cache must live
  // as long as its objects.
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

  // `name` is for statistics; 31 bytes of it are kept. Throws std::system_error: ENOMEM.
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
  // Calls close(). A cache with live objects stays for ever.
  ~Cache() { close(); }

  // An object of the current tenant, or of a given one. Throws std::bad_alloc if a limit refuses, and the exceptions of the constructor.
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
  // As create() and create_for(); the result owns the object.
  template <class... Arguments>
  Pointer make(Arguments&&... arguments) {
    return Pointer(create(std::forward<Arguments>(arguments)...), Deleter(cache_));
  }
  template <class... Arguments>
  Pointer make_for(const Tenant& tenant, Arguments&&... arguments) {
    return Pointer(create_for(tenant, std::forward<Arguments>(arguments)...), Deleter(cache_));
  }

  // Returns free objects of all tenants to their slabs, and empty slabs to the heap. Returns the number of those slabs.
  std::size_t shrink() noexcept { return tenure_cache_shrink(cache_); }
  struct tenure_cache_stats stats() const noexcept {
    struct tenure_cache_stats stats = {};
    stats.struct_size = sizeof stats;
    tenure_cache_stats(cache_, &stats);
    return stats;
  }
  // Ends the cache, unless objects are live. Returns their number; if there are any, the cache goes on. No thread may use the cache
  // meanwhile.
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
