// Passive false sharing (after Berger's cache-scratch): small objects made side by side by one thread
// are given to several, which free them, allocate anew and write hard. An allocator that hands pieces
// of one cache line to different CPUs pays for it here.
#include "programs/program.h"

namespace {

constexpr std::size_t kSize = 8;
constexpr unsigned kWrites = 1000;  // an object

void run(void* given, std::uint64_t objects) {
  free(given);
  for (std::uint64_t i = 0; i < objects; ++i) {
    volatile char* bytes = static_cast<volatile char*>(bench::allocate(kSize));
    for (unsigned write = 0; write < kWrites; ++write)
      bytes[write % kSize] = static_cast<char>(bytes[write % kSize] + 1);
    free(const_cast<char*>(bytes));
  }
}

}  // namespace

int main(int argc, char** argv) {
  const bench::Arguments arguments = bench::parse(argc, argv);
  const std::uint64_t objects = bench::scaled(400'000, arguments) / arguments.threads;
  std::vector<void*> given(arguments.threads);
  for (void*& object : given) object = bench::allocate(kSize);
  bench::Timer timer;
  bench::run_threads(arguments.threads, [&](unsigned i) { run(given[i], objects); });
  timer.report();
}
