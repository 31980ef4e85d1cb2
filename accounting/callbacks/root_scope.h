// The root as the current tenant during the lifetime of an object, for work that belongs to no single tenant.
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
