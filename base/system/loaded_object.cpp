#include "base/system/loaded_object.h"

#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <string.h>
#include <sys/auxv.h>

#include "base/words/attributes.h"

// As in glibc's dlfcn.h, which older headers lack. Weak: absent before glibc 2.35.
extern "C" {
struct FoundObject {
  uint64_t flags;
  void* start;
  void* end;
  link_map* map;
  void* eh_frame;
  uint64_t reserved[8];
};
TENURE_WEAK int find_object(void* address, FoundObject* found) asm("_dl_find_object");
}

namespace tenure {
namespace {

// The address in the dynamic section. glibc has added the object's base, unless the section is read-only.
template <typename Target>
const Target* target_of(const link_map& map, const ElfW(Dyn) & entry) {
  ElfW(Addr) address = entry.d_un.d_ptr;
  if (address < map.l_addr) address += map.l_addr;
  return reinterpret_cast<const Target*>(address);
}

// Uses the program's headers, which the kernel passes to the process.
LoadedCode code_of_program(uint64_t address) {
  const uint64_t headers = getauxval(AT_PHDR), count = getauxval(AT_PHNUM);
  const auto* const header = reinterpret_cast<const ElfW(Phdr)*>(headers);
  LoadedCode code;
  uint64_t base = 0;
  for (uint64_t i = 0; headers != 0 && i < count; ++i) {
    if (header[i].p_type == PT_PHDR) base = headers - header[i].p_vaddr;
  }
  for (uint64_t i = 0; headers != 0 && i < count; ++i) {
    const uint64_t start = base + header[i].p_vaddr;
    if (header[i].p_type == PT_LOAD && address - start < header[i].p_memsz) {
      code.start = start;
      code.end = start + header[i].p_memsz;
    } else if (header[i].p_type == PT_GNU_EH_FRAME) {
      code.frame_table = reinterpret_cast<const void*>(start);
    }
  }
  return code.end != 0 ? code : LoadedCode{};
}

// The hash function of DT_GNU_HASH.
uint32_t hash_of(const char* name) {
  uint32_t hash = 5381;
  for (; *name != '\0'; ++name) hash = hash * 33 + static_cast<unsigned char>(*name);
  return hash;
}

}  // namespace

LoadedCode LoadedCode::of(uint64_t address) {
  FoundObject found = {};
  if (&find_object == nullptr) return code_of_program(address);
  if (find_object(reinterpret_cast<void*>(address), &found) != 0) return {};
  return {reinterpret_cast<uint64_t>(found.start), reinterpret_cast<uint64_t>(found.end),
          found.eh_frame};
}

LoadedObject LoadedObject::of(const void* address) {
  FoundObject found = {};
  const bool is_found =
      &find_object != nullptr && find_object(const_cast<void*>(address), &found) == 0;
  return LoadedObject(is_found ? found.map : nullptr);
}

LoadedObject::LoadedObject(const link_map* map) {
  if (map == nullptr || map->l_ld == nullptr) return;
  map_ = map;
  for (const ElfW(Dyn)* entry = map->l_ld; entry->d_tag != DT_NULL; ++entry) {
    switch (entry->d_tag) {
    case DT_STRTAB:
      strings_ = target_of<char>(*map, *entry);
      break;
    case DT_SYMTAB:
      symbols_ = target_of<void>(*map, *entry);
      break;
    case DT_GNU_HASH:
      hash_ = target_of<uint32_t>(*map, *entry);
      break;
    case DT_SONAME:
      soname_ = entry->d_un.d_val;
      break;
    default:
      break;
    }
  }
}

const char* LoadedObject::file() const { return map_->l_name ? map_->l_name : ""; }
uint64_t LoadedObject::base() const { return map_->l_addr; }

const char* LoadedObject::soname() const {
  return strings_ && soname_ != 0 ? strings_ + soname_ : "";
}

// The table: {buckets, first symbol, words of the filter, shift}, the filter, the buckets, a word for each symbol. The symbols of a
// bucket follow one another; the word of the last has its lowest bit set.
bool LoadedObject::exports_at(const char* function, const void* address) const {
  if (!strings_ || !symbols_ || !hash_) return false;
  const uint32_t buckets = hash_[0], first = hash_[1], filter_words = hash_[2];
  if (buckets == 0) return false;
  const uint32_t* const bucket = hash_ + 4 + filter_words * (sizeof(ElfW(Addr)) / 4);
  const uint32_t* const words = bucket + buckets;
  const uint32_t hash = hash_of(function);
  uint32_t index = bucket[hash % buckets];
  if (index < first) return false;  // Empty.
  for (;; ++index) {
    const uint32_t word = words[index - first];
    const auto& symbol = static_cast<const ElfW(Sym)*>(symbols_)[index];
    if ((word | 1) == (hash | 1) && symbol.st_shndx != SHN_UNDEF &&
        strcmp(strings_ + symbol.st_name, function) == 0) {
      const ElfW(Addr) start = map_->l_addr + symbol.st_value;
      // <= because a return address may be the end of the function.
      return reinterpret_cast<ElfW(Addr)>(address) - start <= symbol.st_size;
    }
    if (word & 1) return false;
  }
}

}  // namespace tenure
