#pragma once

namespace blackbox {

// Each lasts about `seconds`, leaves nothing behind and fails by REQUIRE.
void run_exactness(double seconds);
void run_exactness_in_child(double seconds);
void run_service(double seconds);
void run_service_in_child(double seconds);
// `most` rounds, but no more than `least` of them once the seconds have passed.
void run_offline_rounds(int least, int most, double seconds);

}  // namespace blackbox
