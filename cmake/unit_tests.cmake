# tenure_unit_tests(<layer> [<mode>...]): one executable from all *_test.cpp below tests/<layer>, linked with that
# layer and what is below it, whose tests run once in each mode; see tenure_unit_test_modes().
#
# tenure_unit_test_modes(<executable> <layer> [<mode>...]): links GoogleTest, and runs the tests in modes
#   rseq      as the machine has it (without restartable sequences the code falls back by itself); always
#   own       glibc told not to register threads: the library does
#   fallback  the library told not to use sequences
#   hardened  TENURE_CHECK=hardened
# Names read <layer>.<suite>.<case>, with .<mode> behind for all but the first; label: unit.
set(TENURE_MODE_own "GLIBC_TUNABLES=glibc.pthread.rseq=0")
set(TENURE_MODE_fallback "TENURE_RSEQ=off")
set(TENURE_MODE_hardened "TENURE_CHECK=hardened")

function(tenure_unit_tests layer)
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/${layer}/*_test.cpp")
  if(NOT sources)
    return()
  endif()
  set(test tenure_${layer}_test)
  add_executable(${test} ${sources})
  target_link_libraries(${test} PRIVATE tenure_${layer})
  tenure_unit_test_modes(${test} ${layer} ${ARGN})
endfunction()

function(tenure_unit_test_modes test layer)
  target_link_libraries(${test} PRIVATE tenure_flags GTest::gtest_main)
  # GoogleTest's macros: undefined names in their expansion, and an if-else behind an unbraced if,
  # and `info` within `info` in INSTANTIATE_TEST_SUITE_P.
  # Tests of misuse hand out pointers that are not what they seem: no word on bounds.
  target_compile_options(${test} PRIVATE -Wno-undef -Wno-dangling-else -Wno-shadow
                                         -Wno-array-bounds)

  foreach(mode IN ITEMS rseq ${ARGN})
    tenure_unit_test_mode(${test} ${layer} ${mode} "*")
  endforeach()
endfunction()

# One more mode of an executable, for the tests that match the filter.
function(tenure_unit_test_mode test layer mode filter)
  set(environment)
  set(suffix)
  if(TENURE_MODE_${mode})
    set(environment ENVIRONMENT "${TENURE_MODE_${mode}}")
    set(suffix ".${mode}")
  endif()
  gtest_discover_tests(
    ${test}
    TEST_PREFIX "${layer}."
    TEST_SUFFIX "${suffix}"
    TEST_LIST ${test}_${mode}
    TEST_FILTER "${filter}"
    # Parameters by number: printed values make names that differ from run to run.
    NO_PRETTY_VALUES
    # Listing the tests at build time would need the emulator for a mere cross build.
    DISCOVERY_MODE PRE_TEST
    PROPERTIES LABELS unit ${environment})
endfunction()
