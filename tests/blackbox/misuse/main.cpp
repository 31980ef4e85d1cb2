// misuse: commits every mistake of the table in a child and compares the child's end with what the
// table asks for. misuse CASE: such a child, also handy by itself.

#include <malloc.h>
#include <regex>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "tests/blackbox/misuse/cases.h"
#include "tests/blackbox/support/check.h"
#include "tests/blackbox/support/child.h"
#include "tests/blackbox/support/random.h"

namespace blackbox {
namespace {

constexpr int kLaterOperations = 200000;

// What a program goes on doing with objects of that size. Holds many, so that everything free is reached.
void use_heap(size_t size) {
  constexpr size_t kHeld = 30000;
  static void* held[kHeld];
  const size_t limit = size > 100000 ? 8 : kHeld;
  Random random(1);
  for (int i = 0; i < kLaterOperations; ++i) {
    void*& slot = held[random.below(limit)];
    free(slot);
    slot = malloc(size);
    if (slot != nullptr) memset(slot, 0x33, size < 4096 ? size : 4096);
  }
  for (void* object : held) free(object);
  malloc_trim(0);
}

int commit(const char* name) {
  for (size_t i = 0; i < misuse_case_count; ++i)
    if (strcmp(misuse_cases[i].name, name) == 0) {
      misuse_cases[i].commit();
      if (write(STDOUT_FILENO, "survived\n", 9) != 9) return kFailed;
      use_heap(misuse_cases[i].class_size);
      return 0;
    }
  REQUIRE(false, "no case %s", name);
}

// An empty string, or what is wrong.
std::string judge(const MisuseCase& misuse, Found required, const ChildResult& result) {
  const bool survived = result.out.find("survived\n") != std::string::npos;
  if (result.exited(0)) return required == Found::kMaybe ? "" : "not found";
  if (!result.signalled(SIGABRT)) return "neither found nor harmless";
  if (survived && required == Found::kAtOnce) return "found too late";
  const std::regex line("tenure: (" + std::string(misuse.messages) +
                        "): pointer 0x([0-9a-f]+)(, tenant /[^,\n]*)?(, class [0-9]+)?\n");
  std::smatch match;
  if (!std::regex_match(result.err, match, line))
    return "not the one line it should be (" + std::string(misuse.messages) + ")";
  if (!survived && !result.out.empty() && "0x" + match[2].str() + "\n" != result.out)
    return "the message names another pointer than " + result.out;
  return "";
}

int run() {
  const char* level = getenv("TENURE_CHECK");
  const bool hardened = level != nullptr && strcmp(level, "hardened") == 0;
  int failures = 0;
  for (size_t i = 0; i < misuse_case_count; ++i) {
    const MisuseCase& misuse = misuse_cases[i];
    // No look at the decay in between, which moves what is free.
    ChildResult result = run_self({misuse.name}, {.environment = {"TENURE_DECAY_MS=-1"}});
    std::string complaint = judge(misuse, hardened ? misuse.hardened : misuse.fast, result);
    if (complaint.empty()) continue;
    ++failures;
    fprintf(stderr, "%s: %s; %s\n\n", misuse.name, complaint.c_str(), result.describe().c_str());
  }
  fprintf(stderr, "%zu mistakes, %d not answered as they should be\n", misuse_case_count, failures);
  return failures == 0 ? 0 : 1;
}

}  // namespace
}  // namespace blackbox

int main(int count, char** arguments) {
  return count > 1 ? blackbox::commit(arguments[1]) : blackbox::run();
}
