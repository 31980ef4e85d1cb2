#pragma once

#include <stdint.h>
#include <sys/types.h>

namespace blackbox {

// One thread under ptrace. Only that thread is ever stopped; breakpoints are the processor's debug
// registers, which belong to the thread, so that no other one runs into them.
class Tracee {
public:
  static constexpr unsigned kBreakpoints = 4;

  explicit Tracee(pid_t thread) : thread_(thread) {}

  // False where ptrace is not permitted.
  bool attach();
  void detach();

  // Each returns with the thread stopped.
  void interrupt();
  void step();
  // Runs the thread until it meets one of the addresses; false when that takes too long (it is then
  // stopped wherever it was).
  bool run_to(const uint64_t (&addresses)[kBreakpoints], double seconds);

  void resume();
  uint64_t instruction() const;

private:
  void wait_for_stop();
  bool stops_within(double seconds);
  void check_stop(int status) const;
  bool set_debug_register(unsigned number, uint64_t value) const;

  pid_t thread_;
};

}  // namespace blackbox
