#include "tools/tenure/model/bytes.h"

#include <fmt/core.h>

#include <array>
#include <cctype>
#include <charconv>
#include <cmath>

namespace tenure::tool {
namespace {

constexpr std::string_view kUnits = "KMGTP";

// The power of 1024 that a unit stands for: "" and "B" 0, "K", "KB" and "KiB" 1, and so on. Nothing for another text.
std::optional<unsigned> power_of(std::string_view unit) {
  if (unit.empty() || unit == "B" || unit == "b") return 0;
  const char letter = static_cast<char>(std::toupper(static_cast<unsigned char>(unit[0])));
  const size_t place = kUnits.find(letter);
  const std::string_view rest = unit.substr(1);
  if (place == std::string_view::npos || (!rest.empty() && rest != "B" && rest != "iB"))
    return std::nullopt;
  return static_cast<unsigned>(place + 1);
}

// Three digits, with the decimals that these leave room for, and no zeros behind the point.
std::string three_digits(double value) {
  std::string text = fmt::format("{:.{}f}", value, value < 99.95 ? 1 : 0);
  if (text.ends_with(".0")) text.resize(text.size() - 2);
  return text;
}

}  // namespace

std::optional<uint64_t> parse_bytes(std::string_view text) {
  if (text == "max" || text == "none" || text == "unlimited") return kUnlimited;
  const size_t digits = text.find_first_not_of("0123456789.");
  const std::string_view number = text.substr(0, digits);
  const auto power =
      power_of(digits == std::string_view::npos ? std::string_view() : text.substr(digits));
  if (number.empty() || !power) return std::nullopt;
  if (number.find('.') == std::string_view::npos) {
    uint64_t whole = 0;
    const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), whole);
    if (error != std::errc() || end != number.data() + number.size() ||
        whole > (kMostBytes >> (10 * *power)))
      return std::nullopt;
    return whole << (10 * *power);
  }
  double value = 0;
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), value);
  if (error != std::errc() || end != number.data() + number.size() || *power == 0)
    return std::nullopt;
  const double bytes = std::ldexp(value, static_cast<int>(10 * *power));
  if (!(bytes <= static_cast<double>(kMostBytes))) return std::nullopt;
  return static_cast<uint64_t>(bytes);
}

std::string format_bytes(uint64_t bytes) {
  if (bytes == kUnlimited) return "max";
  if (bytes < 1024) return fmt::format("{}", bytes);
  auto value = static_cast<double>(bytes);
  size_t unit = 0;
  for (value /= 1024; value >= 999.5 && unit + 1 < kUnits.size(); ++unit) value /= 1024;
  return three_digits(value) + kUnits[unit];
}

std::string format_change(double bytes) {
  if (std::abs(bytes) < 1) return "0";
  return (bytes < 0 ? "-" : "+") + format_bytes(static_cast<uint64_t>(std::abs(bytes)));
}

std::string format_microseconds(uint64_t microseconds) {
  const auto us = static_cast<double>(microseconds);
  if (us < 1e3) return fmt::format("{}us", microseconds);
  if (us < 1e6) return three_digits(us / 1e3) + "ms";
  if (us < 120e6) return three_digits(us / 1e6) + "s";
  if (us < 7200e6) return three_digits(us / 60e6) + "m";
  return three_digits(us / 3600e6) + "h";
}

std::string format_share(uint64_t hundredths) {
  return fmt::format("{}.{:02}", hundredths / 100, hundredths % 100);
}

std::string format_rate(double rate) {
  if (rate < 0.05) return "0";
  if (rate < 1000) return three_digits(rate);
  for (const char unit : std::string_view("kMG")) {
    rate /= 1000;
    if (rate < 999.5 || unit == 'G') return three_digits(rate) + unit;
  }
  return "";
}

}  // namespace tenure::tool
