#!/bin/sh
# tidy.sh [--all]: runs clang-tidy over the sources of the libraries, or with --all over everything. Uses the
# compile commands of the release build; headers are checked where included.
set -eu
cd "$(dirname "$0")/.."
[ -e build/release/compile_commands.json ] || cmake --preset release > /dev/null
folders='base|live|rcu|accounting|allocator|mapped|api|rules'
[ "${1-}" = --all ] && folders="$folders|tools|bench|tests|examples"
known=$(sed -n 's|^ *"file": "'"$PWD"'/\(.*\)",\{0,1\}$|\1|p' build/release/compile_commands.json)
files=$(printf '%s\n' "$known" | grep -E "^($folders)/.*\.(c|cpp)$" | LC_ALL=C sort -u || true)
[ -n "$files" ] || exit 0
# One file a process: clang-tidy is serial, and its memory grows with the number of files.
printf '%s\n' "$files" | xargs -P "${JOBS:-$(nproc)}" -n 1 \
  clang-tidy -p build/release --quiet --warnings-as-errors='*' 2> /dev/null
