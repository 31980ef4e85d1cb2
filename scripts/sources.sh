#!/bin/sh
# The C and C++ files of the repository, one a line: known to git or about to be, and nothing ignored.
set -eu
cd "$(dirname "$0")/.."
list() {
  if git rev-parse --is-inside-work-tree > /dev/null 2>&1; then
    git ls-files --cached --others --exclude-standard
  else
    find . -path ./build -prune -o -type f -print | sed 's|^\./||'
  fi
}
list | grep -E '\.(c|h|cpp|hpp)$' | while read -r file; do
  [ -e "$file" ] && echo "$file"
done | LC_ALL=C sort -u
