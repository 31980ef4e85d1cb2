// What a C++ runtime allocates for itself: thread-locals with destructors, exceptions, streams.

#include <dlfcn.h>
#include <exception>
#include <fstream>
#include <iostream>
#include <locale>
#include <mutex>
#include <new>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "tests/tenants/runtime/full_tenant.h"

namespace blackbox {
namespace {

int destroyed;

struct Destructible {
  int value = 0;
  ~Destructible() { ++destroyed; }
};
thread_local Destructible destructible;
thread_local std::string text;

// More bytes, in more objects, than the runtime has in reserve.
constexpr int kMany = 10'000;

struct Large {
  char bytes[200'000] = {};
};

TEST(CxxRuntime, ThreadLocalWithADestructor) {
  expect_survival([] { destructible.value = 1; });
  expect_survival([] { text = "x"; });
  // The destructor runs.
  const Ending ending = ending_of([] {
    FullTenant full;
    full.run([] { ++destructible.value; });
    REQUIRE(destroyed == 1, "%d destroyed", destroyed);
  });
  EXPECT_EQ(ending.status, 0) << ending.err;
}

// Elsewhere in the tenant, allocation fails as before.
TEST(CxxRuntime, WhatTheProgramAllocatesIsRefused) {
  expect_survival([] {
    destructible.value = 1;
    bool refused = false;
    try {
      text.assign(1000, 'x');
    } catch (const std::bad_alloc&) {
      refused = true;
    }
    REQUIRE(refused, "a string got memory");
    REQUIRE(strdup("hello") == nullptr, "strdup got memory");
    REQUIRE(fopen("/dev/null", "r") == nullptr, "fopen got memory");
  });
}

TEST(CxxRuntime, Exceptions) {
  expect_survival([] {
    try {
      throw 1;
    } catch (int) {
    }
    try {
      throw Large();
    } catch (const Large&) {
    }
  });
}

TEST(CxxRuntime, ManyExceptionsAtATime) {
  const Ending ending = ending_of([] {
    FullTenant full;
    std::vector<std::exception_ptr> kept;
    kept.reserve(kMany);
    full.run([&] {
      for (int i = 0; i < kMany; ++i) kept.push_back(std::make_exception_ptr(i));
      kept.clear();
    });
    full.require_balance();
  });
  EXPECT_EQ(ending.status, 0) << ending.err;
}

void rethrow_inside_each_other(const std::exception_ptr& exception, int depth) {
  if (depth == 0) return;
  try {
    std::rethrow_exception(exception);
  } catch (int) {
    rethrow_inside_each_other(exception, depth - 1);
  }
}

TEST(CxxRuntime, ManyDependentExceptionsAtATime) {
  expect_survival([] { rethrow_inside_each_other(std::make_exception_ptr(1), 2000); });
}

TEST(CxxRuntime, ExceptionsThroughCallOnce) {
  expect_survival([] {
    std::once_flag once;
    for (int i = 0; i < 3; ++i) {
      try {
        std::call_once(once, [] { throw 1; });
      } catch (int) {
      }
    }
  });
}

// May fail, each in its own way; none ends the process.
TEST(CxxRuntime, StreamsAndLocales) {
  expect_survival([] { std::cout << ' ' << std::flush; });
  const auto survives = [](auto function) {
    expect_survival([function] {
      try {
        function();
      } catch (const std::exception&) {
      }
    });
  };
  survives([] { std::ostringstream() << 1.5 << std::string(1000, 'x'); });
  survives([] { std::ofstream("/dev/null") << "text" << std::endl; });
  survives([] { std::locale::global(std::locale("")); });
  survives([] { std::cout.imbue(std::locale(std::locale::classic(), new std::numpunct<char>)); });
  survives([] { std::wcout << L' ' << std::flush; });
  survives([] { std::thread([] {}).join(); });
  survives([] { static_cast<void>(std::system_category().message(99999)); });
}

class CxxPlugin : public testing::TestWithParam<const char*> {
protected:
  CxxPlugin() {
    handle_ = dlopen(GetParam(), RTLD_NOW | RTLD_LOCAL);
    REQUIRE(handle_ != nullptr, "%s", dlerror());
  }
  template <typename Function>
  Function* find(const char* name) {
    auto* const function = reinterpret_cast<Function*>(dlsym(handle_, name));
    REQUIRE(function != nullptr, "no %s", name);
    return function;
  }

private:
  void* handle_;
};

TEST_P(CxxPlugin, ThreadLocals) {
  auto* const block = find<char*()>("plugin_block");
  auto* const destructible_in_plugin = find<int()>("plugin_destructible");
  expect_survival([block] { memset(block(), 1, 100'000); });
  expect_survival([destructible_in_plugin] { destructible_in_plugin(); });
}

TEST_P(CxxPlugin, ManyExceptionsAtATime) {
  auto* const throw_many = find<int(void*, int)>("plugin_throw");
  const Ending ending = ending_of([&] {
    FullTenant full;
    std::vector<std::exception_ptr> kept;
    kept.reserve(kMany);
    full.run([&] { throw_many(&kept, kMany / 10); });
    full.require_balance();
  });
  EXPECT_EQ(ending.status, 0) << ending.err;
}

// Its thread-locals are made ready while it is opened.
TEST(CxxRuntime, OpeningALibrary) {
  expect_survival([] {
    void* const handle = dlopen(TENURE_TEST_PLUGIN_SHARED, RTLD_NOW | RTLD_LOCAL);
    REQUIRE(handle != nullptr, "%s", dlerror());
    auto* const block = reinterpret_cast<char* (*)()>(dlsym(handle, "plugin_block"));
    memset(block(), 1, 100'000);
    REQUIRE(dlopen("/nonexistent.so", RTLD_NOW) == nullptr, "opened");
    REQUIRE(dlerror() != nullptr, "no message");
    REQUIRE(dlsym(handle, "nonexistent") == nullptr, "found");
    REQUIRE(dlerror() != nullptr, "no message");
  });
}

INSTANTIATE_TEST_SUITE_P(Runtime, CxxPlugin,
                         testing::Values(TENURE_TEST_PLUGIN_SHARED, TENURE_TEST_PLUGIN_STATIC),
                         [](const auto& suite) {
                           return strstr(suite.param, "static") ? "OfItsOwn" : "Shared";
                         });

}  // namespace
}  // namespace blackbox
