#include <gtest/gtest.h>

#include "tenure/tenure.h"

namespace {

// After every single test, so that the one that broke the heap is the one that fails.
class HeapValidator : public testing::EmptyTestEventListener {
  void OnTestPartResult(const testing::TestPartResult&) override {}
  void OnTestEnd(const testing::TestInfo& test) override {
    if (tenure_validate() != 0) ADD_FAILURE() << "the heap is inconsistent after " << test.name();
  }
};

}  // namespace

int main(int count, char** arguments) {
  testing::InitGoogleTest(&count, arguments);
  testing::UnitTest::GetInstance()->listeners().Append(new HeapValidator);
  int result = RUN_ALL_TESTS();
  return result != 0 ? result : tenure_validate();
}
