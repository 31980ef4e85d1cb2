# Two sets of flags: tenure_flags for everything in the repository, tenure_library_flags for the code
# that ends up in libtenure. Headers are shared by both, so whatever changes code generation of inline
# functions (16-byte CAS, sanitizers) belongs in the first.

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS ON) # __int128 and statement-free GNU asm are part of the dialect used
set(CMAKE_C_STANDARD 11)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)

add_library(tenure_flags INTERFACE)
target_include_directories(tenure_flags INTERFACE "${PROJECT_SOURCE_DIR}"
                                                  "${PROJECT_SOURCE_DIR}/include")
target_compile_definitions(tenure_flags INTERFACE _GNU_SOURCE)
target_compile_options(tenure_flags INTERFACE -Wall -Wextra -Wshadow=local -Wvla -Wpointer-arith
                                              -Wundef -Wformat=2)
target_compile_options(
  tenure_flags INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Wnon-virtual-dtor -Woverloaded-virtual
                         -Wextra-semi>)
if(TENURE_WERROR)
  target_compile_options(tenure_flags INTERFACE -Werror)
endif()
if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|amd64|AMD64)$")
  target_compile_options(tenure_flags INTERFACE -mcx16)
endif()
if(TENURE_FALLBACK_ONLY)
  target_compile_definitions(tenure_flags INTERFACE TENURE_FALLBACK_ONLY=1)
endif()

set(TENURE_INSTRUMENTED OFF)
if(TENURE_SANITIZE)
  set(TENURE_INSTRUMENTED ON)
  target_compile_options(tenure_flags INTERFACE -fsanitize=${TENURE_SANITIZE}
                                                -fno-omit-frame-pointer)
  target_link_options(tenure_flags INTERFACE -fsanitize=${TENURE_SANITIZE})
  if(TENURE_SANITIZE MATCHES "undefined")
    target_compile_options(tenure_flags INTERFACE -fno-sanitize-recover=undefined)
  endif()
endif()
if(TENURE_COVERAGE)
  set(TENURE_INSTRUMENTED ON)
  target_compile_options(tenure_flags INTERFACE --coverage -fprofile-update=atomic)
  target_link_options(tenure_flags INTERFACE --coverage)
endif()

add_library(tenure_library_flags INTERFACE)
target_link_libraries(tenure_library_flags INTERFACE tenure_flags)
target_compile_definitions(tenure_library_flags INTERFACE TENURE_VERSION="${PROJECT_VERSION}")
target_compile_options(
  tenure_library_flags
  INTERFACE -fvisibility=hidden
            -fno-plt
            -fno-semantic-interposition
            # One load instead of a call for every thread-local; price: the library takes from the
            # static TLS surplus when it is loaded by dlopen, hence the 64-byte budget.
            -ftls-model=initial-exec
            # Otherwise GCC turns malloc + memset in calloc itself into a call of calloc.
            -fno-builtin-malloc
            -fno-builtin-free
            -fno-builtin-calloc
            -fno-builtin-realloc
            -fno-builtin-aligned_alloc
            -fno-builtin-posix_memalign
            $<$<COMPILE_LANGUAGE:CXX>:-fno-exceptions
            -fno-rtti
            -fvisibility-inlines-hidden>)
