// The shared object that plugin_host opens and closes. Everything in it allocates.

#include <map>
#include <memory>
#include <stdlib.h>
#include <string>
#include <vector>

namespace {

std::map<std::string, std::vector<int>> registry;

struct Loaded {
  void* early = malloc(3000);
  Loaded() {
    for (int i = 0; i < 50; ++i) registry[std::to_string(i)].resize(size_t(i) * 10);
  }
  ~Loaded() { free(early); }
} loaded;

// Too large for the static TLS block of a library that is opened late: comes from malloc on first use.
thread_local char scratch[20000];
thread_local std::unique_ptr<std::string> last_word;

}  // namespace

extern "C" {

char* plugin_make(size_t size) {
  auto* text = static_cast<char*>(malloc(size + 1));
  if (text == nullptr) return nullptr;
  for (size_t i = 0; i < size; ++i) text[i] = scratch[i % sizeof scratch] = char('a' + i % 26);
  text[size] = 0;
  return text;
}

size_t plugin_consume(char* text) {
  std::string word(text);
  free(text);
  last_word = std::make_unique<std::string>(word);
  return registry[word.substr(0, 1)].size() + last_word->size();
}
}
