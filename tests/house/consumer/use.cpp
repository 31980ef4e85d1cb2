// As use.c, through operator new and the C++ header; an exception must pass through the program whole.
#include <cstdio>
#include <memory>
#include <new>
#include <vector>
#if __has_include(<tenure/tenure.hpp>)
#include <tenure/tenure.hpp>
#else
#include <tenure/tenure.h>
#endif

static std::size_t allocated() {
  struct tenure_stats stats {};
  stats.struct_size = sizeof stats;
  return tenure_stats(&stats) == 0 ? stats.allocated : 0;
}

int main() {
  const std::size_t size = 64 << 20;
  const std::size_t before = allocated();
  const auto block = std::make_unique<std::vector<char>>(size);
  const std::size_t after = allocated();
  bool thrown = false;
  try {
    volatile std::size_t absurd = static_cast<std::size_t>(-1) / 4;
    ::operator delete(::operator new(absurd));
  } catch (const std::bad_alloc&) {
    thrown = true;
  }
  std::printf("version %s, malloc is %s\n", tenure_version(),
              after >= before + size && thrown ? "tenure" : "not");
}
