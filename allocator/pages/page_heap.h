// Room allocator/pages: memory in runs of granules. It calls base alone. It promises that a run has one owner, and that pages go
// back to the system only while their run is free.
//
// Runs of granules. Lock-free: a chunk is one 64-bit word, a run inside it is taken and given back by one
// compare-and-swap (the model is LLFree, ATC'23); longer runs are whole chunks, claimed one by one in ascending order.
//
// Among chunks that fit, the fullest is taken first, at the lowest address, so that sparse chunks empty (Temeraire, OSDI'21).
// Freed granules stay resident ("dirty") and are preferred. sweep() returns those that nobody wanted between two visits of the
// decay's hand (decay.h): second chance, as in the clock algorithm of page replacement.
#pragma once

#include <atomic>
#include <bit>
#include <cstdint>

#include "allocator/pages/config.h"
#include "allocator/pages/huge_pages.h"
#include "allocator/pages/page_map.h"
#include "base/memory/os_memory.h"
#include "base/options/settings.h"

namespace tenure {

class PageCounter;
class ProcessCharge;

constexpr uint32_t kNoGranule = UINT32_MAX;

// The part of a chunk that one step of a sweep visits: 1 MiB, which the kernel takes some 100 us to free.
constexpr uint32_t kStretchGranules = kChunkGranules / 2;
constexpr size_t kStretchSize = kStretchGranules * kGranuleSize;

struct Run {
  uint32_t granule = kNoGranule;
  uint32_t granules = 0;
  // Every byte is known to be zero and to take no memory yet.
  bool fresh = false;
  // Some of it took no memory before.
  bool grown = false;
  explicit operator bool() const { return granule != kNoGranule; }
};

enum class Fill : uint8_t { kAny, kZero };
enum class Growth : uint8_t { kReuse, kOpen };  // Whether new chunks may be opened.

struct PageHeapStats {
  size_t used_bytes;   // In runs
  size_t dirty_bytes;  // Free, perhaps resident
  size_t chunk_bytes;  // Chunks ever opened
  size_t live_chunks;  // Of these, with a granule that is used or dirty
};

class PageHeap {
public:
  // Bytes of metadata for a chunk: its words, and a bit in each of the hints.
  static constexpr size_t kChunkMeta = 33;

  constexpr PageHeap() = default;
  // Takes over its part of the reservation. `arena_units` is raised to the committed arena in units of kMinAlignment, for
  // the range check of free.
  void adopt(void* arena, size_t arena_bytes, void* chunks, size_t chunks_bytes, void* hints,
             size_t hints_bytes, PageMap* page_map, uint64_t* arena_units, HugePageMode huge_pages,
             bool mapped = true);
  // A new mapping gets the advice for, or against, huge pages that its chunks had.
  void restore_advice(uint32_t granule, uint32_t granules);
  // From now on granules that may be resident are charged to `payer`: before they may be, until they are not any more. Before the
  // first run.
  void charge_to(PageCounter* payer) { payer_ = payer; }
  // Of the address space: os::GrowingRange.
  void give_up_unused() {
    memory_.give_up_unused();
    chunk_range_.give_up_unused();
    hint_range_.give_up_unused();
  }

  // A run of `granules`, starting at an address that is a multiple of `alignment` granules (a power of two). With Fill::kZero it reads as zeros; only
  // what may not be zero is written. Empty where address space or the system's memory is exhausted, or the charge is refused. Without a
  // charge it is charged whatever the limit.
  Run allocate(uint32_t granules, uint32_t alignment, Fill fill, Growth growth,
               ProcessCharge* charge = nullptr);
  // The same of memory that is there, where `room` granules of a chunk are free, so that the run can be extended. Empty where there is no
  // such place.
  Run allocate_with_room(uint32_t granules, uint32_t room, ProcessCharge* charge = nullptr);
  // Gives a run, or a part of one, back. With `purged` its pages are known to be zero and not resident.
  void release(uint32_t granule, uint32_t granules, bool purged = false);
  // Lengthens a run in place. False, and nothing changed, where something is in the way.
  bool extend(uint32_t granule, uint32_t granules, uint32_t new_granules,
              ProcessCharge* charge = nullptr);

  // Returns to the system what has been free in the stretch since its last sweep, and notes what is free now. The number of bytes
  // returned. Never touches a used granule: it claims what it purges.
  size_t sweep(uint32_t stretch);
  // Stretches opened so far; rises only.
  uint32_t stretches() const { return frontier() * (kChunkGranules / kStretchGranules); }
  // Returns `bytes` of a run, from `offset` on, to the system, while the run stays its owner's. Its granules count as resident as before.
  // A huge page is split, and what is free of it returns as well. False where the system refuses.
  bool return_part(uint32_t granule, size_t offset, size_t bytes);
  bool in_huge_page(uint32_t granule) const {
    return pages_of(granule / kChunkGranules) == ChunkPages::kHuge;
  }
  // Whether huge pages are there to stay.
  bool keeps_huge_pages() const { return huge_pages_ == HugePageMode::kOn; }
  // Returns free pages to the system, about `most` bytes (a stretch more at most); from the end, which is to become empty.
  size_t purge_free(size_t most);

  // In a fork child: hints that a thread which is gone has left behind are brought in line.
  void repair_hints();

