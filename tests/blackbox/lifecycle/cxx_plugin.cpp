// The C++ plugin of a C program: what each form of operator new does in it when there is no memory.
#include <errno.h>
#include <exception>
#include <new>
#include <stdio.h>
#include <stdlib.h>
#include <utility>

namespace {

#define NEED(condition)                                                                         \
  do {                                                                                          \
    if (!(condition)) {                                                                         \
      fprintf(stderr, "%s:%d: %s: required: %s\n", __FILE__, __LINE__, now_tested, #condition); \
      _Exit(99);                                                                                \
    }                                                                                           \
  } while (0)

using std::align_val_t;
using std::nothrow;

const char* now_tested = "";

struct Form {
  const char* name;
  bool throws;
  void* (*get)(size_t);
  void (*put)(void*);
};

void put(void* p) { operator delete(p); }
void put_array(void* p) { operator delete[](p); }
void put_aligned(void* p) { operator delete(p, align_val_t(64)); }
void put_aligned_array(void* p) { operator delete[](p, align_val_t(64)); }

const Form forms[] = {
    {"new", true, [](size_t n) { return operator new(n); }, put},
    {"new[]", true, [](size_t n) { return operator new[](n); }, put_array},
    {"aligned new", true, [](size_t n) { return operator new(n, align_val_t(64)); }, put_aligned},
    {"aligned new[]", true, [](size_t n) { return operator new[](n, align_val_t(64)); },
     put_aligned_array},
    {"nothrow new", false, [](size_t n) { return operator new(n, nothrow); }, put},
    {"nothrow new[]", false, [](size_t n) { return operator new[](n, nothrow); }, put_array},
    {"aligned nothrow new", false,
     [](size_t n) { return operator new(n, align_val_t(64), nothrow); }, put_aligned},
    {"aligned nothrow new[]", false,
     [](size_t n) { return operator new[](n, align_val_t(64), nothrow); }, put_aligned_array},
};

// Thrown by handlers; each must have been destroyed in the end.
struct HandlerError {
  static inline int alive = 0;
  HandlerError() { ++alive; }
  HandlerError(const HandlerError&) { ++alive; }
  ~HandlerError() { --alive; }
};

enum class Outcome { kMemory, kNull, kBadAlloc, kHandlerError };

Outcome outcome_of(const Form& form, size_t size) {
  try {
    errno = 0;
    void* const p = form.get(size);
    if (p == nullptr) NEED(errno == ENOMEM);
    form.put(p);
    return p != nullptr ? Outcome::kMemory : Outcome::kNull;
  } catch (const std::bad_alloc&) {
    return Outcome::kBadAlloc;
  } catch (const HandlerError&) {
    return Outcome::kHandlerError;
  }
}

void* volatile hoard = nullptr;
int handler_calls;

void give_up() {
  if (++handler_calls == 3) std::set_new_handler(nullptr);
}
void throw_error() {
  ++handler_calls;
  throw HandlerError();
}
void throw_bad_alloc() {
  ++handler_calls;
  throw std::bad_alloc();
}
void release_hoard() {
  ++handler_calls;
  NEED(hoard != nullptr);
  free(hoard);
  hoard = nullptr;
}

void expect(const Form& form, size_t size, std::new_handler handler, int calls, Outcome outcome) {
  handler_calls = 0;
  std::set_new_handler(handler);
  now_tested = form.name;
  NEED(outcome_of(form, size) == outcome);
  std::set_new_handler(nullptr);
  NEED(handler_calls == calls);
  NEED(std::uncaught_exceptions() == 0 && HandlerError::alive == 0);
}

void fail_every_form(size_t size) {
  for (const Form& form : forms) {
    const Outcome failed = form.throws ? Outcome::kBadAlloc : Outcome::kNull;
    expect(form, size, nullptr, 0, failed);
    expect(form, size, give_up, 3, failed);
    expect(form, size, throw_bad_alloc, 1, failed);
    expect(form, size, throw_error, 1, form.throws ? Outcome::kHandlerError : Outcome::kNull);
  }
}

// Blocks linked by their first word, as many as there are to be had.
struct Block {
  Block* next;
};
Block* fill(size_t size, Block* rest) {
  while (void* p = operator new(size, nothrow)) rest = new (p) Block{rest};
  return rest;
}

}  // namespace

extern "C" {

// What no machine has.
void plugin_ask_too_much() {
  fail_every_form(size_t{1} << 60);
  fail_every_form(~size_t{0} - 100);
}

// In a tenant whose policy is to fail. Also the exceptions find no memory.
void plugin_reach_limit() {
  constexpr size_t kSize = 200000;
  void* const reserve = malloc(kSize);
  NEED(reserve != nullptr);
  Block* blocks = nullptr;
  for (const size_t size : {size_t{100000}, size_t{2000}, size_t{64}, size_t{16}})
    blocks = fill(size, blocks);
  fail_every_form(kSize);
  fail_every_form(2000);
  hoard = reserve;
  for (const Form& form : forms) {
    if (hoard == nullptr) hoard = malloc(kSize);
    expect(form, kSize, release_hoard, 1, Outcome::kMemory);
  }
  free(hoard);
  while (blocks != nullptr) operator delete(std::exchange(blocks, blocks->next));
}

// A shrinker that throws.
size_t plugin_count(struct tenure_tenant*, void* calls) {
  ++*static_cast<int*>(calls);
  throw HandlerError();
}
size_t plugin_scan(struct tenure_tenant*, size_t, void*) { throw HandlerError(); }
}
