// What the tests of the C++ API share.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <system_error>
#include <tenure/tenure.hpp>

namespace api_test {

constexpr size_t kMiB = size_t{1} << 20;

// Each case has a tenant of its own, below which it makes more; all are taken offline at its end.
class WithTenant : public testing::Test {
protected:
  WithTenant()
      : tenant_(
            tenure::Tenant::create(testing::UnitTest::GetInstance()->current_test_info()->name())) {
  }
  ~WithTenant() override {
    if (tenant_.online()) tenant_.offline_recursively();
  }

  tenure::Tenant child(const std::string& name, unsigned flags = 0) {
    return tenure::Tenant::create(name, flags, tenant_);
  }

  tenure::Tenant tenant_;
};

// The errno value of the std::system_error that `call` throws; 0 if it throws nothing.
template <class Call>
int error_of(Call&& call) {
  try {
    call();
  } catch (const std::system_error& error) {
    return error.code().category() == std::generic_category() ? error.code().value() : -1;
  }
  return 0;
}

// A block that no optimiser can do without.
inline std::unique_ptr<char[]> block_of(size_t bytes) {
  std::unique_ptr<char[]> block(new char[bytes]);
  static_cast<volatile char*>(block.get())[0] = 1;
  return block;
}

}  // namespace api_test
