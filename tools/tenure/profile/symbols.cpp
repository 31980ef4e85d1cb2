#include "tools/tenure/profile/symbols.h"

#include <cxxabi.h>
#include <elf.h>
#include <fmt/core.h>
#include <string.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string_view>

namespace tenure::tool {
namespace {

std::string demangled(const char* name) {
  int status = 0;
  char* const text = abi::__cxa_demangle(name, nullptr, nullptr, &status);
  std::string result = status == 0 && text ? text : name;
  std::free(text);
  return result;
}

// A structure of the file, if all of it is there.
template <typename T>
bool take(const std::string& bytes, uint64_t at, T& value) {
  if (at > bytes.size() || bytes.size() - at < sizeof value) return false;
  memcpy(&value, bytes.data() + at, sizeof value);
  return true;
}

std::string build_id_in(const std::string& bytes, const Elf64_Ehdr& header) {
  for (unsigned i = 0; i < header.e_phnum; ++i) {
    Elf64_Phdr segment;
    if (!take(bytes, header.e_phoff + i * sizeof segment, segment)) break;
    if (segment.p_type != PT_NOTE) continue;
    for (uint64_t at = segment.p_offset; at < segment.p_offset + segment.p_filesz;) {
      Elf64_Nhdr note;
      if (!take(bytes, at, note)) break;
      const uint64_t id = at + sizeof note + (note.n_namesz + 3u) / 4 * 4;
      at = id + (note.n_descsz + 3u) / 4 * 4;
      if (note.n_type != NT_GNU_BUILD_ID || at > bytes.size()) continue;
      std::string text;
      for (uint64_t byte = id; byte < id + note.n_descsz; ++byte)
        text += fmt::format("{:02x}", static_cast<unsigned char>(bytes[byte]));
      return text;
    }
  }
  return "";
}

}  // namespace

bool Symbols::read_file(const std::string& path, const std::string& build_id, File& file) {
  // The path comes from the process that was profiled: nothing that blocks, or has no end.
  constexpr uintmax_t kMost = uintmax_t{4} << 30;
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error) ||
      std::filesystem::file_size(path, error) > kMost || error)
    return false;
  std::ifstream stream(path, std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(stream)), {});
  Elf64_Ehdr header;
  if (!take(bytes, 0, header) || memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 ||
      header.e_ident[EI_CLASS] != ELFCLASS64 || build_id_in(bytes, header) != build_id)
    return false;
  if (file.segments.empty()) {
    for (unsigned i = 0; i < header.e_phnum; ++i) {
      Elf64_Phdr segment;
      if (!take(bytes, header.e_phoff + i * sizeof segment, segment)) break;
      if (segment.p_type == PT_LOAD)
        file.segments.push_back({segment.p_offset, segment.p_vaddr, segment.p_filesz});
    }
  }
  for (unsigned i = 0; i < header.e_shnum; ++i) {
    Elf64_Shdr table, strings;
    if (!take(bytes, header.e_shoff + i * sizeof table, table)) break;
    if (table.sh_type != SHT_SYMTAB && table.sh_type != SHT_DYNSYM) continue;
    if (!take(bytes, header.e_shoff + table.sh_link * sizeof strings, strings)) continue;
    for (uint64_t at = 0; at + sizeof(Elf64_Sym) <= table.sh_size; at += sizeof(Elf64_Sym)) {
      Elf64_Sym symbol;
      if (!take(bytes, table.sh_offset + at, symbol)) break;
      const unsigned type = ELF64_ST_TYPE(symbol.st_info);
      if ((type != STT_FUNC && type != STT_GNU_IFUNC) || symbol.st_shndx == SHN_UNDEF) continue;
      const uint64_t name = strings.sh_offset + symbol.st_name;
      if (name >= bytes.size()) continue;
      const char* const text = bytes.data() + name;
      file.symbols.push_back(
          {symbol.st_value, symbol.st_size, std::string(text, strnlen(text, bytes.size() - name))});
    }
  }
  return true;
}

const Symbols::File& Symbols::file_of(const ProfileMapping& mapping) {
  const auto [found, fresh] = files_.try_emplace(mapping.file + " " + mapping.build_id);
  File& file = found->second;
  if (!fresh) return file;
  read_file(mapping.file, mapping.build_id, file);
  // Debian and others keep what they have stripped apart.
  if (mapping.build_id.size() > 2)
    read_file("/usr/lib/debug/.build-id/" + mapping.build_id.substr(0, 2) + "/" +
                  mapping.build_id.substr(2) + ".debug",
              mapping.build_id, file);
  std::stable_sort(file.symbols.begin(), file.symbols.end(),
                   [](const Symbol& a, const Symbol& b) { return a.start < b.start; });
  return file;
}

std::string Symbols::find(uint64_t address) {
  const ProfileMapping* const mapping = mapping_of(profile_, address);
  if (mapping == nullptr) return fmt::format("0x{:x}", address);
  const File& file = file_of(*mapping);
  const uint64_t offset = address - mapping->start + mapping->offset;
  for (const Segment& segment : file.segments) {
    if (offset < segment.offset || offset - segment.offset >= segment.size) continue;
    const uint64_t place = offset - segment.offset + segment.address;
    auto after =
        std::upper_bound(file.symbols.begin(), file.symbols.end(), place,
                         [](uint64_t p, const Symbol& symbol) { return p < symbol.start; });
    if (after == file.symbols.begin()) break;
    const Symbol& symbol = *--after;
    // Those written in assembly often have no size.
    if (symbol.size == 0 || place - symbol.start < symbol.size)
      return demangled(symbol.name.c_str());
  }
  return fmt::format("{}+0x{:x}", mapping->file.substr(mapping->file.rfind('/') + 1), offset);
}

const std::string& Symbols::name(uint64_t address) {
  const auto [found, fresh] = names_.try_emplace(address);
  if (fresh) found->second = find(address);
  return found->second;
}

std::vector<std::string> Symbols::calls(const ProfileRow& row) {
  std::vector<std::string> names;
  bool inside = true;
  for (const uint64_t frame : row.frames) {
    const std::string& its = name(frame);
    inside = inside && is_allocator(its);
    if (!inside) names.push_back(its);
  }
  std::reverse(names.begin(), names.end());
  if (names.empty()) names.emplace_back("(unknown)");
  return names;
}

bool is_allocator(const std::string& name) {
  static constexpr std::string_view kNames[] = {
      "malloc",         "calloc",        "realloc",       "reallocarray",  "aligned_alloc",
      "memalign",       "valloc",        "pvalloc",       "free",          "posix_memalign",
      "__libc_malloc",  "__libc_calloc", "tenure_malloc", "tenure_calloc", "tenure_aligned_alloc",
      "tenure_transfer"};
  return std::find(std::begin(kNames), std::end(kNames), name) != std::end(kNames) ||
         name.starts_with("operator new") || name.starts_with("tenure::") ||
         name.starts_with("void* tenure::");
}

}  // namespace tenure::tool
