#pragma once

namespace blackbox {

// Each lasts about `seconds`, leaves nothing behind and fails by REQUIRE.
void run_exactness(double seconds);
void run_exactness_in_child(double seconds);
void run_service(double seconds);
void run_service_in_child(double seconds);
// `rounds` instead of seconds.
void run_offline_rounds(int rounds);

}  // namespace blackbox
