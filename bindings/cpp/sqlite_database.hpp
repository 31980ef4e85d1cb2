// SQLite with a tenant for each database connection. The process has one SQLite allocator (SQLITE_CONFIG_MALLOC), which has no argument, so
// it allocates for the current tenant. Database uses its connection inside the connection's tenant. When a tenant is full, SQLite's calls
// return SQLITE_NOMEM, and the connection goes on.
#pragma once

#include <sqlite3.h>
#include <tenure/tenant.hpp>

#include <malloc.h>

#include <cstdlib>
#include <string>
#include <utility>

namespace tenure_adapters {

// SQLite asks how large a block is, and malloc knows: the default puts 8 bytes before each block instead.
inline const sqlite3_mem_methods& sqlite_malloc() {
  static const sqlite3_mem_methods methods = {
      [](int size) { return std::malloc(static_cast<size_t>(size)); },
      [](void* block) { std::free(block); },
      [](void* block, int size) { return std::realloc(block, static_cast<size_t>(size)); },
      [](void* block) { return static_cast<int>(malloc_usable_size(block)); },
      [](int size) { return (size + 15) & ~15; },
      [](void*) { return SQLITE_OK; },
      [](void*) {},
      nullptr};
  return methods;
}

// Once, before the first connection, outside of tenants. SQLite keeps counts of memory under a lock otherwise; tenants count.
inline int configure_sqlite() {
  const tenure::Tenant root = tenure::Tenant::root();
  const tenure::Scope scope(root);
  int result = sqlite3_config(SQLITE_CONFIG_MALLOC, &sqlite_malloc());
  if (result == SQLITE_OK) result = sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
  // What SQLite would keep for all connections together would be the first one's to pay.
  if (result == SQLITE_OK) result = sqlite3_config(SQLITE_CONFIG_PAGECACHE, nullptr, 0, 0);
  return result == SQLITE_OK ? sqlite3_initialize() : result;
}

class Database {
public:
  // Throws std::system_error with ENOTSUP where nothing would be limited: there is no connection without a tenant.
  Database(const std::string& name, size_t max) : tenant_(tenure::Tenant::create(name)) {
    tenant_.set_limit(TENURE_MAX, max);
  }
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;
  ~Database() {
    {
      const tenure::Scope scope(tenant_);
      sqlite3_close(connection_);
    }
    tenant_.offline();
  }

  int open(const char* file) {
    const tenure::Scope scope(tenant_);
    return sqlite3_open(file, &connection_);
  }
  // Calls of SQLite for this connection: work(connection). Statements are finalized inside, too.
  template <class Work>
  auto within(Work&& work) {
    const tenure::Scope scope(tenant_);
    return std::forward<Work>(work)(connection_);
  }
  const tenure::Tenant& tenant() const { return tenant_; }

private:
  tenure::Tenant tenant_;
  sqlite3* connection_ = nullptr;
};

}  // namespace tenure_adapters
