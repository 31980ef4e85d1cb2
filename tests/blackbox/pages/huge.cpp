// TENURE_HUGE_PAGES from outside: who gets huge pages, and that they return. Each scenario in a process of its own.
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <string>
#include <vector>

#include "tests/blackbox/support/check.h"
#include "tests/blackbox/support/child.h"
#include "tests/blackbox/support/memory.h"

namespace blackbox {
namespace {

constexpr size_t kMiB = size_t{1} << 20;

// The bytes around `object` for which the kernel was asked for huge pages ("hg"), or against them ("nh"): the arena's mappings lie side by side.
size_t advised_bytes(const char* flag) {
  std::ifstream smaps("/proc/self/smaps");
  size_t bytes = 0;
  uint64_t start = 0, end = 0;
  for (std::string line; std::getline(smaps, line);) {
    uint64_t from, to;
    if (sscanf(line.c_str(), "%lx-%lx ", &from, &to) == 2) start = from, end = to;
    if (line.starts_with("VmFlags:") && line.find(flag) != std::string::npos) bytes += end - start;
  }
  return bytes;
}
size_t huge_bytes() { return advised_bytes(" hg"); }

std::vector<char*> grow(size_t size, size_t count, size_t written) {
  std::vector<char*> objects(count);
  for (char*& object : objects) {
    object = static_cast<char*>(malloc(size));
    REQUIRE(object != nullptr, "no memory");
    memset(object, 7, written);
  }
  return objects;
}
void release(const std::vector<char*>& objects) {
  for (char* object : objects) free(object);
}

void run_small() {
  const auto objects = grow(500, 8000, 500);
  REQUIRE(huge_bytes() == 0, "%zu", huge_bytes());
  REQUIRE(anonymous_bytes() < 9 * kMiB, "%zu", anonymous_bytes());
  release(objects);
}

void run_grown() {
  for (const size_t size : {48, 500, 20000}) {
    auto objects = grow(size, 64 * kMiB / size, size);
    REQUIRE(huge_bytes() > 32 * kMiB, "%zu of objects of %zu bytes", huge_bytes(), size);
    REQUIRE(anonymous_bytes() < 74 * kMiB + objects.size() * sizeof(char*),
            "%zu of objects of %zu bytes", anonymous_bytes(), size);
    release(objects);
    std::vector<char*>().swap(objects);
    malloc_trim(0);
    REQUIRE(anonymous_bytes() < 4 * kMiB, "%zu KiB stay", anonymous_bytes() / 1024);
  }
}

// Buffers of which little is used, alone and after a heap that was filled.
void run_sparse() {
  for (const size_t size : {100 * 1000, 500 * 1000, 20 * 1000 * 1000}) {
    const auto objects = grow(size, 200 * kMiB / size, 100);
    REQUIRE(anonymous_bytes() < 14 * kMiB, "%zu KiB in objects of %zu bytes",
            anonymous_bytes() / 1024, size);
    release(objects);
  }
  const auto filled = grow(1000, 64 * kMiB / 1000, 1000);
  const size_t before = anonymous_bytes();
  const auto objects = grow(300 * 1000, 200 * kMiB / (300 * 1000), 100);
  REQUIRE(anonymous_bytes() < before + before / 3, "%zu KiB after %zu", anonymous_bytes() / 1024,
          before / 1024);
  release(objects);
  release(filled);
}

// Nine tenths go; what is left lies in all huge pages.
void run_thinned() {
  auto objects = grow(20000, 4000, 20000);
  REQUIRE(huge_bytes() > 40 * kMiB, "%zu", huge_bytes());
  for (size_t i = 0; i < objects.size(); ++i) {
    if (i / 40 % 10 == 0) continue;
    free(objects[i]);
    objects[i] = nullptr;
  }
  malloc_trim(0);
  REQUIRE(anonymous_bytes() < 16 * kMiB, "%zu KiB stay", anonymous_bytes() / 1024);
  for (const char* object : objects)
    REQUIRE(object == nullptr || (object[0] == 7 && object[19999] == 7), "it has changed");
  release(objects);
}

// What the parent has in huge pages, the child may write to; each has its own.
void run_fork() {
  const auto objects = grow(1000, 64 * kMiB / 1000, 1000);
  const pid_t child = fork();
  if (child == 0) {
    for (size_t i = 0; i < objects.size(); i += 100) objects[i][5] = 9;
    const auto more = grow(1000, 16 * kMiB / 1000, 1000);
    release(more);
    release(objects);
    malloc_trim(0);
    require_valid_heap();
    _exit(0);
  }
  require_child_success(child, 60, "the child");
  for (const char* object : objects) REQUIRE(object[5] == 7, "the child wrote to it");
  release(objects);
}

// A buffer that realloc lengthens again and again; its pages are moved.
void run_realloc() {
  const auto filled = grow(1000, 40 * kMiB / 1000, 1000);
  char* object = nullptr;
  std::vector<char*> walls;
  size_t old = 0;
  for (size_t size = kMiB / 4; size <= 128 * kMiB; old = size, size *= 2) {
    object = static_cast<char*>(realloc(object, size));
    REQUIRE(object != nullptr && (old == 0 || object[old - 1] == 3), "%zu bytes", size);
    memset(object + old, 3, size - old);
    walls.push_back(static_cast<char*>(malloc(kMiB)));
  }
  free(object);
  release(walls);
  release(filled);
  malloc_trim(0);
  REQUIRE(anonymous_bytes() < 6 * kMiB, "%zu KiB stay", anonymous_bytes() / 1024);
}

void run_on() {
  free(malloc(100000));
  REQUIRE(huge_bytes() >= 2 * kMiB, "%zu", huge_bytes());
}
void run_off() {
  const auto objects = grow(1000, 64 * kMiB / 1000, 1000);
  REQUIRE(huge_bytes() == 0 && advised_bytes(" nh") == 0, "%zu", huge_bytes());
  release(objects);
}

struct Scenario {
  const char* name;
  void (*run)();
  const char* mode;
};
constexpr Scenario kScenarios[] = {
    {"small", run_small, "auto"},   {"grown", run_grown, "auto"},
    {"sparse", run_sparse, "auto"}, {"thinned", run_thinned, "auto"},
    {"fork", run_fork, "auto"},     {"realloc", run_realloc, "auto"},
    {"realloc", run_realloc, "on"}, {"on", run_on, "on"},
    {"off", run_off, "off"},
};

bool machine_has_huge_pages() {
  std::ifstream file("/sys/kernel/mm/transparent_hugepage/enabled");
  std::string text;
  return std::getline(file, text) && text.find("[never]") == std::string::npos;
}

}  // namespace
}  // namespace blackbox

int main(int count, char** arguments) {
  using namespace blackbox;
  if (!machine_has_huge_pages()) return kSkipped;
  for (const Scenario& scenario : kScenarios) {
    if (count == 1) {
      const std::string mode = std::string("TENURE_HUGE_PAGES=") + scenario.mode;
      require_run(scenario.name, {.environment = {mode}});
    } else if (strcmp(arguments[1], scenario.name) == 0) {
      scenario.run();
      require_valid_heap();
      return 0;
    }
  }
  return 0;
}
