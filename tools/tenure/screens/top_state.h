// What `tenure top` shows: samples with rates, which rows are there, what is folded, sorted, filtered and selected. Knows no terminal.
#pragma once

#include <deque>
#include <map>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "tools/tenure/model/process.h"
#include "tools/tenure/model/rates.h"

namespace tenure::tool {

struct Row {
  size_t process;
  size_t tenant;  // 0: the root, which stands for the process.
  uint32_t depth;
  bool has_children, is_folded;
};

// Keys that do something, besides characters.
enum Key : int {
  kKeyNone = 0,
  kKeyUp = 0x110000,  // Beyond Unicode.
  kKeyDown,
  kKeyLeft,
  kKeyRight,
  kKeyPageUp,
  kKeyPageDown,
  kKeyHome,
  kKeyEnd,
  kKeyEnter,
  kKeyEscape,
  kKeyErase,
  kKeyResize,
};

class TopState {
public:
  explicit TopState(std::string sort) : sort_(std::move(sort)) {}

  // The next sample; what is selected, folded and remembered stays with its tenants.
  void update(Sample sample);
  // False: the user wants to leave.
  bool press(int key);

  const Sample& sample() const { return sample_; }
  const std::vector<Row>& rows() const { return rows_; }
  const Rates& rates_of(const Row& row) const { return rates_[row.process][row.tenant]; }
  // Usage over the last samples, as far as it was remembered.
  const std::deque<uint64_t>& history_of(const Row& row);
  // Kinds of events that the row's tenant itself had since the sample before: a bit each; bit kEventKinds: refused requests.
  unsigned fresh_events(const Row& row) const;
  // The last events of all processes, newest last.
  std::vector<const Event*> last_events(size_t most) const;

  size_t selected() const { return selected_; }
  const std::string& sort() const { return sort_; }
  const std::string& filter() const { return filter_; }
  bool is_typing() const { return is_typing_; }
  bool is_paused() const { return is_paused_; }
  bool shows_help() const { return shows_help_; }
  bool shows_events() const { return shows_events_; }
  // Lines of rows on the screen: how far a page is, and which rows' history is kept of many.
  void set_page(size_t first, size_t lines);
  size_t first_row() const { return first_; }

  // For plain text: no line is folded.
  void unfold_all();

private:
  using FoldKey = std::pair<int, uint64_t>;  // pid and key of the tenant
  FoldKey key_of_row(const Row& row) const;
  bool is_folded(const Process& process, const Tenant& tenant) const;
  void remember();
  void rebuild();
  void add_rows(size_t process_index);
  std::vector<bool> matching(const Process& process) const;
  void press_in_filter(int key);
  void move(int64_t by);
  void fold(bool folded);
  void next_sort(int step);

  Sample sample_, before_;
  std::vector<std::vector<Rates>> rates_;
  std::vector<std::vector<int64_t>> was_;  // Index of each tenant in the sample before, or -1.
  std::vector<const Process*> process_before_;
  std::vector<Row> rows_;
  std::map<FoldKey, std::deque<uint64_t>> histories_;
  std::map<FoldKey, bool> folds_;  // As the user wants it.
  std::string sort_, filter_;
  FoldKey selected_key_{0, 0};
  size_t selected_ = 0, first_ = 0, page_ = 20;
  bool is_typing_ = false, is_paused_ = false, shows_help_ = false, shows_events_ = true;
  bool unfolds_all_ = false;
};

}  // namespace tenure::tool
