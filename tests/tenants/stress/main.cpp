#include <stdio.h>
#include <string.h>

#include "tests/blackbox/support/clock.h"
#include "tests/tenants/stress/scenario.h"
#include "tests/tenants/support/tenant.h"

int main(int count, char** arguments) {
  using namespace blackbox;
  REQUIRE(count == 2,
          "usage: stress exactness|exactness_in_child|offline_rounds|service|service_in_child");
  constexpr double kSeconds = 4;
  const std::string name = arguments[1];
  if (name == "exactness")
    run_exactness(scaled(kSeconds));
  else if (name == "exactness_in_child")
    run_exactness_in_child(scaled(kSeconds));
  else if (name == "offline_rounds")
    run_offline_rounds(10000, int(scaled(10000)), scaled(kSeconds / 2));
  else if (name == "service")
    run_service(scaled(kSeconds / 2));
  else if (name == "service_in_child")
    run_service_in_child(scaled(kSeconds / 4));
  else
    REQUIRE(false, "no scenario %s", arguments[1]);
  require_no_tenants();
}
