#!/bin/sh
# Checks the model of the accounting protocol and that each mutant of it is rejected. Needs spin and gcc.
#   run.sh [folder for generated files]
set -u
here=$(cd "$(dirname "$0")" && pwd)
work=${1:-$(mktemp -d)}
mkdir -p "$work" && cd "$work" || exit 2
for program in spin gcc; do
  command -v $program >/dev/null || { echo "model: $program is missing (Debian: spin, gcc)"; exit 77; }
done

# check <name> <spin options> <pan options>: 0 no error found, 1 error found, 2 could not be checked.
check() {
  rm -f pan pan.* tenants.pml.trail
  # shellcheck disable=SC2086
  spin $2 -a "$here/tenants.pml" >"$1.log" 2>&1 || return 2
  # shellcheck disable=SC2086
  gcc -O2 -w $4 -o pan pan.c >>"$1.log" 2>&1 || return 2
  # shellcheck disable=SC2086
  ./pan -m100000 $3 >"$1.out" 2>&1
  grep -q "errors: " "$1.out" || return 2
  grep -q "max search depth too small\|out of memory" "$1.out" && return 2
  grep -q "errors: 0" "$1.out"
}

failed=0
check safety "" "-n -noclaim" "-DMEMLIM=2048 -DCOLLAPSE -DSAFETY -DNOCLAIM"
case $? in
  0) echo "model: safe ($(grep 'states, stored' safety.out | awk '{print $1}') states)" ;;
  *) echo "model: FAILED, see $work/safety.out"; failed=1 ;;
esac
# Weak fairness: every thread that can always run does run.
check liveness "-DTHREADS=1" "-n -a -f" "-DMEMLIM=2048 -DCOLLAPSE -DNFAIR=3"
case $? in
  0) echo "model: offline terminates" ;;
  *) echo "model: offline may not terminate, see $work/liveness.out"; failed=1 ;;
esac
for mutant in NO_TENANT_GRACE NO_CONTEXT_GRACE NO_REPARENT_EARLIER NO_TRYGET UNCHARGE_OUTSIDE MOVE_USAGE; do
  check "$mutant" "-D$mutant" "-n -noclaim" "-DMEMLIM=2048 -DCOLLAPSE -DSAFETY -DNOCLAIM"
  case $? in
    1) echo "model: mutant $mutant rejected" ;;
    0) echo "model: mutant $mutant NOT rejected"; failed=1 ;;
    *) echo "model: mutant $mutant could not be checked, see $work/$mutant.out"; failed=1 ;;
  esac
done
exit $failed
