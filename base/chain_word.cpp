#include "base/chain_word.h"

namespace tenure {

constinit uint64_t chain_key = 0;

}  // namespace tenure
