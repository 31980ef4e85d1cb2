// As little C++ as can be: linked statically, it has of the C++ runtime what these lines refer to, and still catches what
// operator new throws, and what its own handler does.
#include <cstdio>
#include <new>

int main() {
  volatile std::size_t absurd = static_cast<std::size_t>(-1) / 4;
  std::set_new_handler([] {
    std::set_new_handler(nullptr);
    throw 1;
  });
  bool failed = ::operator new(absurd, std::nothrow) == nullptr;
  try {
    ::operator delete(::operator new(absurd));
    failed = false;
  } catch (const std::bad_alloc&) {
  }
  std::puts(failed ? "malloc is tenure" : "not");
}
