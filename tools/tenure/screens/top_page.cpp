#include "tools/tenure/screens/top_page.h"

#include <fmt/core.h>
#include <time.h>

#include <algorithm>

#include "tools/tenure/model/order.h"
#include "tools/tenure/screens/sparkline.h"
#include "tools/tenure/screens/table.h"

namespace tenure::tool {
namespace {

constexpr size_t kLeastName = 16;
constexpr size_t kGraph = 8;

struct Cell {
  TopState& state;
  const Row& row;
  const Process& process;
  const Tenant& tenant;
  const Rates& rates;
  bool unicode;
};

struct Column {
  const char* title;
  size_t width;
  std::string (*text)(const Cell&);
};

std::string percent(uint32_t hundredths) { return fmt::format("{:.1f}", hundredths / 100.0); }

std::string fullness(const Cell& cell) {
  if (cell.tenant.max == kUnlimited) return "";
  if (cell.tenant.max == 0) return "100%";
  const double share =
      static_cast<double>(cell.tenant.usage) / static_cast<double>(cell.tenant.max);
  return fmt::format("{:.0f}%", std::min(999.0, 100 * share));
}

std::string graph(const Cell& cell) {
  const uint64_t top = cell.tenant.max == kUnlimited ? 0 : cell.tenant.max;
  return sparkline(cell.state.history_of(cell.row), top, kGraph, cell.unicode);
}

// In the order in which a narrow screen keeps them.
constexpr Column kColumns[] = {
    {"USAGE", 6, [](const Cell& cell) { return format_bytes(cell.tenant.usage); }},
    {"MAX", 6, [](const Cell& cell) { return format_bytes(cell.tenant.max); }},
    {"FULL", 4, fullness},
    {"GRAPH", kGraph, graph},
    {"CHG/s", 7, [](const Cell& cell) { return format_change(cell.rates.usage); }},
    {"FAIL/s", 6, [](const Cell& cell) { return format_rate(cell.rates.failures); }},
    {"EV/s", 5, [](const Cell& cell) { return format_rate(cell.rates.events); }},
    {"STALL%", 6, [](const Cell& cell) { return percent(cell.tenant.some.average[0]); }},
    {"HIGH", 6, [](const Cell& cell) { return format_bytes(cell.tenant.high); }},
    {"PEAK", 6, [](const Cell& cell) { return format_bytes(cell.tenant.peak); }},
    {"FAILED", 7, [](const Cell& cell) { return std::to_string(cell.tenant.failures); }},
    {"POLICY", 10,
     [](const Cell& cell) {
       return std::string(cell.row.tenant == 0 ? "" : policy_name(cell.tenant.policy));
     }},
};

// How many columns have room beside the name.
size_t columns_for(size_t width) {
  size_t used = kLeastName, count = 0;
  for (const Column& column : kColumns) {
    used += column.width + 1;
    if (used > width) break;
    ++count;
  }
  return count;
}

std::string right(const std::string& text, size_t width) {
  return std::string(width - std::min(width, width_of(text)), ' ') +
         fitted(text, std::min(width, width_of(text)));
}

std::string name_of(const Cell& cell) {
  const char* const mark = !cell.row.has_children ? " " : cell.row.is_folded ? "+" : "-";
  std::string name = std::string(cell.row.depth, ' ') + mark;
  if (cell.row.tenant != 0)
    return name + cell.tenant.name + (cell.tenant.online ? "" : " (offline)");
  name += fmt::format(" {} {}", cell.process.pid, cell.process.name);
  if (cell.process.stopped) name += " (stopped)";
  return name;
}

std::string row_text(const Cell& cell, size_t width) {
  const size_t columns = columns_for(width);
  std::string rest;
  for (size_t i = 0; i < columns; ++i)
    rest += " " + right(kColumns[i].text(cell), kColumns[i].width);
  return fitted(name_of(cell), width - std::min(width, width_of(rest))) + rest;
}

std::string title_text(const TopState& state, size_t width) {
  std::string rest;
  for (size_t i = 0; i < columns_for(width); ++i)
    rest += " " + right(kColumns[i].title, kColumns[i].width);
  return fitted("TENANT  (by " + state.sort() + ")", width - std::min(width, width_of(rest))) +
         rest;
}

Style style_of(const Cell& cell, bool selected) {
  const unsigned fresh = cell.state.fresh_events(cell.row);
  constexpr unsigned kAlarms = 1U << kEventKinds | 1U << 4;  // Refused requests; the policy abort.
  if (selected) return Style::kSelected;
  if ((fresh & kAlarms) != 0) return Style::kAlarm;
  if (fresh != 0) return Style::kWarning;
  return cell.tenant.online ? Style::kPlain : Style::kDim;
}

std::string clock_text(int64_t time_ns) {
  const time_t seconds = time_ns / 1'000'000'000;
  tm parts{};
  localtime_r(&seconds, &parts);
  char text[16] = "";
  strftime(text, sizeof text, "%H:%M:%S", &parts);
  return text;
}

std::string head_text(const TopState& state, const std::string& note) {
  size_t tenants = 0;
  uint64_t usage = 0;
  double events = 0, failures = 0;
  for (size_t i = 0; i < state.sample().processes.size(); ++i) {
    const Process& process = state.sample().processes[i];
    tenants += process.tenants.size() - 1;
    usage += process.tenants[0].usage;
    events += state.rates_of({i, 0, 0, false, false}).events;
    for (size_t t = 0; t < process.tenants.size(); ++t)
      failures += state.rates_of({i, t, 0, false, false}).failures;
  }
  return fmt::format("tenure top {}{}  {} process{}  {} tenants  usage {}  events/s {}  "
                     "failures/s {}  {}",
                     clock_text(state.sample().time_ns), state.is_paused() ? " PAUSED" : "",
                     state.sample().processes.size(),
                     state.sample().processes.size() == 1 ? "" : "es", tenants, format_bytes(usage),
                     format_rate(events), format_rate(failures), note);
}

std::string keys_text(const TopState& state) {
  if (state.is_typing()) return "filter: " + state.filter() + "_   (Enter: keep, Esc: no filter)";
  std::string text = "q quit  arrows move, fold  s sort  / filter  e events  p pause  ? help";
  if (!state.filter().empty())
    text = "filter: " + state.filter() + "   / other  Esc none  q quit  ? help";
  return text;
}

Line event_line(const Event& event, size_t width) {
  const bool is_alarm = event.kind == "failed" || event.kind == "abort";
  const bool is_warning = event.kind == "max" || event.kind == "high" || event.kind == "overdraw";
  const std::string text = fmt::format("{} {:<8} {}  {}", clock_text(event.time_ns), event.kind,
                                       event.tenant, event.text);
  return {{fitted(text, width), is_alarm     ? Style::kAlarm
                                : is_warning ? Style::kWarning
                                             : Style::kDim}};
}

std::vector<Line> help_lines(size_t width) {
  std::vector<Line> lines;
  for (const char* text :
       {"up, down, j, k    move; PageUp, PageDown, Home, End",
        "left, right       fold and unfold; Enter: the other way",
        "s, S              next and former order, which the title names",
        "/                 filter by a part of the path, or as /shop/*; Esc: no filter",
        "e                 last events: shown or not", "p, space          pause",
        "q                 quit", "",
        "USAGE, MAX, HIGH, PEAK in bytes; FULL: share of the max; GRAPH: usage of late",
        "CHG/s: change of usage; FAIL/s: refused requests; EV/s: events with all below",
        "STALL%: share of the last 10 s in which a thread waited for memory",
        "Rows turn yellow with an event, red with a refused request."})
    lines.push_back({{fitted(text, width), Style::kPlain}});
  return lines;
}

Cell cell_of(TopState& state, const Row& row, bool unicode) {
  const Process& process = state.sample().processes[row.process];
  return {state, row, process, process.tenants[row.tenant], state.rates_of(row), unicode};
}

}  // namespace

std::vector<Line> screen_page(TopState& state, const PageSize& size, const std::string& note) {
  constexpr size_t kFixed = 3;  // Head, titles, keys.
  std::vector<Line> page;
  page.push_back({{fitted(head_text(state, note), size.width), Style::kPlain}});
  page.push_back({{fitted(title_text(state, size.width), size.width), Style::kTitle}});
  const size_t room = size.height > kFixed ? size.height - kFixed : 0;
  const size_t for_events = state.shows_events() && room >= 12 ? std::min<size_t>(5, room / 4) : 0;
  const size_t lines = room - for_events;
  // The selected row stays on the screen.
  size_t first = std::min(state.first_row(), state.rows().empty() ? 0 : state.rows().size() - 1);
  if (state.selected() < first) first = state.selected();
  if (lines != 0 && state.selected() >= first + lines) first = state.selected() - lines + 1;
  state.set_page(first, lines);
  if (state.shows_help()) {
    const std::vector<Line> help = help_lines(size.width);
    page.insert(page.end(), help.begin(),
                help.begin() + static_cast<int64_t>(std::min(help.size(), lines)));
  } else {
    for (size_t i = first; i < std::min(first + lines, state.rows().size()); ++i) {
      const Cell cell = cell_of(state, state.rows()[i], size.unicode);
      page.push_back({{fitted(row_text(cell, size.width), size.width),
                       style_of(cell, i == state.selected())}});
    }
  }
  page.resize(2 + lines);
  if (for_events != 0) {
    const std::vector<const Event*> events = state.last_events(for_events - 1);
    page.push_back(
        {{fitted(events.empty() ? "EVENTS: none" : "EVENTS", size.width), Style::kTitle}});
    for (const Event* event : events) page.push_back(event_line(*event, size.width));
    page.resize(2 + room);
  }
  page.push_back({{fitted(keys_text(state), size.width), Style::kDim}});
  return page;
}

std::string plain_page(TopState& state, const PageSize& size) {
  std::string text = head_text(state, "") + "\n" + title_text(state, size.width) + "\n";
  for (const Row& row : state.rows())
    text += row_text(cell_of(state, row, size.unicode), size.width) + "\n";
  const std::vector<const Event*> events = state.last_events(10);
  if (!events.empty()) text += "\nEVENTS\n";
  for (const Event* event : events) text += event_line(*event, size.width)[0].text + "\n";
  // No blanks at the ends of lines.
  std::string clean;
  for (const char c : text) {
    if (c == '\n') clean.resize(clean.find_last_not_of(' ') + 1);
    clean += c;
  }
  return clean;
}

}  // namespace tenure::tool
