// A reader of DWARF encodings, in which compilers write unwind tables.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tenure {

// Reads up to the end of a record. Beyond the end all values read as 0, and good() is false.
class DwarfReader {
public:
  DwarfReader(const uint8_t* at, const uint8_t* end) : at_(at), end_(end) {}
  bool good() const { return good_; }
  bool more() const { return good_ && at_ < end_; }
  const uint8_t* at() const { return at_; }

  template <typename T>
  T get() {
    T value{};
    if (static_cast<size_t>(end_ - at_) < sizeof value) return fail<T>();
    __builtin_memcpy(&value, at_, sizeof value);
    at_ += sizeof value;
    return value;
  }
  void skip(uint64_t bytes) {
    if (bytes > static_cast<uint64_t>(end_ - at_)) {
      fail<int>();
    } else {
      at_ += bytes;
    }
  }
  uint64_t unsigned_leb() {
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      const uint8_t byte = get<uint8_t>();
      value |= uint64_t{byte & 0x7fu} << shift;
      if (!(byte & 0x80)) return value;
    }
    return fail<uint64_t>();
  }
  int64_t signed_leb() {
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64;) {
      const uint8_t byte = get<uint8_t>();
      value |= uint64_t{byte & 0x7fu} << shift;
      shift += 7;
      if (byte & 0x80) continue;
      if ((byte & 0x40) && shift < 64) value |= ~uint64_t{0} << shift;
      return static_cast<int64_t>(value);
    }
    return fail<int64_t>();
  }
  // A pointer in one of the encodings DW_EH_PE_*: absolute, or relative to its own address.
  uint64_t pointer(uint8_t encoding) {
    const auto here = reinterpret_cast<uint64_t>(at_);
    uint64_t value;
    switch (encoding & 0x0f) {
    case 0x00:
    case 0x04:
    case 0x0c:
      value = get<uint64_t>();
      break;
    case 0x02:
      value = get<uint16_t>();
      break;
    case 0x03:
      value = get<uint32_t>();
      break;
    case 0x0a:
      value = static_cast<uint64_t>(int64_t{get<int16_t>()});
      break;
    case 0x0b:
      value = static_cast<uint64_t>(int64_t{get<int32_t>()});
      break;
    default:
      return fail<uint64_t>();
    }
    switch (encoding & 0x70) {
    case 0x00:
      return value;
    case 0x10:
      return value + here;
    default:
      return fail<uint64_t>();
    }
  }

private:
  template <typename T>
  T fail() {
    good_ = false;
    at_ = end_;
    return T{};
  }
  const uint8_t* at_;
  const uint8_t* end_;
  bool good_ = true;
};

}  // namespace tenure
