#include "tools/tenure/screens/top_state.h"

#include <algorithm>
#include <utility>

#include "tools/tenure/model/order.h"
#include "tools/tenure/model/path_glob.h"

namespace tenure::tool {
namespace {

constexpr size_t kHistory = 120;          // Samples.
constexpr size_t kMostRemembered = 4096;  // Rows; of more, those on the screen.

const Process* process_in(const Sample& sample, const Process& process) {
  for (const Process& other : sample.processes) {
    if (other.pid == process.pid && other.start_time == process.start_time) return &other;
  }
  return nullptr;
}

}  // namespace

TopState::FoldKey TopState::key_of_row(const Row& row) const {
  const Process& process = sample_.processes[row.process];
  return {process.pid, key_of(process.tenants[row.tenant])};
}

bool TopState::is_folded(const Process& process, const Tenant& tenant) const {
  if (unfolds_all_ || !filter_.empty()) return false;
  const auto wanted = folds_.find({process.pid, key_of(tenant)});
  if (wanted != folds_.end()) return wanted->second;
  // At first: of several processes a line each; of one process two levels where it has many tenants.
  if (tenant.parent == kNoParent) return sample_.processes.size() > 1;
  return process.tenants.size() > 1000 && tenant.depth >= 2;
}

void TopState::update(Sample sample) {
  if (is_paused_) return;
  before_ = std::move(sample_);
  sample_ = std::move(sample);
  rates_.clear();
  was_.clear();
  process_before_.clear();
  for (const Process& process : sample_.processes) {
    const Process* const before = process_in(before_, process);
    process_before_.push_back(before);
    rates_.push_back(rates_between(before, process));
    std::vector<int64_t> was(process.tenants.size(), -1);
    if (before != nullptr) {
      TenantIndex index(*before);
      for (size_t i = 0; i < was.size(); ++i) was[i] = index.find(key_of(process.tenants[i]), i);
    }
    was_.push_back(std::move(was));
  }
  rebuild();
  remember();
}

void TopState::remember() {
  const bool all = rows_.size() <= kMostRemembered;
  const size_t first = all ? 0 : std::min(first_, rows_.size());
  const size_t end = all ? rows_.size() : std::min(rows_.size(), first_ + page_);
  std::map<FoldKey, std::deque<uint64_t>> kept;
  for (size_t i = first; i < end; ++i) {
    const Row& row = rows_[i];
    auto node = histories_.extract(key_of_row(row));
    std::deque<uint64_t> history = node.empty() ? std::deque<uint64_t>() : std::move(node.mapped());
    history.push_back(sample_.processes[row.process].tenants[row.tenant].usage);
    if (history.size() > kHistory) history.pop_front();
    kept.emplace(key_of_row(row), std::move(history));
  }
  histories_ = std::move(kept);
}

const std::deque<uint64_t>& TopState::history_of(const Row& row) {
  std::deque<uint64_t>& history = histories_[key_of_row(row)];
  if (history.empty()) history.push_back(sample_.processes[row.process].tenants[row.tenant].usage);
  return history;
}

unsigned TopState::fresh_events(const Row& row) const {
  const Process* const before = process_before_[row.process];
  const int64_t was = was_[row.process][row.tenant];
  if (before == nullptr || was < 0) return 0;
  const Tenant& now = sample_.processes[row.process].tenants[row.tenant];
  const Tenant& then = before->tenants[static_cast<size_t>(was)];
  unsigned fresh = now.failures > then.failures ? 1U << kEventKinds : 0;
  for (size_t i = 0; i < kEventKinds; ++i) {
    if (now.events[i] > then.events[i]) fresh |= 1U << i;
  }
  return fresh;
}

std::vector<const Event*> TopState::last_events(size_t most) const {
  std::vector<const Event*> events;
  for (const Process& process : sample_.processes) {
    const size_t count = std::min(most, process.events.size());
    for (size_t i = process.events.size() - count; i < process.events.size(); ++i)
      events.push_back(&process.events[i]);
  }
  std::stable_sort(events.begin(), events.end(),
                   [](const Event* a, const Event* b) { return a->time_ns < b->time_ns; });
  if (events.size() > most) events.erase(events.begin(), events.end() - static_cast<int64_t>(most));
  return events;
}

// Tenants whose path has the filter in it, or matches it, and all above them.
std::vector<bool> TopState::matching(const Process& process) const {
  std::vector<bool> shown(process.tenants.size(), filter_.empty());
  if (filter_.empty()) return shown;
  const std::vector<std::string> paths = paths_of(process);
  const std::string head = process.name + ":";
  for (size_t i = paths.size(); i-- > 0;) {
    const bool matches_itself = is_pattern(filter_)
                                    ? matches(normal_path(filter_), paths[i])
                                    : (head + paths[i]).find(filter_) != std::string::npos;
    if (!matches_itself && !shown[i]) continue;
    shown[i] = true;
    if (process.tenants[i].parent != kNoParent) shown[process.tenants[i].parent] = true;
  }
  return shown;
}

void TopState::add_rows(size_t process_index) {
  const Process& process = sample_.processes[process_index];
  const std::vector<bool> shown = matching(process);
  std::vector<bool> has_children(process.tenants.size()), hidden(process.tenants.size());
  for (size_t i = 0; i < process.tenants.size(); ++i) {
    const uint32_t parent = process.tenants[i].parent;
    if (parent == kNoParent) continue;
    has_children[parent] = true;
    hidden[i] = hidden[parent] || is_folded(process, process.tenants[parent]);
  }
  if (std::find(shown.begin(), shown.end(), true) == shown.end()) return;
  for (const size_t index : preorder(process, order_by(sort_))) {
    if (!shown[index] || hidden[index]) continue;
    const Tenant& tenant = process.tenants[index];
    rows_.push_back({process_index, index, tenant.depth, has_children[index],
                     has_children[index] && is_folded(process, tenant)});
  }
}

void TopState::rebuild() {
  rows_.clear();
  std::vector<size_t> order(sample_.processes.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  // By name stands for the order of processes: by number.
  if (const auto before = order_by(sort_); sort_ != "name")
    std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
      return before(sample_.processes[a].tenants[0], sample_.processes[b].tenants[0]);
    });
  for (const size_t process : order) add_rows(process);
  const auto found = std::find_if(rows_.begin(), rows_.end(),
                                  [&](const Row& row) { return key_of_row(row) == selected_key_; });
  if (found != rows_.end()) selected_ = static_cast<size_t>(found - rows_.begin());
  move(0);
}

