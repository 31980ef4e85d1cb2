#include "tools/tenure/pprof.h"

#include <array>
#include <cmath>
#include <map>

#include "tools/tenure/symbols.h"

namespace tenure::tool {
namespace {

// A message under construction: fields in any order, those of 0 left out.
class Message {
public:
  void number(unsigned field, int64_t value) {
    if (value == 0) return;
    key(field, 0);
    varint(static_cast<uint64_t>(value));
  }
  void bytes(unsigned field, const std::string& value) {
    key(field, 2);
    varint(value.size());
    text_ += value;
  }
  void message(unsigned field, const Message& value) { bytes(field, value.text_); }
  template <typename Numbers>
  void packed(unsigned field, const Numbers& values) {
    Message inner;
    for (const auto value : values) inner.varint(static_cast<uint64_t>(value));
    bytes(field, inner.text_);
  }
  const std::string& text() const { return text_; }

private:
  void key(unsigned field, unsigned type) { varint(field << 3 | type); }
  void varint(uint64_t value) {
    for (; value >= 128; value >>= 7) text_ += static_cast<char>(value | 128);
    text_ += static_cast<char>(value);
  }
  std::string text_;
};

class Encoder {
public:
  explicit Encoder(const Profile& profile) : profile_(profile), symbols_(profile) { string(""); }

  std::string encode() {
    out_.message(1, value_type("alloc_objects", "count"));
    out_.message(1, value_type("alloc_space", "bytes"));
    out_.message(1, value_type("inuse_objects", "count"));
    out_.message(1, value_type("inuse_space", "bytes"));
    for (const ProfileRow& row : profile_.rows) add_sample(row);
    add_mappings();
    for (const auto& [address, id] : locations_) add_location(address, id);
    for (const auto& [name, id] : functions_) add_function(name, id);
    out_.number(7, string("malloc|calloc|realloc|operator new.*|tenure::.*"));  // drop_frames
    out_.number(9, static_cast<int64_t>(profile_.time) * 1000000000);
    out_.message(11, value_type("space", "bytes"));
    out_.number(12, static_cast<int64_t>(profile_.mean));
    out_.number(14, string("inuse_space"));
    for (const std::string& each : strings_) out_.bytes(6, each);
    return out_.text();
  }

private:
  int64_t string(const std::string& text) {
    const auto [found, fresh] =
        string_numbers_.try_emplace(text, static_cast<int64_t>(strings_.size()));
    if (fresh) strings_.push_back(text);
    return found->second;
  }
  Message value_type(const char* type, const char* unit) {
    Message value;
    value.number(1, string(type));
    value.number(2, string(unit));
    return value;
  }
  static int64_t id_in(auto& table, const auto& key) {
    return table.try_emplace(key, static_cast<int64_t>(table.size()) + 1).first->second;
  }
  void add_label(Message& sample, const char* key, const std::string& text) {
    Message label;
    label.number(1, string(key));
    label.number(2, string(text));
    sample.message(3, label);
  }
  void add_sample(const ProfileRow& row) {
    Message sample;
    std::vector<int64_t> places;
    for (const uint64_t frame : row.frames) places.push_back(id_in(locations_, frame));
    sample.packed(1, places);
    sample.packed(2,
                  std::array{std::llround(row.allocated_objects), std::llround(row.allocated_bytes),
                             std::llround(row.live_objects), std::llround(row.live_bytes)});
    add_label(sample, "tenant", row.tenant);
    if (!row.thread.empty()) add_label(sample, "thread", row.thread);
    Message size;
    size.number(1, string("bytes"));
    size.number(3, static_cast<int64_t>(row.size));
    size.number(4, string("bytes"));
    sample.message(3, size);
    out_.message(2, sample);
  }
  void add_mappings() {
    for (size_t i = 0; i < profile_.mappings.size(); ++i) {
      const ProfileMapping& its = profile_.mappings[i];
      Message mapping;
      mapping.number(1, static_cast<int64_t>(i) + 1);
      mapping.number(2, static_cast<int64_t>(its.start));
      mapping.number(3, static_cast<int64_t>(its.end));
      mapping.number(4, static_cast<int64_t>(its.offset));
      mapping.number(5, string(its.file));
      mapping.number(6, string(its.build_id));
      mapping.number(7, 1);  // has_functions
      out_.message(3, mapping);
    }
  }
  void add_location(uint64_t address, int64_t id) {
    Message location, line;
    location.number(1, id);
    if (const ProfileMapping* mapping = mapping_of(profile_, address))
      location.number(2, mapping - profile_.mappings.data() + 1);
    location.number(3, static_cast<int64_t>(address));
    line.number(1, id_in(functions_, symbols_.name(address)));
    location.message(4, line);
    out_.message(4, location);
  }
  void add_function(const std::string& name, int64_t id) {
    Message function;
    function.number(1, id);
    function.number(2, string(name));
    function.number(3, string(name));
    out_.message(5, function);
  }

  const Profile& profile_;
  Symbols symbols_;
  Message out_;
  std::vector<std::string> strings_;
  std::map<std::string, int64_t> string_numbers_, functions_;
  std::map<uint64_t, int64_t> locations_;
};

uint32_t crc_of(const std::string& bytes) {
  uint32_t crc = ~0u;
  for (const char c : bytes) {
    crc ^= static_cast<unsigned char>(c);
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
  }
  return ~crc;
}

void append_little(std::string& to, uint32_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) to += static_cast<char>(value >> 8 * i);
}

}  // namespace

std::string pprof_of(const Profile& profile) { return Encoder(profile).encode(); }

std::string gzip(const std::string& bytes) {
  constexpr size_t kLargestBlock = 65535;
  std::string out("\x1f\x8b\x08\0\0\0\0\0\0\xff", 10);
  size_t at = 0;
  do {
    const size_t length = std::min(kLargestBlock, bytes.size() - at);
    out += static_cast<char>(at + length == bytes.size());  // The last one; stored.
    append_little(out, static_cast<uint32_t>(length), 2);
    append_little(out, ~static_cast<uint32_t>(length), 2);
    out.append(bytes, at, length);
    at += length;
  } while (at < bytes.size());
  append_little(out, crc_of(bytes), 4);
  append_little(out, static_cast<uint32_t>(bytes.size()), 4);
  return out;
}

}  // namespace tenure::tool
