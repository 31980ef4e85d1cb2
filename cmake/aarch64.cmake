# Cross compilation for 64-bit Arm with Debian's compiler; tests run under qemu-user where it is there.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)

set(CMAKE_FIND_ROOT_PATH /usr/aarch64-linux-gnu)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)

find_program(TENURE_QEMU NAMES qemu-aarch64 qemu-aarch64-static)
if(TENURE_QEMU)
  # The limit keeps the arena's reservation small: qemu takes time for every page that is merely reserved.
  set(CMAKE_CROSSCOMPILING_EMULATOR "prlimit;--as=17179869184;${TENURE_QEMU};-L;/usr/aarch64-linux-gnu")
endif()
