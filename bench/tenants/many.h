// Many tenants: what one costs, all in all, and a malloc for a random one of them.
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

// One object at a time of a random tenant is freed and allocated anew, of `count` tenants with `each` objects of 16 to 1000 bytes: every
// step finds another tenant's structures, and with many tenants none of them in the processor's caches.
template <typename Backend>
void random_row(double seconds, std::size_t count, std::size_t each) {
  if (count > Backend::kMost) return;
  constexpr std::size_t kSteps = 200000, kDrawn = 10 * kSteps;
  struct Object {
    void* block;
    std::uint32_t size, tenant;
  };
  Draws draws(1);
  std::size_t payload = 0;
  std::vector<Object> objects(count * each);
  for (std::size_t i = 0; i < objects.size(); ++i) {
    const std::uint32_t size = kSizes[draws.below(kSizesUpTo1000)];
    objects[i] = {nullptr, size, static_cast<std::uint32_t>(i / each)};
    payload += size;
  }
  std::vector<std::uint32_t> drawn(kDrawn);
  for (std::uint32_t& number : drawn) number = draws.below(objects.size());
  std::vector<decltype(Backend::create({}, ""))> tenants(count);

  const std::size_t before = resident_bytes();
  for (std::size_t i = 0; i < count; ++i)
    tenants[i] = Backend::create({}, ("tenant" + std::to_string(i)).c_str());
  // The tenants in turn, as their objects come in a service.
  for (std::size_t k = 0; k < each; ++k)
    for (std::size_t i = 0; i < count; ++i) {
      Object& object = objects[i * each + k];
      object.block = Backend::allocate_for(tenants[i], object.size);
      std::memset(object.block, 1, object.size);
    }
  const double grown = static_cast<double>(resident_bytes()) - static_cast<double>(before);

  const std::uint32_t* next = drawn.data();
  const auto replace = [&](std::size_t steps) {
    if (next == drawn.data() + kDrawn) next = drawn.data();
    while (steps-- > 0) {
      Object& object = objects[*next++];
      Backend::release(tenants[object.tenant], object.block);
      object.block = Backend::allocate_for(tenants[object.tenant], object.size);
      *static_cast<volatile char*>(object.block) = 1;
    }
  };
  report("", "ns", measure(seconds, kSteps, replace));
  report("beyond payload", "B",
         (grown - static_cast<double>(payload)) / static_cast<double>(count));
  // The process ends with tenants and objects: to end heaps of mimalloc one by one would take seconds.
}

}  // namespace bench
