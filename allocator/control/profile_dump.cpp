// Snapshots of a profile, as lines of text: docs/profiling.md, "Snapshots".
#include <errno.h>
#include <link.h>
#include <string.h>
#include <time.h>

#include "accounting/tenants/tenant_ids.h"
#include "allocator/control/profile.h"
#include "allocator/fronts/sampler.h"
#include "allocator/heap/live_samples.h"
#include "allocator/slabs/arena.h"
#include "allocator/upkeep/reclaim.h"
#include "base/system/file_writer.h"
#include "base/system/system_calls.h"
#include "base/words/exponential.h"

namespace tenure {
namespace {

// The build id in an object's notes; nothing where it has none.
void write_build_id(FileWriter& out, const dl_phdr_info& object) {
  for (int i = 0; i < object.dlpi_phnum; ++i) {
    const ElfW(Phdr)& segment = object.dlpi_phdr[i];
    if (segment.p_type != PT_NOTE) continue;
    const auto* at = reinterpret_cast<const char*>(object.dlpi_addr + segment.p_vaddr);
    const char* const end = at + segment.p_memsz;
    while (static_cast<size_t>(end - at) >= sizeof(ElfW(Nhdr))) {
      ElfW(Nhdr) note;
      memcpy(&note, at, sizeof note);
      const char* const owner = at + sizeof note;
      const char* const id = owner + round_up(note.n_namesz, 4);
      at = id + round_up(note.n_descsz, 4);
      if (at > end) break;
      if (note.n_type != NT_GNU_BUILD_ID || note.n_namesz != 4 || memcmp(owner, "GNU", 4) != 0)
        continue;
      for (uint32_t byte = 0; byte < note.n_descsz; ++byte) {
        const auto value = static_cast<unsigned char>(id[byte]);
        out.hex(value >> 4).hex(value & 15);
      }
      return;
    }
  }
  out.text("-");
}

int write_object(dl_phdr_info* object, size_t, void* argument) {
  FileWriter& out = *static_cast<FileWriter*>(argument);
  char program[512];
  const char* name = object->dlpi_name;
  if (name == nullptr || name[0] == '\0') {
    const long length =
        syscall(SYS_readlinkat, AT_FDCWD, "/proc/self/exe", program, sizeof program - 1);
    program[length > 0 ? length : 0] = '\0';
    name = program;
  }
  for (int i = 0; i < object->dlpi_phnum; ++i) {
    const ElfW(Phdr)& segment = object->dlpi_phdr[i];
    if (segment.p_type != PT_LOAD || !(segment.p_flags & PF_X)) continue;
    // Whole pages, as they are mapped.
    const uint64_t before = segment.p_offset % kPageSize;
    const uint64_t start = object->dlpi_addr + segment.p_vaddr;
    out.text("mapping ").hex(start - before).text(" ");
    out.hex(round_up(start + segment.p_memsz, kPageSize)).text(" ");
    out.hex(segment.p_offset - before).text(" ");
    write_build_id(out, *object);
    out.text(" ").name(name);
  }
  return 0;
}

void write_head(FileWriter& out) {
  timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  out.text("tenure-profile 1\ntime ").number(static_cast<uint64_t>(now.tv_sec));
  out.text("\nprocess ").number(static_cast<uint64_t>(getpid()));
  out.text("\nmean ").number(profile_mean());
  out.text("\nlost ").number(lost_samples.load(std::memory_order_relaxed)).text("\n");
}

}  // namespace

bool is_online(const ProfileTenant& label) {
  if (label.place == 0) return true;  // The root
  grace::ReadSection section;
  const Tenant* const tenant = tenant_by_id(TenantId{label.id});
  return tenant != nullptr && tenant->number == label.place && tenant->online();
}

SiteCounts counts_of(const ProfileSite& site) {
  // Freed first: never more than allocated.
  const uint64_t freed = site.freed.load(std::memory_order_acquire);
  const uint64_t allocated = site.allocated.load(std::memory_order_relaxed);
  const double p =
      probability_of_point(static_cast<double>(site.size), static_cast<double>(site.mean));
  return {allocated, allocated - freed, 1 / p};
}

namespace {

void write_sites(FileWriter& out) {
  profile_tenants.for_each([&out](const ProfileTenant& tenant) {
    out.text("tenant ").number(tenant.number).text(" ").number(tenant.id);
    out.text(is_online(tenant) ? " online " : " gone ").name(tenant.path);
  });
  // Sites before stacks: the stack of each site that is seen is written, but not the other way round.
  profile_sites.for_each([&out](const ProfileSite& site) {
    // Freed first: never more than allocated.
    const uint64_t freed = site.freed.load(std::memory_order_acquire);
    out.text("site ").number(site.number).text(" ").number(site.stack->number).text(" ");
    out.number(site.tenant->number).text(" ").number(site.size).text(" ").number(site.mean);
    out.text(" ").number(site.allocated.load(std::memory_order_relaxed));
    out.text(" ").number(freed).text(" ").name(site.thread);
  });
  profile_stacks.for_each([&out](const ProfileStack& stack) {
    out.text("stack ").number(stack.number);
    for (uint32_t i = 0; i < stack.depth; ++i)
      out.text(" ").hex(reinterpret_cast<uint64_t>(stack.frames[i]));
    out.text("\n");
  });
}

void write_live(FileWriter& out) {
  const uint32_t now = coarse_ms();
  for_each_sample([&out, now](const LiveSample& sample) {
    const uint64_t object = sample.object.load(std::memory_order_acquire);
    const ProfileSite* const site = sample.site.load(std::memory_order_relaxed);
    const uint32_t born = sample.born.load(std::memory_order_relaxed);
    if (object == 0 || site == nullptr) return;
    out.text("live ").number(site->number).text(" ").number(now - born).text(" ");
    out.hex(object).text("\n");
  });
}

}  // namespace

int dump_profile(int fd, uint64_t most) {
  const int saved = errno;
  FileWriter out(fd, most);
  write_head(out);
  dl_iterate_phdr(write_object, &out);
  write_sites(out);
  write_live(out);
  out.text("end\n");
  const int result = out.end();
  errno = saved;
  return result;
}

int dump_profile(const char* file) {
  char path[512];
  size_t length = 0;
  const auto put = [&](char c) {
    if (length < sizeof path - 1) path[length++] = c;
  };
  for (; *file != '\0'; ++file) {
    if (file[0] != '%' || file[1] != 'p') {
      put(*file);
      continue;
    }
    char digits[16];
    size_t count = 0;
    for (auto left = static_cast<uint32_t>(getpid()); left != 0; left /= 10)
      digits[count++] = static_cast<char>('0' + left % 10);
    while (count > 0) put(digits[--count]);
    ++file;
  }
  path[length] = '\0';
  const int saved = errno;
  const auto fd = static_cast<int>(syscall(
      SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, 0600));
  int result = fd < 0 ? -errno : 0;
  errno = saved;
  if (fd < 0) return result;
  result = dump_profile(fd);
  sys::close(fd);
  return result;
}

}  // namespace tenure
