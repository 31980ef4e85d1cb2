// The unfinished operations of this thread, innermost first. A fork child finds stalls, claimed tenants and running handlers of all threads
// of its parent. This list tells it which of them belong to its own thread and go on. Hooks of reclaim find their results here.
#pragma once

#include <cstdint>

namespace tenure {

// Base of objects on the stack. A signal handler restores the list.
struct UnderWay {
  enum class Kind : uint8_t { kStall, kEnqueue, kHandlers, kAchievement };

  const Kind kind;
  UnderWay* outer = nullptr;

  explicit UnderWay(Kind what) : kind(what) {}
  UnderWay(const UnderWay&) = delete;
  UnderWay& operator=(const UnderWay&) = delete;

protected:
  ~UnderWay() = default;
  void begin();
  void end();
};

// nullptr: nothing.
UnderWay* innermost_under_way();

// Calls fn(Frame&) for each of this thread's frames of the kind.
template <typename Frame, typename Fn>
void for_each_under_way(Fn fn) {
  for (UnderWay* frame = innermost_under_way(); frame != nullptr; frame = frame->outer) {
    if (frame->kind == Frame::kKind) fn(static_cast<Frame&>(*frame));
  }
}

}  // namespace tenure
