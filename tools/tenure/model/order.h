// Orders of tenants, by the keys that `ls --sort` and `top` take.
#pragma once

#include <string>

#include "tools/tenure/model/process.h"

namespace tenure::tool {

struct Order {
  const char* word;
  const char* title;  // For screens.
  bool (*before)(const Tenant&, const Tenant&);
};
// Ends with a null word.
extern const Order orders[];

// The order with this word; by name for another word.
bool (*order_by(const std::string& word))(const Tenant&, const Tenant&);
// "name, usage, max, ..."
std::string words_of_orders();
// "" or the complaint.
std::string is_order(const std::string& word);

}  // namespace tenure::tool
