// The root as the current tenant for the length of an object: what is done meanwhile is nobody's in particular.
#pragma once

#include "rcu/rseq_ops.h"

namespace tenure {

class RootScope {
public:
  RootScope() : outer_(load_scope()) { store_scope({kRootFrontOffset, 0}); }
  ~RootScope() { store_scope(outer_); }
  RootScope(const RootScope&) = delete;
  RootScope& operator=(const RootScope&) = delete;

private:
  const CurrentScope outer_;
};

}  // namespace tenure
