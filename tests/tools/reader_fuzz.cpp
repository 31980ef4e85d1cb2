// reader_fuzz [rounds]: damages a live region in many ways and reads it with all that reads one. Nothing may crash, hang, or show what
// breaks a terminal or a parser; what is shown is a tree. Ends with the number of regions that were still readable.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <nlohmann/json.hpp>
#include <random>
#include <thread>

#include "tests/tools/made_region.h"
#include "tools/tenure/model/explanation.h"
#include "tools/tenure/model/failure.h"
#include "tools/tenure/model/open_metrics.h"
#include "tools/tenure/model/order.h"
#include "tools/tenure/reader/region_tables.h"
#include "tools/tenure/screens/top_page.h"

namespace tenure::tool {
namespace {

using Random = std::mt19937_64;

[[noreturn]] void fail(const char* what, uint64_t round) {
  fprintf(stderr, "reader_fuzz: %s, in round %lu\n", what, round);
  exit(1);
}

size_t below(Random& random, size_t bound) { return bound == 0 ? 0 : random() % bound; }

// Numbers at which arithmetic goes wrong.
uint64_t wicked(Random& random) {
  constexpr uint64_t kNumbers[] = {0,
                                   1,
                                   7,
                                   15,
                                   16,
                                   0x7FFFFFFF,
                                   0x80000000,
                                   0xFFFFFFFF,
                                   UINT64_MAX,
                                   UINT64_MAX - 1,
                                   uint64_t{1} << 63,
                                   0xFFFFFFFFFFFFFE00,
                                   384,
                                   4096};
  return random() % 3 == 0 ? random() : kNumbers[below(random, std::size(kNumbers))];
}

// One way of damage.
void damage(std::vector<std::byte>& bytes, Random& random) {
  if (bytes.empty()) return;
  const size_t header = std::min(bytes.size(), sizeof(live::Header));
  switch (random() % 6) {
  case 0:  // Bits anywhere.
    for (int i = 0; i < 64; ++i) bytes[below(random, bytes.size())] ^= std::byte(1 << random() % 8);
    break;
  case 1: {  // A word of the header that says where things are.
    const uint64_t number = wicked(random);
    const size_t length = random() % 2 == 0 ? 4 : 8;
    const size_t at = below(random, 560) / 4 * 4;
    if (at + length <= header) memcpy(&bytes[at], &number, length);
    break;
  }
  case 2:  // Cut off.
    bytes.resize(below(random, bytes.size()));
    break;
  case 3: {  // Words of a tenant: cycles of parents, names without end, odd generations.
    if (bytes.size() < live::kSlotsAt + sizeof(live::TenantSlot)) break;
    for (int i = 0; i < 8; ++i) {
      const size_t at = live::kSlotsAt + below(random, bytes.size() - live::kSlotsAt - 8) / 4 * 4;
      const uint32_t number =
          static_cast<uint32_t>(random() % 2 == 0 ? below(random, 200) : wicked(random));
      memcpy(&bytes[at], &number, sizeof number);
    }
    break;
  }
  case 4: {  // Wild bytes over a stretch.
    const size_t length = below(random, 512), at = below(random, bytes.size());
    for (size_t i = at; i < std::min(bytes.size(), at + length); ++i)
      bytes[i] = std::byte(random());
    break;
  }
  default: {  // A piece of it somewhere else.
    const size_t length = std::min<size_t>(below(random, 4096), bytes.size());
    const size_t from = below(random, bytes.size() - length + 1);
    const size_t to = below(random, bytes.size() - length + 1);
    memmove(&bytes[to], &bytes[from], length);
    break;
  }
  }
}

// All that is shown: a tree, in characters that a terminal prints.
void check_shown(const Process& process, uint64_t round) {
  if (process.tenants.empty()) return;
  for (size_t i = 1; i < process.tenants.size(); ++i) {
    if (process.tenants[i].parent >= i) fail("a parent stands behind its child", round);
    if (process.tenants[i].name.find('/') != std::string::npos) fail("a slash in a name", round);
  }
  Text json;
  write_json(json, process);
  for (const char c : std::string_view(json.data(), json.size())) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) fail("a control character", round);
  }
  if (!nlohmann::json::accept(std::string_view(json.data(), json.size())))
    fail("what is printed is no JSON", round);
  Sample sample;
  sample.processes.push_back(process);
  Text page;
  MetricsWriter(5).write(page, sample, Exposition::kOpenMetrics);
  TopState state("usage");
  state.update(sample);
  state.update(sample);
  screen_page(state, {80, 24, true}, "");
  state.unfold_all();
  plain_page(state, {80, 0, false});
  for (size_t i = 0; i < std::min<size_t>(process.tenants.size(), 3); ++i)
    explain_tenant(process, i, nullptr);
}

// Whether the region could still be read.
bool read_all_of(int fd, uint64_t round) {
  const RegionBytes bytes(fd);
  live::Header header;
  if (!bytes.copy(0, &header, sizeof header)) return false;
  if (!header_fault(header, bytes.size()).empty()) return false;
  Process process;
  process.name = "made";
  fill_in(bytes, header, process);
  copy_report(bytes, header, 0);
  check_shown(process, round);
  return !process.tenants.empty();
}

void write_file(int fd, const std::vector<std::byte>& bytes) {
  if (ftruncate(fd, 0) != 0 || pwrite(fd, bytes.data(), bytes.size(), 0) < 0) exit(2);
}

// The file is written, cut short and lengthened while it is read.
void read_while_it_changes(const MadeRegion& made, int fd, uint64_t rounds) {
  std::atomic<bool> ended = false;
  write_file(fd, made.bytes);
  std::thread writer([&] {
    Random random(1);
    while (!ended.load()) {
      std::vector<std::byte> bytes = made.bytes;
      damage(bytes, random);
      write_file(fd, bytes);
    }
  });
  for (uint64_t round = 0; round < rounds; ++round) read_all_of(fd, round);
  ended.store(true);
  writer.join();
}

int run(uint64_t rounds) {
  const int fd = memfd_create("region", MFD_CLOEXEC);
  MadeRegion made(120, 1, 1);
  for (uint64_t i = 0; i < 1500; ++i)
    made.add_event(static_cast<live::EventKind>(i % 6), static_cast<uint32_t>(i % 121), i);
  write_file(fd, made.bytes);
  if (!read_all_of(fd, 0)) fail("the undamaged region cannot be read", 0);
  uint64_t readable = 0;
  for (uint64_t round = 1; round <= rounds; ++round) {
    Random random(round);
    std::vector<std::byte> bytes = made.bytes;
    for (size_t i = 0; i <= random() % 4; ++i) damage(bytes, random);
    write_file(fd, bytes);
    readable += read_all_of(fd, round) ? 1 : 0;
  }
  read_while_it_changes(made, fd, rounds / 10);
  printf("%lu regions, %lu of them readable\n", rounds, readable);
  return readable > rounds / 20 ? 0 : 1;
}

}  // namespace
}  // namespace tenure::tool

int main(int argc, char** argv) {
  return tenure::tool::run(argc > 1 ? strtoul(argv[1], nullptr, 10) : 1000);
}
