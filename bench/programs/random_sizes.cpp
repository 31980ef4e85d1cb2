// Sizes from 16 bytes to 16 KB in skewed proportion, allocated in bursts and freed at random, with
// every fourth burst left to the next thread to free (the shape of rpmalloc's benchmark). What waits
// to be freed is bounded: else peak memory would be that of the scheduler's choices.
#include "programs/program.h"

#include <atomic>

namespace {

constexpr std::uint32_t kLive = 4000;
constexpr std::uint32_t kBurst = 200;
constexpr unsigned kMaxThreads = 64;
constexpr std::uint32_t kMaxWaiting = 16;  // parcels in an inbox

struct Parcel {
  Parcel* next;
  void* objects[kBurst];
};

// A stack of parcels for each thread: anyone pushes, the owner takes all (so there is no ABA).
struct alignas(128) Inbox {
  std::atomic<Parcel*> top{nullptr};
  std::atomic<std::uint32_t> waiting{0};  // a hint, so relaxed everywhere
};
Inbox inboxes[kMaxThreads];

bool has_room(const Inbox& inbox) {
  return inbox.waiting.load(std::memory_order_relaxed) < kMaxWaiting;
}

void send(Inbox& inbox, Parcel* parcel) {
  inbox.waiting.fetch_add(1, std::memory_order_relaxed);
  parcel->next = inbox.top.load(std::memory_order_relaxed);
  // Release pairs with the acquire of empty(): the parcel's contents.
  while (!inbox.top.compare_exchange_weak(parcel->next, parcel, std::memory_order_release,
                                          std::memory_order_relaxed)) {
  }
}

void empty(Inbox& inbox) {
  Parcel* parcel = inbox.top.exchange(nullptr, std::memory_order_acquire);
  while (parcel != nullptr) {
    for (void* object : parcel->objects) free(object);
    Parcel* next = parcel->next;
    free(parcel);
    inbox.waiting.fetch_sub(1, std::memory_order_relaxed);
    parcel = next;
  }
}

void run(unsigned index, unsigned threads, std::uint64_t bursts) {
  bench::Random random(index);
  std::vector<void*> live(kLive);
  for (std::uint64_t burst = 0; burst < bursts; ++burst) {
    if (burst % 4 == 3 && has_room(inboxes[(index + 1) % threads])) {
      Parcel* parcel = static_cast<Parcel*>(bench::allocate(sizeof(Parcel)));
      for (void*& object : parcel->objects) object = bench::allocate(random.skewed(16, 16'000));
      send(inboxes[(index + 1) % threads], parcel);
    } else {
      for (std::uint32_t i = 0; i < kBurst; ++i) {
        void*& object = live[random.below(kLive)];
        free(object);
        object = bench::allocate(random.skewed(16, 16'000));
      }
    }
    empty(inboxes[index]);
  }
  for (void* object : live) free(object);
}

}  // namespace

int main(int argc, char** argv) {
  const bench::Arguments arguments = bench::parse(argc, argv);
  const unsigned threads = arguments.threads < kMaxThreads ? arguments.threads : kMaxThreads;
  const std::uint64_t bursts = bench::scaled(60'000, arguments) / threads;
  bench::Timer timer;
  bench::run_threads(threads, [&](unsigned i) { run(i, threads, bursts); });
  for (unsigned i = 0; i < threads; ++i) empty(inboxes[i]);
  timer.report();
}
