// bench_tenants ROW SECONDS: one row under the allocator that is preloaded. Prints lines of name,
// unit and value; nothing where the allocator does not have the operation. Exit status 1 where it
// failed.

#include <cstdlib>
#include <string>

#include "tenants/many.h"
#include "tenants/requests.h"
#include "tenants/rows.h"

namespace bench {
namespace {

// The row, with the numbers behind its name.
template <typename Backend>
bool run(const std::string& row, std::size_t number, std::size_t second, double seconds) {
  constexpr bool kTenure = std::is_same_v<Backend, TenureTenants>;
  if (row == "pair") {
    pair_row<Backend>(seconds, number, 1 << 20);
  } else if (row == "batch") {
    batch_row<Backend>(seconds, number);
  } else if (row == "switch") {
    switch_row<Backend>(seconds);
  } else if (row == "create") {
    create_row<Backend>(seconds);
  } else if (row == "offline") {
    // The end of a jemalloc arena is the end of its objects.
    if constexpr (!std::is_same_v<Backend, JemallocArenas>) offline_row<Backend>(seconds, number);
  } else if (row == "freed") {
    if constexpr (!std::is_same_v<Backend, JemallocArenas>)
      offline_row<Backend>(seconds, number, 1000000);
  } else if (row == "waiting") {
    if constexpr (kTenure) waiting_row<Backend>(seconds);
  } else if (row == "storm") {
    storm_row<Backend>(seconds, static_cast<unsigned>(number));
  } else if (row == "cycles") {
    cycles_row<Backend>(number);
  } else if (row == "many") {
    many_row<Backend>(number);
  } else if (row == "random") {
    random_row<Backend>(seconds, number, second);
  } else if (row == "requests") {
    requests_row<Backend>(seconds, number, static_cast<unsigned>(second), "inside");
  } else if (row == "pooled" || row == "isolation") {
    // The others have no slabs that tenants share, and no limits.
    if constexpr (kTenure) {
      if (row == "pooled")
        pair_row<Backend>(seconds, number, 0);
      else
        isolation_row<Backend>(seconds);
    }
  } else {
    return false;
  }
  return true;
}

// What the others' cost is compared with.
bool run_plain(const std::string& row, std::size_t size, double seconds) {
  if (row != "pair") return true;
  const auto pairs = [size](std::size_t steps) {
    while (steps-- > 0) free(escape(malloc(size)));
  };
  report("root", "ns", compare(seconds, 200000, pairs, pairs).first);
  return true;
}

}  // namespace
}  // namespace bench

int main(int count, char** arguments) {
  using namespace bench;
  if (count != 3) {
    std::fprintf(stderr, "usage: bench_tenants ROW[/NUMBER[/NUMBER]] SECONDS\n");
    return 1;
  }
  std::string row = arguments[1];
  std::size_t number = 64, second = 1;  // The bytes, for rows of a size.
  if (const std::size_t slash = row.find('/'); slash != std::string::npos) {
    char* rest = nullptr;
    number = std::strtoul(row.c_str() + slash + 1, &rest, 10);
    if (*rest == '/') second = std::strtoul(rest + 1, nullptr, 10);
    row.resize(slash);
  }
  const double seconds = std::atof(arguments[2]);
  if (row == "stores") {  // The base of the row "requests".
    requests_row<NoTenants>(seconds, number, static_cast<unsigned>(second), "none");
    return 0;
  }
  const bool known = TenureTenants::load()    ? run<TenureTenants>(row, number, second, seconds)
                     : JemallocArenas::load() ? run<JemallocArenas>(row, number, second, seconds)
                     : MimallocHeaps::load()  ? run<MimallocHeaps>(row, number, second, seconds)
                                              : run_plain(row, number, seconds);
  if (!known) std::fprintf(stderr, "no row %s\n", arguments[1]);
  return known ? 0 : 1;
}
