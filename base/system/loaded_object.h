// The loaded library or program that contains an address of code.
//
// The lookup takes no lock. The dynamic linker keeps a table for unwinders, which glibc 2.35 and later lets any code read
// (_dl_find_object). dladdr() would take the dynamic linker's lock, and a stopped thread may hold that lock.
#pragma once

#include <cstdint>

struct link_map;

namespace tenure {

// The code of one object, and its table for unwinders (.eh_frame_hdr; nullptr: none).
struct LoadedCode {
  uint64_t start = 0, end = 0;
  const void* frame_table = nullptr;

  bool contains(uint64_t address) const { return address - start < end - start; }
  // The code that contains the address. If glibc has no table (before 2.35, static programs), only the program itself is known. Lock-free,
  // async-signal-safe.
  static LoadedCode of(uint64_t address);
};

class LoadedObject {
public:
  // The object that contains `address`. Lock-free, async-signal-safe.
  static LoadedObject of(const void* address);

  // False: before glibc 2.35, in a static program, or if no object contains the address.
  explicit operator bool() const { return map_ != nullptr; }
  // The file ("": the program itself), and the start of its addresses.
  const char* file() const;
  uint64_t base() const;
  // Its soname, "" without one.
  const char* soname() const;
  // Whether the object exports a function of that name that contains the address. Uses the GNU hash table, which linkers have written by
  // default since 2006.
  bool exports_at(const char* function, const void* address) const;

private:
  explicit LoadedObject(const link_map* map);

  const link_map* map_ = nullptr;
  // From the dynamic section; nullptr without one.
  const char* strings_ = nullptr;
  const void* symbols_ = nullptr;
  const uint32_t* hash_ = nullptr;
  uint64_t soname_ = 0;  // In strings_.
};

}  // namespace tenure
