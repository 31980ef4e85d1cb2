// Containers of the standard library whose memory is charged to one tenant, whichever tenant is current when they grow: by std::pmr, and by
// an allocator that is part of the type.
#undef NDEBUG
#include <cassert>
#include <cstdio>
#include <memory_resource>
#include <new>
#include <string>
#include <tenure/tenure.hpp>
#include <unordered_map>
#include <vector>

int main() {
  tenure::Tenant index = tenure::Tenant::create("index");
  index.set_limit(TENURE_MAX, 32 << 20);
  index.set_policy(TENURE_FAIL_ALL);  // Containers throw bad_alloc for requests that do not fit.
  {
    tenure::MemoryResource memory(index);
    std::pmr::unordered_map<int, std::pmr::string> words(&memory);
    for (int i = 0; i < 10000; ++i) words.emplace(i, "a word that does not fit into the string");
    assert(tenure::Tenant::owner(words[1].data()) == index);
    std::printf("%zu words: %zu bytes charged to %s\n", words.size(), index.usage(),
                index.path().c_str());

    size_t size = words.size();
    try {
      for (;; ++size) words.emplace(static_cast<int>(size), std::string(1000, 'x'));
    } catch (const std::bad_alloc&) {
      std::printf("full with %zu words, peak %zu\n", size, index.stats().peak);
    }
    assert(words.size() == size);  // The insertion that failed left no trace.
    assert(index.stats().peak <= 32 << 20);
    assert(tenure::Tenant::current().is_root());
  }
  index.reclaim(SIZE_MAX);  // Gives back cached free memory.
  std::printf("%zu bytes when the map is gone\n", index.usage());
  assert(index.usage() < 16 << 20);

  // A move keeps the memory in place, and the charge moves with it. A copy into another tenant's memory allocates anew.
  tenure::Tenant reports = tenure::Tenant::create("reports");
  using Numbers = std::vector<int, tenure::Allocator<int>>;
  Numbers numbers(100000, 7, index);
  Numbers copy(numbers, reports);
  const Numbers moved = std::move(numbers);
  assert(tenure::Tenant::owner(moved.data()) == index);
  assert(tenure::Tenant::owner(copy.data()) == reports);

  reports.offline();
  copy.push_back(8);  // From then on its parent pays, here the root.
  assert(tenure::Tenant::owner(copy.data()).is_root());
  index.offline();
}
