// What programs with a live region do in the tests: each runs in a process of its own, with TENURE_LIVE set.
#pragma once

#include <string>

namespace blackbox {

// Runs the scenario of that name. `folder`: TENURE_LIVE's.
int run_scenario(const std::string& name, const std::string& folder);
int run_fork_scenario(const std::string& name, const std::string& folder);
// In another process, without a region: sets the limit of a tenant.
int set_from_outside(const std::string& file, const std::string& tenant, uint64_t max);

}  // namespace blackbox
