// Calls of functions of the program that may throw. Their exceptions end here.
#pragma once

namespace tenure {

// False: the function has thrown. The exception is destroyed.
bool returns(void (*function)(void*), void* argument) noexcept;

template <typename Function>
bool returns(Function function) noexcept {
  return returns([](void* argument) { (*static_cast<Function*>(argument))(); }, &function);
}

}  // namespace tenure