void TopState::set_page(size_t first, size_t lines) {
  first_ = first;
  page_ = std::max<size_t>(1, lines);
}

void TopState::unfold_all() {
  unfolds_all_ = true;
  rebuild();
}

void TopState::move(int64_t by) {
  const auto last = static_cast<int64_t>(rows_.size()) - 1;
  selected_ = static_cast<size_t>(
      std::clamp<int64_t>(static_cast<int64_t>(selected_) + by, 0, std::max<int64_t>(0, last)));
  if (!rows_.empty()) selected_key_ = key_of_row(rows_[selected_]);
}

void TopState::fold(bool folded) {
  if (rows_.empty()) return;
  const Row row = rows_[selected_];
  if (folded && (!row.has_children || row.is_folded)) {
    // To the parent, as in other trees.
    while (selected_ > 0 && rows_[selected_].depth >= row.depth) {
      if (row.depth == 0) return;
      move(-1);
    }
    return;
  }
  if (row.has_children) folds_[key_of_row(row)] = folded;
  rebuild();
}

void TopState::next_sort(int step) {
  int count = 0, place = 0;
  for (; orders[count].word != nullptr; ++count) {
    if (sort_ == orders[count].word) place = count;
  }
  sort_ = orders[(place + step + count) % count].word;
  rebuild();
}

void TopState::press_in_filter(int key) {
  if (key == kKeyEnter) {
    is_typing_ = false;
  } else if (key == kKeyEscape) {
    is_typing_ = false;
    filter_.clear();
  } else if (key == kKeyErase) {
    if (!filter_.empty()) filter_.pop_back();
  } else if (key >= ' ' && key < 0x7F) {
    filter_ += static_cast<char>(key);
  }
  rebuild();
}

bool TopState::press(int key) {
  if (key == kKeyNone || key == kKeyResize) return true;
  if (is_typing_) {
    press_in_filter(key);
    return true;
  }
  const bool had_help = std::exchange(shows_help_, false);
  const auto page = static_cast<int64_t>(page_);
  switch (key) {
  case 'q':
    return false;
  case '?':
  case 'h':
    shows_help_ = !had_help;
    break;
  case kKeyUp:
  case 'k':
    move(-1);
    break;
  case kKeyDown:
  case 'j':
    move(1);
    break;
  case kKeyPageUp:
    move(-page);
    break;
  case kKeyPageDown:
    move(page);
    break;
  case kKeyHome:
    move(-static_cast<int64_t>(rows_.size()));
    break;
  case kKeyEnd:
    move(static_cast<int64_t>(rows_.size()));
    break;
  case kKeyLeft:
    fold(true);
    break;
  case kKeyRight:
    fold(false);
    break;
  case kKeyEnter:
    if (!rows_.empty()) fold(!rows_[selected_].is_folded);
    break;
  case 's':
    next_sort(1);
    break;
  case 'S':
    next_sort(-1);
    break;
  case '/':
    is_typing_ = true;
    filter_.clear();
    rebuild();
    break;
  case kKeyEscape:
    filter_.clear();
    rebuild();
    break;
  case 'p':
  case ' ':
    is_paused_ = !is_paused_;
    break;
  case 'e':
    shows_events_ = !shows_events_;
    break;
  default:
    break;
  }
  return true;
}

}  // namespace tenure::tool
