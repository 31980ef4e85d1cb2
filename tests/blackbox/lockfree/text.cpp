#include "tests/blackbox/lockfree/text.h"

#include <algorithm>
#include <dlfcn.h>
#include <link.h>
#include <stdlib.h>

#include "tests/blackbox/support/check.h"
#include "tests/blackbox/support/child.h"

namespace blackbox {

namespace {

struct Range {
  uint64_t base, low, high;
};

int find_code(dl_phdr_info* info, size_t, void* argument) {
  auto* range = static_cast<Range*>(argument);
  if (info->dlpi_addr != range->base) return 0;
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const ElfW(Phdr)& segment = info->dlpi_phdr[i];
    if (segment.p_type == PT_LOAD && (segment.p_flags & PF_X) != 0) {
      range->low = info->dlpi_addr + segment.p_vaddr;
      range->high = range->low + segment.p_memsz;
    }
  }
  return 1;
}

}  // namespace

Text::Text(const std::string& objdump) {
  Dl_info info;
  REQUIRE(dladdr(dlsym(RTLD_DEFAULT, "malloc"), &info) != 0, "%s", dlerror());
  path_ = info.dli_fname;
  base_ = uint64_t(info.dli_fbase);
  Range range = {base_, 0, 0};
  dl_iterate_phdr(find_code, &range);
  low_ = range.low;
  high_ = range.high;
  REQUIRE(low_ < high_, "no code in %s", path_.c_str());
  if (objdump.empty()) return;
  // Lines are "  1234:<tab>push %rbx" and "0000000000001234 <function>:".
  ChildResult listing = run_program({objdump, "-d", "--no-show-raw-insn", "-j", ".text", path_});
  for (size_t at = 0; at < listing.out.size();) {
    size_t end = std::min(listing.out.find('\n', at), listing.out.size());
    const std::string line = listing.out.substr(at, end - at);
    char* rest = nullptr;
    uint64_t address = base_ + strtoull(line.c_str(), &rest, 16);
    if (rest != line.c_str() && strncmp(rest, ":\t", 2) == 0)
      instructions_.push_back(address);
    else if (rest != line.c_str() && strncmp(rest, " <", 2) == 0)
      functions_.emplace_back(address, std::string(rest + 2, strcspn(rest + 2, ">")));
    at = end + 1;
  }
}

std::string Text::describe(uint64_t address) const {
  char number[64];
  auto after =
      std::upper_bound(functions_.begin(), functions_.end(), address,
                       [](uint64_t value, const auto& entry) { return value < entry.first; });
  if (!contains(address) || after == functions_.begin()) {
    snprintf(number, sizeof number, "%#lx", long(address));
    return number;
  }
  --after;
  snprintf(number, sizeof number, "+%#lx (%#lx)", long(address - after->first),
           long(address - base_));
  return after->second + number;
}

}  // namespace blackbox
