// Many tenants with few objects each: what one costs, all in all.
#pragma once

#include <cstring>
#include <string>
#include <vector>

#include "tenants/backend.h"
#include "tenants/measure.h"

namespace bench {

// `count` tenants at once, first idle, then with ten objects of 16 to 1000 bytes each. Memory is what the process has more of in
// RAM; what the row itself keeps is touched before. Time is the mean over all, as a service pays it.
template <typename Backend>
void many_row(std::size_t count) {
  constexpr std::size_t kObjects = 10;
  std::vector<decltype(Backend::create({}, ""))> tenants(count);
  std::vector<void*> objects(count * kObjects);
  std::vector<std::string> names(count);
  for (std::size_t i = 0; i < count; ++i) names[i] = "tenant" + std::to_string(i);
  const double each = 1.0 / static_cast<double>(count);
  const std::size_t before = resident_bytes();
  const auto grown = [before] {
    return static_cast<double>(resident_bytes()) - static_cast<double>(before);
  };

  double begin = seconds_now();
  for (std::size_t i = 0; i < count; ++i) tenants[i] = Backend::create({}, names[i].c_str());
  report("create", "ns", (seconds_now() - begin) * each * 1e9);
  report("idle", "B", grown() * each);

  std::size_t payload = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const auto outer = Backend::enter(tenants[i]);
    for (std::size_t k = i * kObjects; k < (i + 1) * kObjects; ++k) {
      const std::size_t size = 16 + k * 7919 % 985;
      objects[k] = Backend::allocate(tenants[i], size);
      std::memset(objects[k], 1, size);
      payload += size;
    }
    Backend::leave(outer);
  }
  report("beyond payload", "B", (grown() - static_cast<double>(payload)) * each);

  begin = seconds_now();
  for (const auto tenant : tenants) Backend::destroy(tenant);
  report("offline", "ns", (seconds_now() - begin) * each * 1e9);
  if constexpr (!std::is_same_v<Backend,
                                JemallocArenas>) {  // There they have gone with the arenas.
    for (void* object : objects) free(object);
  }
}

}  // namespace bench
