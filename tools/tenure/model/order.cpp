#include "tools/tenure/model/order.h"

namespace tenure::tool {
namespace {

bool by_name(const Tenant& a, const Tenant& b) { return a.name < b.name; }

// The largest first; of two alike, by name.
template <typename Value>
bool larger(Value a, Value b, const Tenant& x, const Tenant& y) {
  return a != b ? a > b : by_name(x, y);
}

// How full, in 1/65536; without a limit of its own below all others.
uint64_t fullness(const Tenant& tenant) {
  if (tenant.max == kUnlimited) return 0;
  return 1 + static_cast<uint64_t>(65536 * static_cast<double>(tenant.usage) /
                                   static_cast<double>(tenant.max + 1));
}

bool by_usage(const Tenant& a, const Tenant& b) { return larger(a.usage, b.usage, a, b); }
bool by_full(const Tenant& a, const Tenant& b) { return larger(fullness(a), fullness(b), a, b); }
bool by_peak(const Tenant& a, const Tenant& b) { return larger(a.peak, b.peak, a, b); }
bool by_failed(const Tenant& a, const Tenant& b) { return larger(a.failures, b.failures, a, b); }
bool by_events(const Tenant& a, const Tenant& b) {
  return larger(a.subtree_events[kEventMax] + a.subtree_events[kEventHigh],
                b.subtree_events[kEventMax] + b.subtree_events[kEventHigh], a, b);
}
bool by_stall(const Tenant& a, const Tenant& b) {
  return larger(a.some.average[0], b.some.average[0], a, b);
}

}  // namespace

const Order orders[] = {{"name", "NAME", by_name},       {"usage", "USAGE", by_usage},
                        {"full", "FULL", by_full},       {"peak", "PEAK", by_peak},
                        {"failed", "FAILED", by_failed}, {"events", "EVENTS", by_events},
                        {"stall", "STALL", by_stall},    {nullptr, nullptr, nullptr}};

bool (*order_by(const std::string& word))(const Tenant&, const Tenant&) {
  for (const Order* order = orders; order->word != nullptr; ++order) {
    if (word == order->word) return order->before;
  }
  return by_name;
}

std::string words_of_orders() {
  std::string words;
  for (const Order* order = orders; order->word != nullptr; ++order)
    words += (words.empty() ? "" : ", ") + std::string(order->word);
  return words;
}

std::string is_order(const std::string& word) {
  for (const Order* order = orders; order->word != nullptr; ++order) {
    if (word == order->word) return "";
  }
  return "there is no order '" + word + "', only " + words_of_orders();
}

}  // namespace tenure::tool
