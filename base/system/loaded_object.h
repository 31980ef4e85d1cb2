// The library or program that an address of code lies in, as the dynamic linker has loaded it.
//
// Found without a lock: the dynamic linker keeps a table for unwinders, which glibc 2.35 and later let everybody read
// (_dl_find_object). dladdr() would take the dynamic linker's lock, which a thread may hold that is stopped.
#pragma once

#include <cstdint>

struct link_map;

namespace tenure {

// The code of one object, and the table by which unwinders find their way through it (.eh_frame_hdr; nullptr: it has none).
struct LoadedCode {
  uint64_t start = 0, end = 0;
  const void* frame_table = nullptr;

  bool contains(uint64_t address) const { return address - start < end - start; }
  // That an address lies in. Where glibc has no table (before 2.35, static programs) only the program itself is known. Lock-free,
  // async-signal-safe.
  static LoadedCode of(uint64_t address);
};

class LoadedObject {
public:
  // The object that `address` lies in. Lock-free, async-signal-safe.
  static LoadedObject of(const void* address);

  // None: before glibc 2.35, in a static program, and where the address is in no object.
  explicit operator bool() const { return map_ != nullptr; }
  // The file, "" of the program itself; and where its addresses begin.
  const char* file() const;
  uint64_t base() const;
  // Its soname, "" without one.
  const char* soname() const;
  // Whether the address lies in the function of that name, if the object exports one. By the GNU hash table, which linkers
  // have written by default since 2006.
  bool exports_at(const char* function, const void* address) const;

private:
  explicit LoadedObject(const link_map* map);

  const link_map* map_ = nullptr;
  // From the dynamic section; nullptr where it has none.
  const char* strings_ = nullptr;
  const void* symbols_ = nullptr;
  const uint32_t* hash_ = nullptr;
  uint64_t soname_ = 0;  // In strings_.
};

}  // namespace tenure
