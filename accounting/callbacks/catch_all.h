// Calls of functions of the program that may throw. What they throw ends here.
#pragma once

namespace tenure {

// false: it has thrown. What was thrown is destroyed.
bool returns(void (*function)(void*), void* argument) noexcept;

template <typename Function>
bool returns(Function function) noexcept {
  return returns([](void* argument) { (*static_cast<Function*>(argument))(); }, &function);
}

}  // namespace tenure
