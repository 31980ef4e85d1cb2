// A C++ program that only links the library: its containers need no change. Objects are made in one thread and destroyed in another.
// Tenure then moves a whole list of one CPU to the depot now and then, which is the only cost.
#undef NDEBUG
#include <tenure/tenure.h>

#include <cassert>
#include <cstdio>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace {

size_t allocated() {
  struct tenure_stats stats {};
  stats.struct_size = sizeof stats;
  const int error = tenure_stats(&stats);
  assert(error == 0);
  return stats.allocated;
}

struct alignas(64) Counter {
  long value = 0;
};

using Index = std::map<std::string, std::unique_ptr<Counter>>;

Index count_words(int words) {
  Index index;
  for (int i = 0; i < words; ++i) {
    auto& counter = index["a word that does not fit into the string itself, number " +
                          std::to_string(i % 1000)];
    if (!counter) counter = std::make_unique<Counter>();
    assert(reinterpret_cast<std::uintptr_t>(counter.get()) % alignof(Counter) == 0);
    ++counter->value;
  }
  return index;
}

}  // namespace

int main() {
  const size_t before = allocated();
  Index index = count_words(50000);
  assert(index.size() == 1000);
  for (const auto& [word, counter] : index) assert(counter->value == 50);
  const size_t full = allocated();
  assert(full > before + 1000 * sizeof(Counter));

  std::thread([gone = std::move(index)]() mutable { gone.clear(); }).join();
  assert(allocated() < before + (full - before) / 2);
  assert(tenure_validate() == 0);
  std::printf("%zu bytes in use before, %zu with the index, %zu after\n", before, full,
              allocated());
}
