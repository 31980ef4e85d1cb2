// Where samples come from, one after the other.
#pragma once

#include <memory>
#include <string>

#include "tools/tenure/model/process.h"

namespace tenure::tool {

class Source {
public:
  virtual ~Source() = default;
  // The next sample; false where there is no further one. That of a live source is of now.
  virtual bool next(Sample& sample) = 0;
};

}  // namespace tenure::tool
