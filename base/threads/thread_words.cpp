#include "base/threads/thread_words.h"

namespace tenure {

thread_local constinit ThreadWords thread_words{};

}  // namespace tenure