  PageHeapStats stats() const;
  // Memory that may be resident, used or free. One load.
  size_t resident_bytes() const {
    const int64_t granules = resident_.load(std::memory_order_relaxed);
    return granules > 0 ? static_cast<size_t>(granules) * kGranuleSize : 0;
  }
  // Of that, what is free. One load.
  size_t free_bytes() const {
    const int64_t granules = free_.load(std::memory_order_relaxed);
    return granules > 0 ? static_cast<size_t>(granules) * kGranuleSize : 0;
  }
  // The same by the marks of all chunks, which are exact in a fork child, too.
  size_t dirty_bytes() const;
  // The most of the resident memory that there was at a time.
  size_t resident_peak() const {
    return static_cast<size_t>(resident_peak_.load(std::memory_order_relaxed)) * kGranuleSize;
  }
  // Quiescent: no hint is missing and nothing lies beyond the frontier.
  bool validate() const;
  // Chunks opened so far; rises only.
  uint32_t frontier() const { return frontier_.load(std::memory_order_acquire); }
  bool is_used(uint32_t granule) const {
    return chunk(granule / kChunkGranules).used.load(std::memory_order_acquire) >>
               (granule % kChunkGranules) &
           1;
  }
  void* address(uint32_t granule) const { return memory_.base() + size_t{granule} * kGranuleSize; }

private:
  struct alignas(32) Chunk {
    std::atomic<uint64_t> used;  // Bit: the granule belongs to a run (or to a purge in progress).
    std::atomic<uint64_t>
        dirty;  // Bit: the granule's pages may be resident and not zero. Changed by its owner only.
    std::atomic<uint64_t>
        idle;  // Bit: free and dirty at the last look, and not used since. A hint.
    // The advice that the system was given. A hint: it decides itself, and two threads may ask at a time.
    std::atomic<ChunkPages> pages;
  };
  // Bit c of hints[g].order[o]: chunk 64 g + c probably has a longest free run of 2^o to 2^(o+1)-1 granules.
  static constexpr unsigned kOrders = 7;
  struct alignas(64) Hints {
    std::atomic<uint64_t> order[8];
  };

  Chunk& chunk(size_t index) const { return chunk_table_[index]; }
  void update_hints(uint32_t chunk_index);
  uint32_t take_from_chunk(uint32_t chunk_index, uint32_t granules, uint32_t alignment,
                           uint32_t room);
  uint32_t find_in_chunks(uint32_t frontier, uint32_t granules, uint32_t alignment, uint32_t room);
  uint32_t allocate_in_chunk(uint32_t granules, uint32_t alignment, Growth growth);
  uint32_t allocate_at_end(uint32_t frontier, uint32_t granules);
  uint32_t allocate_chunks(uint32_t granules, uint32_t alignment, Growth growth);
  uint32_t claim(uint32_t granule, uint32_t granules);
  void unclaim(uint32_t granule, uint32_t granules);
  Run hand_out(uint32_t granule, uint32_t granules, Fill fill, ProcessCharge* charge);
  bool open_chunks(uint32_t first, uint32_t end);
  bool ensure(uint32_t chunks);
  uint32_t mark_dirty(uint32_t granule, uint32_t granules, Fill fill);
  // The pages that return: idle ones, those worth a call, all that are free.
  enum class Purge : uint8_t { kIdle, kFree, kAll };
  size_t purge_stretch(uint32_t stretch, Purge purge);
  uint64_t resident(const Chunk& c) const;
  uint64_t returnable(const Chunk& c, uint64_t used, uint64_t stretch, Purge purge) const;
  // Advice for huge pages (page_advice.cpp).
  ChunkPages pages_of(uint32_t index) const {
    return chunk(index).pages.load(std::memory_order_relaxed);
  }
  bool is_filled(uint32_t index) const;
  bool wants_huge_pages(uint32_t first, uint32_t end);
  bool huge_pages_work();
  ChunkPages advise_new_chunks(uint32_t first, uint32_t end);
  void advise(uint32_t first, uint32_t end, bool huge) const {
    os::advise_huge_pages(address(first * kChunkGranules), size_t{end - first} * kChunkSize, huge);
  }
  void make_uniform(uint32_t granule, uint32_t granules);
  void split_chunk(uint32_t index);
  void join_chunk(uint32_t index);
  bool pay_for(uint32_t granule, uint32_t granules, ProcessCharge* charge);
  void count_clean(uint64_t granules);
  void count_free(int granules) { free_.fetch_add(granules, std::memory_order_relaxed); }

  os::GrowingRange memory_, chunk_range_, hint_range_;
  Chunk* chunk_table_ = nullptr;                  // Constant after adopt().
  Hints* hint_table_ = nullptr;                   // Constant after adopt().
  uint32_t chunk_limit_ = 0;                      // Constant after adopt().
  PageMap* page_map_ = nullptr;                   // Constant after adopt().
  uint64_t* arena_units_ = nullptr;               // Constant after adopt().
  PageCounter* payer_ = nullptr;                  // Constant after charge_to().
  HugePageMode huge_pages_ = HugePageMode::kOff;  // Constant after adopt().
  // The next three of kAuto. Relaxed: heuristics.
  std::atomic<HugePageTrust> trust_{{0, 0, 1}};
  // Chunks that were split: each may take two of the process's mappings.
  std::atomic<uint32_t> splits_{0};
  enum class Huge : uint8_t { kUnknown, kWorking, kDone };
  std::atomic<Huge> huge_{Huge::kUnknown};  // kDone: no chunk gets huge pages any more.
  // Dirty granules of all chunks, counted after each change. Relaxed: nothing hangs on it but when reclaim begins. A fork may
  // come between a change and its count; the child's stays a little off.
  std::atomic<int64_t> resident_{0};
  // Those of them that belong to no run (or are being purged). As `resident_`; what hangs on it is when memory is returned.
  std::atomic<int64_t> free_{0};
  std::atomic<int64_t> resident_peak_{0};  // Statistics only: relaxed.
  std::atomic<uint32_t> frontier_{
      0};  // Chunks below it are open; their memory and metadata are committed.
};

}  // namespace tenure
