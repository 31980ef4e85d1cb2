// Templates of tenants' paths: "/db/conn-{tid}".
#pragma once

#include <cstddef>
#include <cstdint>

#include "rules/matching/facts.h"

namespace tenure::rules {

constexpr size_t kPathBytes = 256;  // Of an expanded path, with the 0.
constexpr unsigned kMostLevels = 31;

// The fields, as bits; the kinds of rules that know them.
struct Field {
  const char* name;
  uint32_t kinds;
};
extern const Field kFields[];
extern const unsigned kFieldCount;
// The field whose name is [name, name + length), or -1.
int find_field_index(const char* name, size_t length);

// Whether it has a field at all, or one that only threads have.
bool is_template(const char* path);
bool needs_thread(const char* path);

// Writes the path with the facts in place of the fields. Characters that a name should not have become '_'. Names are cut to 63 bytes. If
// the template has fields, `shared_length` is the length of the path above the first level with a field: the level of the tenant "other".
// False: the path is too long.
bool expand(const char* path, const Facts& facts, char (&result)[kPathBytes],
            size_t& shared_length);

// Turns a text into a valid name, in place. Returns the new length. "", "." and ".." get another name.
size_t clean_name(char* name, size_t length);

}  // namespace tenure::rules
