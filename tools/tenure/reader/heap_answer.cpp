#include "tools/tenure/reader/heap_answer.h"

#include <nlohmann/json.hpp>

#include "tools/tenure/model/failure.h"
#include "tools/tenure/reader/proc.h"

namespace tenure::tool {
namespace {

using nlohmann::json;

// A number that is negative or no whole one is an exception of another type.
uint64_t number_at(const json& object, const char* name) {
  return object.at(name).get_ref<const json::number_unsigned_t&>();
}

// The names come from another process: nothing of them may reach a terminal unchanged.
std::string name_at(const json& object, const char* name) {
  return printable(object.value(name, ""));
}

ClassShare class_from(const json& entry) {
  return {number_at(entry, "size"),         number_at(entry, "live"),
          number_at(entry, "live_bytes"),   number_at(entry, "pooled"),
          number_at(entry, "pooled_slabs"), number_at(entry, "slabs"),
          number_at(entry, "slab_bytes"),   number_at(entry, "in_slabs"),
          number_at(entry, "in_depots"),    number_at(entry, "in_fronts")};
}

Holder holder_from(const json& entry) {
  return {name_at(entry, "tenant"),  name_at(entry, "departed"), number_at(entry, "slabs"),
          number_at(entry, "alone"), number_at(entry, "bytes"),  number_at(entry, "held")};
}

HeapShare share_from(const json& answer) {
  HeapShare share;
  share.isolated = answer.at("isolated").get<bool>();
  for (const json& entry : answer.at("classes")) share.classes.push_back(class_from(entry));
  const json& free = answer.at("free");
  share.free_in_slabs = number_at(free, "slabs");
  share.free_in_depots = number_at(free, "depots");
  share.free_in_fronts = number_at(free, "fronts");
  share.large_objects = number_at(answer.at("large"), "objects");
  share.large_bytes = number_at(answer.at("large"), "bytes");
  share.stocked = number_at(answer, "stocked");
  share.unowned_slabs = number_at(answer, "unowned_slabs");
  share.departed = number_at(answer.at("departed"), "tenants");
  share.departed_bytes = number_at(answer.at("departed"), "bytes");
  for (const json& entry : answer.at("holders")) share.holders.push_back(holder_from(entry));
  share.other_holders = number_at(answer.at("others"), "tenants");
  share.other_slabs = number_at(answer.at("others"), "slabs");
  return share;
}

}  // namespace

HeapShare parse_heap_share(const std::string& answer) {
  try {
    // Names may hold bytes that are not UTF-8.
    return share_from(json::parse(printable(answer.substr(0, answer.find('\n')))));
  } catch (const json::exception&) {
    throw Failure("the process's answer is damaged: it is no description of a heap",
                  kExitUnreadable);
  }
}

}  // namespace tenure::tool
