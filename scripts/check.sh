#!/bin/sh
# check.sh [--long]: all checks that a change has to pass. Each step runs whatever the result of the others
# (tests of a preset that does not build count as failed). The script ends with a summary.
set -u
cd "$(dirname "$0")/.."
jobs=${JOBS:-$(nproc)}
passed=0 failed=0 skipped=0
mkdir -p build

step() { # <name> <command...>
  name=$1
  shift
  started=$(date +%s)
  if "$@" > build/check.log 2>&1; then
    passed=$((passed + 1))
    echo "ok      $name ($(($(date +%s) - started)) s)"
  else
    failed=$((failed + 1))
    cat build/check.log
    echo "FAILED  $name ($(($(date +%s) - started)) s)"
    return 1
  fi
}

configure_and_build() { # <preset>
  cmake --preset "$1" > build/configure.log 2>&1 || { cat build/configure.log; return 1; }
  cmake --build --preset "$1" -j "$jobs"
}

tests() { # <preset> <ctest arguments...>: shows progress, adds ctest's numbers to the sum
  preset=$1
  shift
  step "build $preset" configure_and_build "$preset" || return
  ctest --preset "$preset" -j "$jobs" "$@" 2>&1 | tee build/check.log |
    grep -v -E '^ *(Start +[0-9]+:|[0-9]+/[0-9]+ Test +#[0-9]+: .* Passed )'
  # "97% tests passed, 2 tests failed out of 70"
  sum=$(sed -n 's/^[0-9]*% tests passed, \([0-9]*\) tests failed out of \([0-9]*\)$/\1 \2/p' \
    build/check.log)
  if [ -z "$sum" ]; then
    echo "FAILED  tests of $preset: ctest ran none"
    failed=$((failed + 1))
    return
  fi
  # ctest counts as passed what said of itself that it could not run here.
  left_out=$(grep -c '^[[:space:]]*[0-9]* - .* (Skipped)$' build/check.log)
  failed=$((failed + ${sum% *}))
  skipped=$((skipped + left_out))
  passed=$((passed + ${sum#* } - ${sum% *} - left_out))
}

step "layers" python3 tests/house/check_layers.py
step "files" python3 tests/house/check_files.py
step "clang-format" scripts/format.sh --check
tests release
step "clang-tidy" scripts/tidy.sh
# These take minutes in this build; release has run them.
slow='AtEveryInstruction|Sampling|TenantsThatAreReplaced'
tests debug -L unit -E "$slow"

if [ "${1-}" = --long ]; then
  tests debug -L unit -R "$slow"
  # For minutes what above ran for seconds.
  export TENURE_TEST_SCALE=40
  tests release -R 'LruStress|PoolStress|tenants_(exactness|offline_rounds|service)'
  unset TENURE_TEST_SCALE
  step "bindings" bindings/check build/release/lib/libtenure.so build/bindings && cat build/check.log
  step "clang-tidy of tests and benchmarks" scripts/tidy.sh --all
  tests asan-ubsan
  tests tsan
  # Counts of an earlier build do not add up with those of this one.
  [ -d build/coverage ] && find build/coverage -name '*.gcda' -delete
  tests coverage
  step "coverage" scripts/coverage.sh && cat build/check.log
  if command -v aarch64-linux-gnu-g++ > /dev/null; then
    tests aarch64
    export CROSS_COMPILE=aarch64-linux-gnu-
    library=build/aarch64/lib/libtenure.so
    step "aarch64 exports" python3 tests/house/check_library.py $library
    step "aarch64 fast path" python3 tests/house/check_fast_path.py $library
    unset CROSS_COMPILE
  else
    echo "left out: aarch64 (no cross compiler)"
  fi
  if [ "$(uname -m)" = x86_64 ] && command -v qemu-system-x86_64 > /dev/null; then
    step "virtual machine" scripts/check_vm.sh && cat build/check.log
  else
    echo "left out: virtual machine (no qemu for x86-64)"
  fi
fi

[ "$skipped" = 0 ] || echo "$skipped skipped: they need what is not here, or belong to another mode"
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
