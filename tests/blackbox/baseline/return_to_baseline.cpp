// A process that has freed everything is back where it began: within 2 MiB of its resident size, after
// malloc_trim or, with time and a little further use, by decay alone.
//
// Without arguments it runs itself once for each way; the sizes count from the first line of main.

#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <string>
#include <sys/mman.h>
#include <thread>
#include <vector>

#include "tests/blackbox/support/child.h"
#include "tests/blackbox/support/clock.h"
#include "tests/blackbox/support/memory.h"
#include "tests/blackbox/support/parcel.h"

namespace blackbox {
namespace {

constexpr size_t kThreads = 4;
constexpr size_t kBytesPerThread = size_t(50) << 20;
constexpr size_t kSlack = size_t(2) << 20;
// The longest list: 50 MiB of the smallest parcels. Static, so that it is not part of the heap.
constexpr size_t kMostParcels = kBytesPerThread / 32;
alignas(4096) Parcel* parcels[kThreads][kMostParcels];
size_t counts[kThreads];

enum class Sizes { kMixed, kSmall, kLarge };

// Fully written: every page is resident.
void allocate(size_t thread, Sizes sizes) {
  Random random(thread + 1);
  size_t bytes = 0;
  while (bytes < kBytesPerThread && counts[thread] < kMostParcels) {
    size_t limit = sizes == Sizes::kSmall   ? 600
                   : sizes == Sizes::kLarge ? size_t(8) << 20
                   : random.one_in(4000)    ? size_t(8) << 20
                                            : 3000;
    Parcel* parcel = make_parcel(random, limit);
    REQUIRE(parcel != nullptr, "no memory");
    memset(parcel + 1, 1, parcel->size - sizeof(Parcel));
    bytes += malloc_usable_size(parcel);
    parcels[thread][counts[thread]++] = parcel;
  }
}

void release(size_t thread) {
  for (size_t i = 0; i < counts[thread]; ++i) free(parcels[thread][i]);
}

template <typename Function>
void in_threads(Function function) {
  std::vector<std::thread> threads;
  for (size_t i = 0; i < kThreads; ++i) threads.emplace_back(function, i);
  for (std::thread& thread : threads) thread.join();
}

// The lists themselves are not what is measured.
void forget_lists() {
  REQUIRE(madvise(parcels, sizeof parcels, MADV_DONTNEED) == 0, "%s", strerror(errno));
}

void require_baseline(size_t start, const char* what) {
  size_t now = anonymous_bytes();
  if (now > start + kSlack) tenure_stats_print(STDERR_FILENO, 0);
  REQUIRE(now <= start + kSlack, "%s: %zu KiB resident, %zu KiB at the start", what, now >> 10,
          start >> 10);
  dprintf(STDOUT_FILENO, "%s: %+ld KiB\n", what, (long(now) - long(start)) / 1024);
}

void run(const std::string& how, Sizes sizes) {
  size_t start = anonymous_bytes();
  REQUIRE(start > 0, "cannot read smaps_rollup");
  bool elsewhere = how == "trim_elsewhere";
  in_threads([&](size_t i) {
    allocate(i, sizes);
    if (!elsewhere) release(i);
  });
  if (elsewhere)  // by a thread that allocated none of it, on one CPU
    for (size_t i = 0; i < kThreads; ++i) release(i);
  forget_lists();
  if (how != "decay") {
    malloc_trim(0);
    require_baseline(start, how.c_str());
    return;
  }
  // A program that goes on living, in a small way, gives the rest back by and by.
  static ParcelTable<64> table;
  Random random(99);
  Deadline deadline(60);
  while (anonymous_bytes() > start + kSlack && !deadline.passed()) {
    for (int i = 0; i < 30; ++i) table.replace(random, make_parcel(random, 300));
    table.clear();
    free(malloc(100000));
    sleep_seconds(0.01);
  }
  require_baseline(start, "decay");
}

}  // namespace
}  // namespace blackbox

int main(int count, char** arguments) {
  using namespace blackbox;
  if (count > 2) {
    std::string sizes = arguments[2];
    run(arguments[1], sizes == "small"   ? Sizes::kSmall
                      : sizes == "large" ? Sizes::kLarge
                                         : Sizes::kMixed);
    require_valid_heap();
    return 0;
  }
  for (const char* how : {"trim", "trim_elsewhere", "decay"})
    for (const char* sizes : {"mixed", "small", "large"}) {
      ChildOptions options;
      options.environment = {how == std::string("decay") ? "TENURE_DECAY_MS=100"
                                                         : "TENURE_DECAY_MS=-1"};
      ChildResult result = run_self({how, sizes}, options);
      REQUIRE(result.exited(0), "%s, %s objects: %s", how, sizes, result.describe().c_str());
      dprintf(STDOUT_FILENO, "%s %s", sizes, result.out.c_str());
    }
}
