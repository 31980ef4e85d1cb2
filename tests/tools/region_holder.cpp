// region_holder FOLDER [TENANTS]: makes a live region for itself, as a program under the library does, and holds it. Obeys lines on
// standard input, and answers each with "done": "serve" (answer requests from now on), "version N", "mode OCTAL", "cut BYTES",
// "event SLOT" (a refused request), "usage SLOT BYTES", "generation SLOT NUMBER". Ends at the end of the input.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <iostream>
#include <sstream>
#include <string>
#include <thread>

#include "tests/tools/made_region.h"
#include "tools/tenure/reader/proc.h"

namespace tenure::tool {
namespace {

std::byte* base = nullptr;
uint64_t events = 0;
std::string folder_of_regions;

live::Header& header() { return *reinterpret_cast<live::Header*>(base); }
live::TenantSlot& slot(uint64_t number) {
  return reinterpret_cast<live::TenantSlot*>(base + live::kSlotsAt)[number];
}

// A request that is answered with a file: the test has made the file. Without it the request is one that is not known here.
void answer_with_file(live::Request& request, uint32_t place) {
  const std::string name =
      live::kAnswerPrefix + std::to_string(getpid()) + "-" + std::to_string(place);
  struct stat status {};
  const bool there = lstat((folder_of_regions + "/" + name).c_str(), &status) == 0;
  request.result = there ? 0 : -EOPNOTSUPP;
  request.value = there ? static_cast<uint64_t>(status.st_size) : 0;
}

// What the helper thread does with requests.
void serve_requests() {
  auto* const requests = reinterpret_cast<live::Request*>(base + live::kRequestsAt);
  for (;;) {
    for (uint32_t i = 0; i < live::kRequests; ++i) {
      std::atomic_ref<uint32_t> state(requests[i].state);
      auto posted = static_cast<uint32_t>(live::RequestState::kPosted);
      if (!state.compare_exchange_strong(posted,
                                         static_cast<uint32_t>(live::RequestState::kServing)))
        continue;
      requests[i].value = requests[i].argument / 2;
      if (requests[i].kind == static_cast<uint32_t>(live::RequestKind::kLowered))
        requests[i].value = 4096;
      requests[i].result = requests[i].slot == 3 ? -16 : 0;  // EBUSY of one tenant.
      if (live::answers_with_file(static_cast<live::RequestKind>(requests[i].kind)))
        answer_with_file(requests[i], i);
      state.store(static_cast<uint32_t>(live::RequestState::kAnswered));
    }
    usleep(500);
  }
}

void add_event(uint64_t number) {
  auto* const entries = reinterpret_cast<live::Event*>(base + live::kEventsAt);
  live::Event& event = entries[events % live::kEventEntries];
  live::TenantSlot& tenant = slot(number);
  ++tenant.failures;
  event = {events + 1,
           header().opened_us + 1000 * events,
           static_cast<uint32_t>(live::EventKind::kFailed),
           static_cast<uint32_t>(number),
           tenant.generation,
           tenant.id,
           tenant.usage,
           ~tenant.max_complement,
           65536,
           0};
  std::atomic_ref<uint64_t>(header().events_written).store(++events);
}

void obey(const std::string& line, const std::string& path) {
  std::istringstream words(line);
  std::string verb;
  uint64_t number = 0, bytes = 0;
  words >> verb >> number >> bytes;
  if (verb == "serve") {
    header().helper = 1;
    std::thread(serve_requests).detach();
  }
  if (verb == "version") header().version = static_cast<uint32_t>(number);
  if (verb == "mode")
    chmod(path.c_str(), static_cast<mode_t>(strtoul(line.c_str() + 5, nullptr, 8)));
  if (verb == "cut" && truncate(path.c_str(), static_cast<off_t>(number)) != 0) perror("cut");
  if (verb == "event") add_event(number);
  if (verb == "usage") slot(number).usage = bytes;
  if (verb == "generation") slot(number).generation = static_cast<uint32_t>(bytes);
}

int run(const std::string& folder, uint32_t tenants) {
  const auto facts = look_at_process(getpid());
  const MadeRegion made(tenants, static_cast<uint32_t>(getpid()), facts->start_ticks);
  folder_of_regions = folder;
  mkdir(folder.c_str(), 0700);
  const std::string path = folder + "/" + std::to_string(getpid());
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0 || write(fd, made.bytes.data(), made.bytes.size()) < 0 || flock(fd, LOCK_EX) != 0) {
    perror(path.c_str());
    return 1;
  }
  base = static_cast<std::byte*>(
      mmap(nullptr, made.bytes.size(), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
  close(fd);  // The mapping keeps the lock.
  printf("%s\n", path.c_str());
  fflush(stdout);
  for (std::string line; std::getline(std::cin, line);) {
    obey(line, path);
    printf("done %lu %lu\n", slot(1).usage, ~slot(1).max_complement);
    fflush(stdout);
  }
  unlink(path.c_str());
  return 0;
}

}  // namespace
}  // namespace tenure::tool

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  return tenure::tool::run(argv[1],
                           argc > 2 ? static_cast<uint32_t>(strtoul(argv[2], nullptr, 10)) : 120);
}
