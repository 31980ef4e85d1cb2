#!/bin/sh
# format.sh [--check]: lays out all C and C++ files with clang-format, or says which are not laid out.
# The assembly headers are laid out by hand: one instruction a line is not clang-format's taste.
set -eu
cd "$(dirname "$0")/.."
if [ "${1-}" = --check ]; then set -- --dry-run --Werror; else set -- -i; fi
scripts/sources.sh | grep -v -E '^rcu/rseq_(x86_64|aarch64)\.h$' | xargs clang-format --style=file "$@"
