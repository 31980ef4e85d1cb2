// A program that does not link the library opens it with dlopen and uses it beside its own malloc.
// argv[1]: the library. Built without the support that calls into the library.

#include <dlfcn.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

namespace {

#define NEED(condition)                                                         \
  do {                                                                          \
    if (!(condition)) {                                                         \
      fprintf(stderr, "%s:%d: required: %s\n", __FILE__, __LINE__, #condition); \
      _exit(99);                                                                \
    }                                                                           \
  } while (0)

struct Library {
  void* handle;
  void* (*malloc)(size_t);
  void (*free)(void*);
  void* (*calloc)(size_t, size_t);
  void* (*realloc)(void*, size_t);
  void* (*aligned_alloc)(size_t, size_t);
  size_t (*malloc_usable_size)(void*);
  int (*malloc_trim)(size_t);
  int (*tenure_validate)();

  explicit Library(const char* path) : handle(dlopen(path, RTLD_NOW | RTLD_LOCAL)) {
    if (handle == nullptr) fprintf(stderr, "%s\n", dlerror());
    NEED(handle != nullptr);
    find(malloc, "malloc");
    find(free, "free");
    find(calloc, "calloc");
    find(realloc, "realloc");
    find(aligned_alloc, "aligned_alloc");
    find(malloc_usable_size, "malloc_usable_size");
    find(malloc_trim, "malloc_trim");
    find(tenure_validate, "tenure_validate");
  }

private:
  template <typename Function>
  void find(Function*& function, const char* name) {
    function = reinterpret_cast<Function*>(dlsym(handle, name));
    if (function == nullptr) fprintf(stderr, "no %s\n", name);
    NEED(function != nullptr);
  }
};

// Both heaps in turn, so that a confusion between them would be found.
void use(const Library& library, unsigned seed) {
  std::vector<std::pair<unsigned char*, size_t>> theirs;  // its own memory is the program's heap
  for (int i = 0; i < 20000; ++i) {
    seed = seed * 1103515245 + 12345;
    size_t size = 1 + (seed >> 8) % ((seed & 15) == 0 ? 200000 : 800);
    auto* object = static_cast<unsigned char*>((seed & 48) == 0    ? library.calloc(1, size)
                                               : (seed & 48) == 16 ? library.aligned_alloc(64, size)
                                                                   : library.malloc(size));
    NEED(object != nullptr && uintptr_t(object) % 16 == 0);
    NEED(library.malloc_usable_size(object) >= size);
    object[0] = object[size - 1] = static_cast<unsigned char>(size);
    if ((seed & 0x300) == 0) {
      object = static_cast<unsigned char*>(library.realloc(object, size + 1000));
      NEED(object != nullptr && object[0] == static_cast<unsigned char>(size));
    }
    theirs.emplace_back(object, size);
    if (theirs.size() > 300) {
      auto [old, old_size] = theirs[seed % theirs.size()];
      NEED(old[0] == static_cast<unsigned char>(old_size));
      NEED(old[old_size - 1] == static_cast<unsigned char>(old_size));
      library.free(old);
      theirs[seed % theirs.size()] = theirs.back();
      theirs.pop_back();
    }
  }
  for (auto [object, size] : theirs) library.free(object);
}

void use_in_threads(const Library& library) {
  std::vector<std::thread> threads;
  for (unsigned seed = 0; seed < 6; ++seed)
    threads.emplace_back([&library, seed] { use(library, seed); });
  for (std::thread& thread : threads) thread.join();
}

}  // namespace

int main(int count, char** arguments) {
  NEED(count == 2);
  void* own_malloc = dlsym(RTLD_DEFAULT, "malloc");
  // A thread that exists before the library does, and uses it afterwards.
  int started[2];
  NEED(pipe(started) == 0);
  const Library* shared = nullptr;
  std::thread early([&] {
    char byte;
    NEED(read(started[0], &byte, 1) == 1);
    use(*shared, 77);
  });
  Library library(arguments[1]);
  NEED(dlsym(RTLD_DEFAULT, "malloc") == own_malloc);
  NEED(reinterpret_cast<void*>(library.malloc) != own_malloc);
  shared = &library;
  NEED(write(started[1], "", 1) == 1);
  use(library, 1);
  use_in_threads(library);
  early.join();
  library.malloc_trim(0);
  NEED(library.tenure_validate() == 0);

  pid_t child = fork();
  NEED(child >= 0);
  if (child == 0) {
    use(library, 5);
    _exit(0);
  }
  int status = 0;
  NEED(waitpid(child, &status, 0) == child && status == 0);

  // It does not go away, so objects outlive the handle.
  void* kept = library.malloc(100);
  auto* release = library.free;
  NEED(dlclose(library.handle) == 0);
  release(kept);
  Library again(arguments[1]);
  NEED(again.free == release);
  use_in_threads(again);
  NEED(again.tenure_validate() == 0);
}
