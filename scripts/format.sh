#!/bin/sh
# format.sh [--check]: lays out all C and C++ files with clang-format, or lists the files that are not laid
# out. The assembly headers are laid out by hand, because clang-format does not keep one instruction a line.
set -eu
cd "$(dirname "$0")/.."
if [ "${1-}" = --check ]; then set -- --dry-run --Werror; else set -- -i; fi
scripts/sources.sh | grep -v -E '^rcu/rseq_(x86_64|aarch64)\.h$' | xargs clang-format --style=file "$@"
