# tenure_urcu: liburcu's "bp" flavour, which registers threads by itself. Only rcu/grace uses it; with
# --as-needed it becomes a dependency of the library when, and only when, an object refers to it.
find_library(TENURE_URCU_BP urcu-bp)
find_library(TENURE_URCU_COMMON urcu-common)
find_path(TENURE_URCU_INCLUDE urcu-bp.h PATH_SUFFIXES ${CMAKE_SYSTEM_PROCESSOR}-linux-gnu)
mark_as_advanced(TENURE_URCU_BP TENURE_URCU_COMMON TENURE_URCU_INCLUDE)

add_library(tenure_urcu INTERFACE)
if(NOT TENURE_URCU_BP OR NOT TENURE_URCU_COMMON OR NOT TENURE_URCU_INCLUDE)
  message(FATAL_ERROR "liburcu not found (Debian: liburcu-dev; for aarch64: scripts/sysroot.sh)")
endif()
target_include_directories(tenure_urcu SYSTEM INTERFACE "${TENURE_URCU_INCLUDE}")
target_link_libraries(
  tenure_urcu INTERFACE -Wl,--push-state,--as-needed "${TENURE_URCU_BP}" "${TENURE_URCU_COMMON}"
                        -Wl,--pop-state)
