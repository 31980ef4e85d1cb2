// Heavy on the compiler: deep instantiations, regular expressions and variants. Its output
// says whether the compiler produced the right code.
#include <algorithm>
#include <array>
#include <functional>
#include <iostream>
#include <iterator>
#include <map>
#include <numeric>
#include <optional>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

template <int N>
struct Fibonacci {
  static constexpr unsigned long value = Fibonacci<N - 1>::value + Fibonacci<N - 2>::value;
};
template <>
struct Fibonacci<0> {
  static constexpr unsigned long value = 0;
};
template <>
struct Fibonacci<1> {
  static constexpr unsigned long value = 1;
};

template <int N>
struct Tag {
  std::map<int, std::array<char, N + 1>> entries;
  std::string apply(const std::string& text) {
    entries[N % 7].fill(static_cast<char>('a' + N % 26));
    return text + std::to_string(N) + entries[N % 7][0];
  }
};

template <int... N>
std::string apply_all(std::integer_sequence<int, N...>) {
  std::string text;
  ((text = Tag<N>{}.apply(text)), ...);
  return text;
}

template <int... N>
unsigned long sum_all(std::integer_sequence<int, N...>) {
  auto values = std::make_tuple(Fibonacci<N>::value...);
  return std::apply([](auto... value) { return (value + ...); }, values);
}

using Value = std::variant<int, double, std::string, std::vector<int>>;

struct Describe {
  std::string operator()(int v) const { return "int " + std::to_string(v); }
  std::string operator()(double v) const { return "double " + std::to_string(v); }
  std::string operator()(const std::string& v) const { return "string " + v; }
  std::string operator()(const std::vector<int>& v) const {
    return "sum " + std::to_string(std::accumulate(v.begin(), v.end(), 0));
  }
};

int main() {
  std::cout << sum_all(std::make_integer_sequence<int, 80>{}) << '\n';
  std::cout << apply_all(std::make_integer_sequence<int, 10>{}) << '\n';
  std::vector<Value> values{1, 2.5, "three", std::vector<int>{4, 5, 6}};
  for (const Value& value : values) std::cout << std::visit(Describe{}, value) << '\n';
  std::regex word("([a-z]+)([0-9]*)");
  std::string text = "alpha1 beta22 gamma delta4444";
  for (std::sregex_iterator match(text.begin(), text.end(), word), end; match != end; ++match)
    std::cout << (*match)[1] << ':' << (*match)[2] << '\n';
  std::set<int> squares;
  for (int n = 1; n < 40; n += 3) squares.insert(n * n);
  std::copy(squares.begin(), squares.end(), std::ostream_iterator<int>(std::cout, " "));
  std::unordered_map<std::string, std::function<std::optional<int>(int)>> functions;
  functions["half"] = [](int n) { return n % 2 ? std::nullopt : std::optional(n / 2); };
  functions["next"] = [](int n) { return std::optional(n + 1); };
  std::ostringstream line;
  line << functions["half"](10).value_or(-1) << functions["half"](11).value_or(-1)
       << functions["next"](12).value();
  std::cout << '\n' << line.str() << '\n';
}
