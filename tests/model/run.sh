#!/bin/sh
# Checks the models of the accounting protocol and that each mutant of them is rejected. Needs spin and gcc.
#   run.sh [folder for generated files]
set -u
here=$(cd "$(dirname "$0")" && pwd)
work=${1:-$(mktemp -d)}
mkdir -p "$work" && cd "$work" || exit 2
for program in spin gcc; do
  command -v $program >/dev/null || { echo "model: $program is missing (Debian: spin, gcc)"; exit 77; }
done

# check <model> <name> <spin options> <pan options> <compiler options>: 0 no error found, 1 error found, 2 could not be checked.
check() {
  rm -f pan pan.* "$1.pml.trail"
  # shellcheck disable=SC2086
  spin $3 -a "$here/$1.pml" >"$2.log" 2>&1 || return 2
  # shellcheck disable=SC2086
  gcc -O2 -w $5 -o pan pan.c >>"$2.log" 2>&1 || return 2
  # shellcheck disable=SC2086
  ./pan -m100000 $4 >"$2.out" 2>&1
  grep -q "errors: " "$2.out" || return 2
  grep -q "max search depth too small\|out of memory" "$2.out" && return 2
  grep -q "errors: 0" "$2.out"
}

# Assertions and invalid end states.
check_safety() { check "$1" "$2" "$3" "-n -noclaim" "-DMEMLIM=2048 -DCOLLAPSE -DSAFETY -DNOCLAIM"; }

failed=0
# expect_safe <model> <name> <spin options>
expect_safe() {
  check_safety "$1" "$2" "$3"
  case $? in
    0) echo "model: $2 safe ($(grep 'states, stored' "$2.out" | awk '{print $1}') states)" ;;
    *) echo "model: $2 FAILED, see $work/$2.out"; failed=1 ;;
  esac
}

# expect_rejected <model> <mutant>...
expect_rejected() {
  model=$1
  shift
  for mutant in "$@"; do
    check_safety "$model" "$model.$mutant" "-D$mutant"
    case $? in
      1) echo "model: $model, mutant $mutant rejected" ;;
      0) echo "model: $model, mutant $mutant NOT rejected"; failed=1 ;;
      *) echo "model: $model, mutant $mutant could not be checked, see $work/$model.$mutant.out"; failed=1 ;;
    esac
  done
}

expect_safe tenants tenants ""
# Weak fairness: every thread that can always run does run.
check tenants liveness "-DTHREADS=1" "-n -a -f" "-DMEMLIM=2048 -DCOLLAPSE -DNFAIR=3"
case $? in
  0) echo "model: offline terminates" ;;
  *) echo "model: offline may not terminate, see $work/liveness.out"; failed=1 ;;
esac
expect_rejected tenants NO_TENANT_GRACE NO_CONTEXT_GRACE NO_REPARENT_EARLIER NO_TRYGET UNCHARGE_OUTSIDE MOVE_USAGE

expect_safe stocks stocks-two-cpus "-DWORKERS=1"
expect_safe stocks stocks-two-workers "-DWORKERS=2"
expect_rejected stocks NO_FENCE TAKE_ALTHOUGH_LOST NO_RETRY RETRY_FILLED_ONLY NO_SECOND_LOOK KEEP_STALE LOOK_BEFORE_OPENING \
  CLOSE_BEFORE_DYING LEAVE_STOCKS NO_GRACE DRAIN_OUTSIDE COMMIT_AFTER_ABORT DRAIN_WITH_ONE_NUMBER
exit $failed
