// One function for each mistake, and the table that says what the library owes it.

#include "tests/blackbox/misuse/cases.h"

#include <malloc.h>
#include <new>
#include <sched.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "tests/blackbox/support/check.h"

extern "C" void free_sized(void* object, size_t size) __attribute__((weak));

// Every line here is what these warnings are for.
#if !defined(__clang__)
#pragma GCC diagnostic ignored "-Wuse-after-free"
#endif
#pragma GCC diagnostic ignored "-Wfree-nonheap-object"

namespace blackbox {

namespace {

constexpr size_t kSmall = 64, kLarge = 4 << 20;

// Takes the value out of the optimiser's sight.
char* blind(void* pointer) {
  asm volatile("" : "+r"(pointer)::"memory");
  return static_cast<char*>(pointer);
}

char* object_of(size_t size) { return blind(memset(malloc(size), 1, size)); }

// The next call must be answered with a message about this pointer.
void* announce(void* pointer) {
  char line[40];
  int length = snprintf(line, sizeof line, "0x%lx\n", long(uintptr_t(pointer)));
  REQUIRE(write(STDOUT_FILENO, line, size_t(length)) == length, "write");
  return blind(pointer);
}

// What a CPU was given last is known on that CPU only.
void stay_on_this_cpu() {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(sched_getcpu(), &set);
  REQUIRE(sched_setaffinity(0, sizeof set, &set) == 0, "sched_setaffinity");
}

void free_twice(size_t size) {
  stay_on_this_cpu();
  char* object = object_of(size);
  free(object);
  free(announce(object));
}

void double_free() { free_twice(kSmall); }
void double_free_of_16() { free_twice(16); }
void double_free_of_medium() { free_twice(5000); }
void double_free_of_largest_class() { free_twice(32768); }

void double_free_with_one_between() {
  char* first = object_of(kSmall);
  char* second = object_of(kSmall);
  free(first);
  free(second);
  free(announce(first));
}

void double_free_with_many_between() {
  char* objects[500];
  for (char*& object : objects) object = object_of(kSmall);
  for (char* object : objects) free(object);
  free(announce(objects[250]));
}

void double_free_of_large() {
  char* object = object_of(kLarge);
  free(object);
  free(announce(object));
}

void double_free_of_huge() {
  char* object = object_of(200 << 20);
  free(object);
  free(announce(object));
}

void double_free_after_return_to_slab() {
  static char* objects[20000];
  for (char*& object : objects) object = object_of(kSmall);
  for (size_t i = 0; i < 20000; ++i)
    if (i % 50 != 0)  // the slabs stay in use
      free(objects[i]);
  malloc_trim(0);
  free(announce(objects[10001]));
}

void double_free_after_slab_is_gone() {
  static char* objects[200000];
  for (char*& object : objects) object = object_of(kSmall);
  for (char* object : objects) free(object);
  malloc_trim(0);
  free(announce(objects[100001]));
}

void free_of_stack() {
  alignas(64) char local[256] = {};
  free(announce(local + 64));
}

alignas(64) char global[256];
void free_of_global() { free(announce(global + 64)); }

void free_of_function() {
  free(announce(reinterpret_cast<void*>((uintptr_t(&free_of_global) + 15) & ~uintptr_t(15))));
}

void free_of_foreign_mapping() {
  void* page = mmap(nullptr, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  free(announce(static_cast<char*>(page) + 4096));
}

void free_of_small_integer() { free(announce(reinterpret_cast<void*>(0x10))); }
void free_of_kernel_address() { free(announce(reinterpret_cast<void*>(~uintptr_t(0) << 12))); }

void free_of_never_allocated() {
  // Far behind an object: within the arena or not, nobody was given this.
  free(announce(object_of(kSmall) + (size_t(1) << 30)));
}

void free_of_interior() { free(announce(object_of(kSmall) + 16)); }
void free_of_interior_of_medium() { free(announce(object_of(5000) + 2048)); }
void free_of_misaligned_by_1() { free(announce(object_of(kSmall) + 1)); }
void free_of_misaligned_by_8() { free(announce(object_of(kSmall) + 8)); }
void free_of_interior_of_large() { free(announce(object_of(kLarge) + 4096)); }
void free_of_deep_interior_of_large() { free(announce(object_of(kLarge) + (3 << 20))); }
void free_of_misaligned_large() { free(announce(object_of(kLarge) + 16)); }

void realloc_of_freed() {
  char* object = object_of(kSmall);
  free(object);
  announce(object);
  blind(realloc(object, 4 * kSmall));
}

void realloc_of_freed_large() {
  char* object = object_of(kLarge);
  free(object);
  announce(object);
  blind(realloc(object, 2 * kLarge));
}

void realloc_of_stack() {
  alignas(64) char local[256] = {};
  announce(local + 64);
  blind(realloc(blind(local + 64), 1000));
}

void usable_size_of_stack() {
  alignas(64) char local[256] = {};
  announce(local + 64);
  blind(reinterpret_cast<void*>(malloc_usable_size(blind(local + 64))));
}

void write_after_free() {
  char* object = object_of(kSmall);
  free(object);
  uint64_t text = 0x4141414141414141;
  memcpy(blind(object), &text, sizeof text);
}

void write_after_free_of_a_pointer() {
  char* object = object_of(kSmall);
  free(object);
  void* somewhere = global;  // what an attacker would plant: the next object is to be there
  memcpy(blind(object), &somewhere, sizeof somewhere);
}

void clear_after_free() {
  char* objects[20];
  for (char*& object : objects) object = object_of(kSmall);
  for (char* object : objects) free(object);
  memset(blind(objects[10]), 0, kSmall);
}

// Runs over the end of a live object, over whatever lies behind it: free objects among others.
void overflow_over_free_objects() {
  char* objects[64];
  for (char*& object : objects) object = object_of(kSmall);
  char* lowest = objects[0];
  for (char* object : objects) lowest = object < lowest ? object : lowest;
  for (char* object : objects)
    if (object != lowest) free(object);
  memset(blind(lowest), 0x42, 20 * kSmall);
}

void sized_free_of_another_size() {
  char* object = object_of(kSmall);
  announce(object);
  free_sized(object, 20 * kSmall);
}

void sized_delete_of_another_size() {
  char* object = blind(operator new(kSmall));
  announce(object);
  operator delete(object, 20 * kSmall);
}

}  // namespace

#define DOUBLE "double free|foreign pointer|wrong size class"
#define INSIDE "interior pointer|misaligned pointer"
#define ANY "double free|foreign pointer|interior pointer|misaligned pointer|wrong size class"

const MisuseCase misuse_cases[] = {
    {"double_free", double_free, 64, Found::kAtOnce, Found::kAtOnce, "double free"},
    {"double_free_of_16", double_free_of_16, 16, Found::kAtOnce, Found::kAtOnce, "double free"},
    {"double_free_of_medium", double_free_of_medium, 5000, Found::kAtOnce, Found::kAtOnce,
     "double free"},
    {"double_free_of_largest_class", double_free_of_largest_class, 32768, Found::kAtOnce,
     Found::kAtOnce, "double free"},
    {"double_free_with_one_between", double_free_with_one_between, 64, Found::kEventually,
     Found::kAtOnce, "double free|corrupted chain"},
    {"double_free_with_many_between", double_free_with_many_between, 64, Found::kEventually,
     Found::kAtOnce, "double free|corrupted chain"},
    {"double_free_of_large", double_free_of_large, 4 << 20, Found::kAtOnce, Found::kAtOnce, DOUBLE},
    {"double_free_of_huge", double_free_of_huge, 4 << 20, Found::kAtOnce, Found::kAtOnce, DOUBLE},
    {"double_free_after_return_to_slab", double_free_after_return_to_slab, 64, Found::kEventually,
     Found::kAtOnce, DOUBLE "|corrupted chain"},
    {"double_free_after_slab_is_gone", double_free_after_slab_is_gone, 64, Found::kAtOnce,
     Found::kAtOnce, DOUBLE},
    {"free_of_stack", free_of_stack, 64, Found::kAtOnce, Found::kAtOnce, "foreign pointer"},
    {"free_of_global", free_of_global, 64, Found::kAtOnce, Found::kAtOnce, "foreign pointer"},
    {"free_of_function", free_of_function, 64, Found::kAtOnce, Found::kAtOnce, "foreign pointer"},
    {"free_of_foreign_mapping", free_of_foreign_mapping, 64, Found::kAtOnce, Found::kAtOnce,
     "foreign pointer"},
    {"free_of_small_integer", free_of_small_integer, 64, Found::kAtOnce, Found::kAtOnce,
     "foreign pointer"},
    {"free_of_kernel_address", free_of_kernel_address, 64, Found::kAtOnce, Found::kAtOnce,
     "foreign pointer"},
    {"free_of_never_allocated", free_of_never_allocated, 64, Found::kAtOnce, Found::kAtOnce, ANY},
    {"free_of_interior", free_of_interior, 64, Found::kAtOnce, Found::kAtOnce, INSIDE},
    {"free_of_interior_of_medium", free_of_interior_of_medium, 5000, Found::kAtOnce, Found::kAtOnce,
     INSIDE},
    {"free_of_misaligned_by_1", free_of_misaligned_by_1, 64, Found::kAtOnce, Found::kAtOnce,
     INSIDE},
    {"free_of_misaligned_by_8", free_of_misaligned_by_8, 64, Found::kAtOnce, Found::kAtOnce,
     INSIDE},
    {"free_of_interior_of_large", free_of_interior_of_large, 64, Found::kAtOnce, Found::kAtOnce,
     INSIDE},
    {"free_of_deep_interior_of_large", free_of_deep_interior_of_large, 64, Found::kAtOnce,
     Found::kAtOnce, INSIDE},
    {"free_of_misaligned_large", free_of_misaligned_large, 64, Found::kAtOnce, Found::kAtOnce,
     INSIDE},
    {"realloc_of_freed", realloc_of_freed, 64, Found::kEventually, Found::kAtOnce,
     "double free|corrupted chain"},
    {"realloc_of_freed_large", realloc_of_freed_large, 64, Found::kAtOnce, Found::kAtOnce, DOUBLE},
    {"realloc_of_stack", realloc_of_stack, 64, Found::kAtOnce, Found::kAtOnce, "foreign pointer"},
    {"usable_size_of_stack", usable_size_of_stack, 64, Found::kMaybe, Found::kMaybe,
     "foreign pointer"},
    {"write_after_free", write_after_free, 64, Found::kEventually, Found::kEventually,
     "corrupted chain|double free|foreign pointer"},
    {"write_after_free_of_a_pointer", write_after_free_of_a_pointer, 64, Found::kEventually,
     Found::kEventually, "corrupted chain|double free|foreign pointer"},
    {"clear_after_free", clear_after_free, 64, Found::kEventually, Found::kEventually,
     "corrupted chain|double free"},
    {"overflow_over_free_objects", overflow_over_free_objects, 64, Found::kEventually,
     Found::kEventually, "corrupted chain|double free|foreign pointer"},
    {"sized_free_of_another_size", sized_free_of_another_size, 64, Found::kMaybe, Found::kAtOnce,
     "wrong size class"},
    {"sized_delete_of_another_size", sized_delete_of_another_size, 64, Found::kMaybe,
     Found::kAtOnce, "wrong size class"},
};

const size_t misuse_case_count = sizeof misuse_cases / sizeof misuse_cases[0];

}  // namespace blackbox
