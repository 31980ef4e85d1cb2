#include <malloc.h>
#include <string.h>

#include "tests/blackbox/stress/scenario.h"
#include "tests/blackbox/support/check.h"

namespace blackbox {

Crew::Crew(double seconds, size_t trimmers) : seconds_(scaled(seconds)) {
  for (size_t i = 0; i < trimmers; ++i)
    add([](const StopFlag& stop) {
      while (!stopped(stop)) {
        malloc_trim(0);
        sleep_seconds(0.003);
      }
    });
}

Crew::~Crew() {
  sleep_seconds(seconds_);
  stop_.store(true);
  for (std::thread& thread : threads_) thread.join();
}

}  // namespace blackbox

int main(int count, char** arguments) {
  using namespace blackbox;
  REQUIRE(count == 2, "usage: stress rings|oversubscribed|migrations|thread_churn");
  constexpr double kSeconds = 2.5;
  struct {
    const char* name;
    void (*run)(double);
  } scenarios[] = {{"rings", run_rings},
                   {"oversubscribed", run_oversubscribed},
                   {"migrations", run_migrations},
                   {"thread_churn", run_thread_churn}};
  for (auto& scenario : scenarios)
    if (strcmp(scenario.name, arguments[1]) == 0) {
      scenario.run(kSeconds);
      require_valid_heap();
      malloc_trim(0);
      require_valid_heap();
      return 0;
    }
  REQUIRE(false, "no scenario %s", arguments[1]);
}
