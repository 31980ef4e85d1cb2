// As use.c, through operator new and the C++ header; an exception must pass through the program whole.
#include <cstdio>
#include <memory>
#include <new>
#include <tenure/tenure.hpp>
#include <thread>
#include <vector>

static std::size_t allocated() {
  struct tenure_stats stats {};
  stats.struct_size = sizeof stats;
  return tenure_stats(&stats) == 0 ? stats.allocated : 0;
}

int main() {
  const std::size_t size = 64 << 20;
  const std::size_t before = allocated();
  const auto block = std::make_unique<std::vector<char>>(size);
  const std::size_t after = allocated();
  bool thrown = false;
  try {
    volatile std::size_t absurd = static_cast<std::size_t>(-1) / 4;
    ::operator delete(::operator new(absurd));
  } catch (const std::bad_alloc&) {
    thrown = true;
  }
  // A name of the library's own as well: the two must not meet, also where it is linked statically.
  tenure::Tenant tenant = tenure::Tenant::create("consumer");
  const bool charged = [&] {
    const tenure::Scope scope(tenant);
    const auto object = std::make_unique<std::vector<char>>(size);
    return tenant.usage() >= size;
  }();
  tenant.offline();
  tenure::Tenant durable = tenure::Tenant::create("durable", TENURE_DURABLE);
  const bool inherited = [&] {
    const tenure::Scope scope(durable);
    bool inside = false;
    std::thread([&] { inside = tenure_current() == durable.get(); }).join();
    return inside;
  }();
  durable.offline();
  std::printf("version %s, malloc is %s\n", tenure_version(),
              after >= before + size && thrown && charged && inherited ? "tenure" : "not");
}
