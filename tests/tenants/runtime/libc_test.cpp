// What libc allocates for itself: when a thread ends by force, for keys, buffers, messages.

#include <dlfcn.h>
#include <execinfo.h>
#include <locale.h>
#include <string.h>
#include <wchar.h>

#include "tests/tenants/runtime/full_tenant.h"

namespace blackbox {
namespace {

TEST(Libc, PthreadExit) {
  expect_survival([] { pthread_exit(nullptr); });
}

TEST(Libc, Cancellation) {
  expect_survival([] {
    pthread_cancel(pthread_self());
    pthread_testcancel();
    REQUIRE(false, "not cancelled");
  });
  expect_survival([] {
    pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, nullptr);
    pthread_cancel(pthread_self());
    REQUIRE(false, "not cancelled");
  });
  // From outside, of a thread that waits.
  const Ending ending = ending_of([] {
    FullTenant full;
    static pthread_t waiting;
    pthread_barrier_t started;
    pthread_barrier_init(&started, nullptr, 2);
    std::thread canceller([&] {
      pthread_barrier_wait(&started);
      pthread_cancel(waiting);
    });
    full.run([&] {
      waiting = pthread_self();
      pthread_barrier_wait(&started);
      for (;;) pause();
    });
    canceller.join();
    full.require_balance();
  });
  EXPECT_EQ(ending.status, 0) << ending.err;
}

TEST(Libc, CancelledInPthreadOnce) {
  expect_survival([] {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, [] {
      pthread_cancel(pthread_self());
      pthread_testcancel();
    });
  });
}

// Keys beyond the first 32 need memory, and say so.
TEST(Libc, ThreadSpecificKeys) {
  const Ending ending = ending_of([] {
    FullTenant full;
    pthread_key_t keys[100];
    for (pthread_key_t& key : keys) REQUIRE(pthread_key_create(&key, nullptr) == 0, "no key");
    full.run([&] {
      int refused = 0;
      for (const pthread_key_t key : keys) refused += pthread_setspecific(key, &key) == ENOMEM;
      REQUIRE(refused > 0, "what can be refused is");
    });
    full.require_balance();
  });
  EXPECT_EQ(ending.status, 0) << ending.err;
}

// May fail; none ends the process.
TEST(Libc, BuffersMessagesAndLocales) {
  expect_survival([] {
    char buffer[2000];
    snprintf(buffer, sizeof buffer, "%.1000f %ls", 1e200, L"wide");
    static_cast<void>(strerror(99999));
    static_cast<void>(strsignal(99));
    printf("%s", "");
    wprintf(L"%s", "");
    fflush(stdout);
    setlocale(LC_ALL, "");
    if (locale_t locale = newlocale(LC_ALL_MASK, "C.UTF-8", nullptr)) freelocale(locale);
    const time_t now = 1'000'000'000;
    tm broken_down;
    setenv("TZ", "Europe/Berlin", 1);
    tzset();
    localtime_r(&now, &broken_down);
    void* frames[10];
    static_cast<void>(backtrace(frames, 10));
    int numbers[] = {3, 1, 2};
    qsort(numbers, 3, sizeof(int), [](const void* a, const void* b) {
      return *static_cast<const int*>(a) - *static_cast<const int*>(b);
    });
    REQUIRE(numbers[0] == 1 && numbers[2] == 3, "not sorted");
    atexit([] {});
  });
}

// libgcc's thread-locals of systems without their own. It ends the process where it gets no memory.
TEST(Libc, EmulatedThreadLocals) {
  using Get = void*(void* object);
  auto* const get = reinterpret_cast<Get*>(dlsym(RTLD_DEFAULT, "__emutls_get_address"));
  if (get == nullptr) GTEST_SKIP() << "no shared libgcc";
  expect_survival([get] {
    struct {
      size_t size = 1000, alignment = 16;
      void* location = nullptr;
      void* initial = nullptr;
    } object;
    REQUIRE(get(&object) != nullptr, "no memory");
  });
}

TEST(Libc, ExitFromAThread) {
  const Ending ending = ending_of([] {
    FullTenant full;
    full.run([] { exit(0); });
  });
  EXPECT_EQ(ending.status, 0) << ending.err;
}

// The policy is what ends a process, and nothing else.
TEST(Libc, AbortPolicyAborts) {
  const Ending ending = ending_of([] {
    FullTenant full;
    full.run([] {
      tenure_tenant_set_policy(tenure_current(), TENURE_ABORT);
      pthread_exit(nullptr);
    });
  });
  EXPECT_TRUE(ending.signalled(SIGABRT)) << ending.status;
}

}  // namespace
}  // namespace blackbox
