// A named cache for objects of one type: the sessions of a service. Each session is charged to its tenant.
#undef NDEBUG
#include <cassert>
#include <cstdio>
#include <string>
#include <tenure/tenure.hpp>
#include <vector>

namespace {

struct Session {
  explicit Session(int number) : id(number) {}
  int id;
  char user[64] = {};
  std::vector<std::string> history;  // Charged to the tenant that is current when it grows.
};

using Sessions = tenure::Cache<Session>;

}  // namespace

int main() {
  Sessions cache("session");
  tenure::Tenant acme = tenure::Tenant::create("acme");
  tenure::Tenant globex = tenure::Tenant::create("globex");

  std::vector<Sessions::Pointer> sessions;
  for (int i = 0; i < 1000; ++i) sessions.push_back(cache.make_for(i % 4 ? acme : globex, i));
  assert(tenure::Tenant::owner(sessions[0].get()) == globex);
  assert(tenure::Tenant::owner(sessions[1].get()) == acme);

  const auto full = cache.stats();
  std::printf("%zu sessions of %zu bytes in %zu slabs, for %zu tenants\n", full.live,
              full.object_size, full.slabs, full.tenants);
  assert(full.live == 1000);
  assert(acme.usage() > globex.usage() && globex.usage() > 0);

  // Sessions of a departed tenant stay valid for their holders.
  globex.offline();
  for (int i = 0; i < 1000; ++i) assert(sessions[static_cast<size_t>(i)]->id == i);
  assert(cache.close() == 1000);  // Refused: there are objects.

  sessions.clear();
  const size_t slabs = cache.shrink();
  std::printf("%zu slabs given back\n", slabs);
  assert(cache.stats().live == 0);
  assert(cache.close() == 0);
  acme.offline();
}
