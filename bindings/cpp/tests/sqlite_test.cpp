// Two connections, of which one meets its limit. It is also the example of how Database is used.
#include "../sqlite_database.hpp"

#include "check.h"

using namespace tenure_adapters;

namespace {

int execute(Database& database, const char* statement) {
  return database.within([&](sqlite3* connection) { return sqlite3_exec(connection, statement, nullptr, nullptr, nullptr); });
}

size_t usage(const Database& database) { return database.tenant().stats().usage; }

constexpr const char kFill[] =
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) INSERT INTO t SELECT randomblob(1000) FROM n";

}  // namespace

int main() {
  CHECK(configure_sqlite() == SQLITE_OK);
  tenure::Tenant left;
  {
    Database full("full", 8 << 20), other("other", 256 << 20);
    CHECK(full.open(":memory:") == SQLITE_OK && other.open(":memory:") == SQLITE_OK);
    CHECK(execute(full, "CREATE TABLE t(x)") == SQLITE_OK && execute(other, "CREATE TABLE t(x)") == SQLITE_OK);
    CHECK(execute(full, kFill) == SQLITE_NOMEM);
    CHECK(usage(full) <= 8 << 20);
    CHECK(execute(other, kFill) == SQLITE_OK);
    CHECK(usage(other) >= 20 << 20);
    // It was rolled back, and goes on.
    CHECK(execute(full, "INSERT INTO t VALUES (randomblob(1000))") == SQLITE_OK);
    CHECK(execute(full, "SELECT abs(-9223372036854775808) FROM t") == SQLITE_ERROR);
    left = other.tenant();
    CHECK(tenure::Tenant::current().path() == "/");
  }
  CHECK(!left.online());
  left = tenure::Tenant();
  tenure_reap();
  CHECK(tenure_dead_for_each([](const struct tenure_dead*, void*) { return 1; }, nullptr) == 0);
  CHECK(tenure_validate() == 0);
}
