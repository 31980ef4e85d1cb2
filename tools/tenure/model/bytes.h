// Numbers of bytes and durations as people write and read them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tenure::tool {

// A limit that is none. As TENURE_UNLIMITED of the API.
constexpr uint64_t kUnlimited = UINT64_MAX;

// "512M", "1.5G", "64KiB", "4096": powers of 1024, at most kMostBytes. "max", "none" and "unlimited" are kUnlimited. Nothing for
// all other text: negative numbers, unknown units, numbers out of range, fractions of a byte.
std::optional<uint64_t> parse_bytes(std::string_view text);
// The largest number of bytes that parse_bytes() takes for a limit: what 16 TiB of arena hold by far.
constexpr uint64_t kMostBytes = uint64_t{1} << 50;

// "0", "812", "12.3K", "512M", "1.5G": at most six columns. kUnlimited is "max".
std::string format_bytes(uint64_t bytes);
// With a sign, for differences: "+12.3K", "-4M", "0".
std::string format_change(double bytes);
// "250us", "31.2ms", "4.1s", "12m", "3h".
std::string format_microseconds(uint64_t microseconds);
// Hundredths of a percent as "12.34".
std::string format_share(uint64_t hundredths);
// A rate a second: "0", "0.3", "12", "4.1k".
std::string format_rate(double rate);

}  // namespace tenure::tool
