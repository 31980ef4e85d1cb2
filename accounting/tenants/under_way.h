// Operations that this thread is in the middle of, innermost first. A fork child finds stalls counted, tenants claimed and
// handlers entered by all threads of its parent; here it sees which of them are its own and go on. Hooks of reclaim find here what they
// have achieved.
#pragma once

#include <cstdint>

namespace tenure {

// Base of objects on the stack. A signal handler leaves the list as it found it.
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
