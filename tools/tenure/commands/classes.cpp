// tenure classes.
#include <fmt/core.h>
#include <string.h>

#include <nlohmann/json.hpp>

#include "allocator/pages/size_class.h"
#include "base/options/settings.h"
#include "base/words/bits.h"
#include "tools/tenure/commands/commands.h"
#include "tools/tenure/commands/common.h"

namespace tenure::tool {
namespace {

// What one class is, with slabs of at least `smallest` granules.
struct ClassFacts {
  ClassFacts(uint32_t index, uint32_t smallest)
      : size(class_size(index)), smallest_request(index == 0 ? 1 : class_size(index - 1) + 1),
        slab_bytes(slab_granules(size, smallest) * kGranuleSize), objects(slab_bytes / size),
        front(front_limit(size)) {}

  size_t size, smallest_request;
  size_t slab_bytes, objects;  // Of a slab.
  uint16_t front;              // Objects in a full list of a CPU front.

  // Share of an object that its smallest request leaves unused.
  double worst_inside() const {
    return static_cast<double>(size - smallest_request) / static_cast<double>(size);
  }
  // Share of a slab behind its last object.
  double behind() const {
    return static_cast<double>(slab_bytes - objects * size) / static_cast<double>(slab_bytes);
  }
};

uint32_t smallest_slab(const std::string& slab_kib) {
  Settings settings{};
  for (const Option* option = option_table; option->name; ++option) {
    if (strcmp(option->name, "slab_kib") != 0) continue;
    settings.slab_kib = option->default_value;
    if (!slab_kib.empty() && !parse_option(*option, slab_kib.c_str(), settings)) {
      throw Failure(fmt::format("slab_kib: bad value '{}'", slab_kib));
    }
  }
  // As bootstrap does it.
  return granules_for(size_t{1} << log2_ceil(static_cast<uint64_t>(settings.slab_kib) * kKiB));
}

void print_text(uint32_t smallest) {
  fmt::print("class   requests         worst waste     slab  objects     waste    front\n"
             "bytes   bytes              an object      KiB   a slab    a slab  objects\n");
  for (uint32_t i = 0; i < kClassCount; ++i) {
    const ClassFacts c(i, smallest);
    fmt::print("{:<7} {:<15} {:>11.1f} % {:>8} {:>8} {:>7.2f} % {:>8}\n", c.size,
               fmt::format("{}-{}", c.smallest_request, c.size), 100 * c.worst_inside(),
               c.slab_bytes / kKiB, c.objects, 100 * c.behind(), c.front);
  }
  fmt::print("\nLarger objects are runs of {} KiB. Beyond 128 bytes there are four classes to a "
             "doubling.\n",
             kGranuleSize / kKiB);
}

void print_json(uint32_t smallest) {
  auto list = nlohmann::ordered_json::array();
  for (uint32_t i = 0; i < kClassCount; ++i) {
    const ClassFacts c(i, smallest);
    list.push_back({{"size", c.size},
                    {"smallest_request", c.smallest_request},
                    {"worst_waste_in_object", c.worst_inside()},
                    {"slab_bytes", c.slab_bytes},
                    {"objects_in_slab", c.objects},
                    {"waste_in_slab", c.behind()},
                    {"front_objects", c.front}});
  }
  fmt::print("{}\n", list.dump(2));
}

}  // namespace

void add_classes(CLI::App& app, Action& action) {
  Command command(app, "classes", "Print the size classes, their slabs and what these waste",
                  "  tenure classes\n"
                  "  tenure classes --slab-kib 128 --json");
  static std::string slab_kib;
  static bool json;
  command.flag("--json", json, "As JSON");
  command.option("--slab-kib", slab_kib, "KIB", "As the option of that name");
  command.runs(action, [] {
    const uint32_t smallest = smallest_slab(slab_kib);
    json ? print_json(smallest) : print_text(smallest);
    return 0;
  });
}

}  // namespace tenure::tool
