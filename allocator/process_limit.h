// The limit on the memory of the whole process, as requests for memory from the system meet it (accounting/process_memory.h).
//
// The heap charges granules in the moment in which they may become resident, and mapped/ charges what the program maps; both ask before. So
// what is charged is at least what is resident, but for what nobody asks for: stacks, written pages of files, reservations of the
// program that are writable from the start (MAP_NORESERVE), the library's own metadata. These are looked at: where the resident memory is
// more than what was asked for, the difference is charged as well, whatever the limit, and later requests find less room.
#pragma once

#include <cstddef>
#include <cstdint>

#include "accounting/policy.h"
#include "accounting/process_memory.h"
#include "allocator/process_pressure.h"

namespace tenure {

// One request, which may be tried several times.
//
//   ProcessCharge charge(kind, occasion);
//   while (!charge.take(bytes) && charge.make_room()) {}
//   ... charge.finish();
class ProcessCharge {
public:
  // `moved`: so many bytes of the process are about to be given back for what is charged here, and may stand beside it above the limit.
  explicit ProcessCharge(RequestKind kind = RequestKind::kLarge,
                         Occasion occasion = Occasion::kMallocForRoot, uint64_t moved = 0)
      : kind_(kind), occasion_(occasion), moved_(moved) {}

  // Charges the process. False: refused; nothing has changed. Lock-free, async-signal-safe; so are the others as far as shrinkers are.
  bool take(uint64_t bytes);
  // The last take() was refused.
  bool refused() const { return refused_; }
  // Takes the next step at the limit: free pages return to the system; caches are emptied; shrinkers run where they may; the policy
  // decides. False: refused for good.
  bool make_room();
  // Where the charge has led above `high`: gives back what is cached.
  void finish();

private:
  enum class Step : uint8_t { kPurge, kTrim, kShrink, kAllow, kRefuse };

  static uint64_t allowance(const PageCounter& counter, const void* request);
  uint64_t excess() const;
  bool allow(Verdict verdict);

  const RequestKind kind_;
  const Occasion occasion_;
  const uint64_t moved_;
  uint64_t bytes_ = 0;
  Step next_ = Step::kPurge;
  bool begun_ = false;
  bool refused_ = false;
  bool allowed_ = false;  // By the policy.
  bool above_high_ = false;
};

// Charges `bytes` at once, with all steps. False: refused.
bool charge_process(uint64_t bytes, RequestKind kind);

// What the process's memory is made of.
struct ProcessMemory {
  uint64_t usage;   // All of what follows.
  uint64_t heap;    // Granules that may be resident.
  uint64_t mapped;  // Of the program's own mappings.
  uint64_t other;   // Resident beside these, at the last look.
};
ProcessMemory process_memory_now();

// Counted by mapped/; a part of process_memory.
void count_mapped(int64_t bytes);

// In a fork child of a process with threads: what others had charged and not used yet is given back. `mapped`: what is
// charged for mappings.
void mend_process_memory(uint64_t mapped);

}  // namespace tenure
