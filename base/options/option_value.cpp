#include "base/options/option_value.h"

namespace tenure {
namespace {

struct Unit {
  const char* word;
  int64_t size;
};
// In milliseconds and in KiB.
constexpr Unit kTimes[] = {
    {"ms", 1}, {"s", 1000}, {"m", 60 * 1000}, {"h", 3600 * 1000}, {nullptr, 0}};
constexpr Unit kSizes[] = {{"K", 1},         {"KiB", 1},       {"M", 1 << 10},
                           {"MiB", 1 << 10}, {"G", 1 << 20},   {"GiB", 1 << 20},
                           {"T", 1 << 30},   {"TiB", 1 << 30}, {nullptr, 0}};
// For options that count bytes.
constexpr Unit kBytes[] = {{"K", 1LL << 10},   {"KiB", 1LL << 10}, {"M", 1LL << 20},
                           {"MiB", 1LL << 20}, {"G", 1LL << 30},   {"GiB", 1LL << 30},
                           {"T", 1LL << 40},   {"TiB", 1LL << 40}, {nullptr, 0}};

struct Measure {
  const Unit* units;
  int64_t own;  // The unit of the option's number, in the table's terms.
};

bool ends_with(const char* name, const char* end) {
  const size_t length = __builtin_strlen(name), tail = __builtin_strlen(end);
  return length > tail && __builtin_strcmp(name + length - tail, end) == 0;
}

Measure measure_of(const Option& option) {
  if (ends_with(option.name, "_ms")) return {kTimes, 1};
  if (ends_with(option.name, "_kib")) return {kSizes, 1};
  if (ends_with(option.name, "_mib")) return {kSizes, 1 << 10};
  if (ends_with(option.name, "_gib")) return {kSizes, 1 << 20};
  if (option.field == &Settings::max || option.field == &Settings::high) return {kBytes, 1};
  return {nullptr, 1};
}

bool is_tenant_name(const char* value) {
  constexpr size_t kLongestName = 63;
  const size_t length = __builtin_strlen(value);
  const bool dots = __builtin_strcmp(value, ".") == 0 || __builtin_strcmp(value, "..") == 0;
  if (length > kLongestName || dots) return false;  // None is empty.
  for (size_t i = 0; i < length; ++i)
    if (value[i] == '/' || static_cast<unsigned char>(value[i]) < ' ') return false;
  return true;
}

// Converts `number`, followed by `unit`, into the option's own unit. False: there is no such unit, or the result is no whole number.
bool convert(const Measure& measure, const char* unit, int64_t& number) {
  for (const Unit* each = measure.units; each && each->word; ++each) {
    if (__builtin_strcmp(each->word, unit) != 0) continue;
    if (number < 0 || __builtin_mul_overflow(number, each->size, &number)) return false;
    if (number % measure.own != 0) return false;
    number /= measure.own;
    return true;
  }
  return false;
}

bool parse_number(const Option& option, const char* value, int64_t& number) {
  const bool negative = *value == '-';
  const char* p = value + negative;
  if (*p < '0' || *p > '9') return false;
  for (number = 0; *p >= '0' && *p <= '9'; ++p) {
    if (number > INT64_MAX / 10 - 10) return false;
    number = number * 10 + (*p - '0');
  }
  if (negative) number = -number;
  return *p == '\0' || convert(measure_of(option), p, number);
}

bool parse_path(const Option& option, const char* value, Settings& settings) {
  const size_t length = __builtin_strlen(value);
  if (value[0] != '/' || length >= kLongestPath) return false;
  __builtin_memcpy(option.path, value, length + 1);
  settings.*option.field = option.path_value;
  return true;
}

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

constexpr size_t kLongestCompared = 32;

// Levenshtein's distance of the first letters of both.
size_t distance(const char* a, size_t a_length, const char* b) {
  size_t b_length = __builtin_strlen(b);
  if (a_length > kLongestCompared) a_length = kLongestCompared;
  if (b_length > kLongestCompared) b_length = kLongestCompared;
  uint8_t row[kLongestCompared + 1];
  for (size_t j = 0; j <= b_length; ++j) row[j] = static_cast<uint8_t>(j);
  for (size_t i = 1; i <= a_length; ++i) {
    uint8_t diagonal = row[0];
    row[0] = static_cast<uint8_t>(i);
    for (size_t j = 1; j <= b_length; ++j) {
      const auto changed = static_cast<uint8_t>(diagonal + (lower(a[i - 1]) != b[j - 1]));
      diagonal = row[j];
      const uint8_t fewest = row[j] < row[j - 1] ? row[j] : row[j - 1];
      row[j] = changed <= fewest ? changed : static_cast<uint8_t>(fewest + 1);
    }
  }
  return row[b_length];
}

}  // namespace

bool set_text(char (&text)[kLongestText], const char* value) {
  const size_t length = __builtin_strlen(value);
  if (length >= kLongestText) return false;
  __builtin_memcpy(text, value, length + 1);
  return true;
}

bool parse_option(const Option& option, const char* value, Settings& settings) {
  if (option.text) {
    if (!option.default_text && !is_tenant_name(value)) return false;
    return set_text(settings.*option.text, value);
  }
  if (option.choices) {
    for (const Choice* choice = option.choices; choice->word; ++choice) {
      if (__builtin_strcmp(choice->word, value) != 0) continue;
      settings.*option.field = choice->value;
      return true;
    }
    return option.path && parse_path(option, value, settings);
  }
  int64_t number = 0;
  if (!parse_number(option, value, number)) return false;
  if (number < option.smallest || number > option.largest) return false;
  settings.*option.field = number;
  return true;
}

const char* units_of(const Option& option) {
  if (option.choices || option.text) return nullptr;
  const Unit* const units = measure_of(option).units;
  if (units == nullptr) return nullptr;
  return units == kTimes ? "ms, s, m, h" : "K, M, G, T";
}

void write_good_values(LineBuffer& line, const Option& option) {
  for (const Choice* choice = option.choices; choice && choice->word; ++choice)
    line.text(choice == option.choices ? "" : ", ").text(choice->word);
  if (option.path) line.text(" or an absolute path");
  if (option.choices) return;
  if (option.text && option.default_text) {
    line.text("the name of a file, at most ").decimal(kLongestText - 1).text(" bytes");
    return;
  }
  if (option.text) {
    line.text("a name of 1 to 63 bytes without '/'");
    return;
  }
  line.signed_decimal(option.smallest).text(" to ").signed_decimal(option.largest);
  if (const char* units = units_of(option)) line.text(", or with a unit: ").text(units);
}

const Option& nearest_option(const char* name, size_t length) {
  const Option* nearest = option_table;
  size_t least = SIZE_MAX;
  for (const Option* option = option_table; option->name; ++option) {
    const size_t changes = distance(name, length, option->name);
    if (changes >= least) continue;
    least = changes;
    nearest = option;
  }
  return *nearest;
}

}  // namespace tenure
