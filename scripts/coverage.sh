#!/bin/sh
# Lines executed by the unit tests, per source file of the library; needs a run of the coverage preset.
set -eu
cd "$(dirname "$0")/.."
out=build/coverage/report
rm -rf "$out"
mkdir -p "$out"
for folder in base live rcu accounting allocator mapped api; do
  find "build/coverage/$folder" -name '*.gcda' 2> /dev/null
done > "$out/data"
[ -s "$out/data" ] || { echo "coverage.sh: no data; run: make check-long" >&2; exit 1; }
(cd "$out" && sed "s|^|$OLDPWD/|" data | xargs gcov -r -s "$OLDPWD" > summary)
awk -v q="'" '
  /^File/ { split($0, part, q); file = part[2] }
  /^Lines executed/ && file ~ /^(base|live|rcu|accounting|allocator|mapped|api)\// {
    match($0, /[0-9.]+%/); percent = substr($0, RSTART, RLENGTH - 1)
    lines = $NF
    # A header is reported once per object that includes it: keep the best.
    if (!(file in best) || percent > best[file]) best[file] = percent + 0
    count[file] = lines
    file = ""
  }
  END {
    for (file in best) {
      printf "%6.1f %% of %4d  %s\n", best[file], count[file], file | "sort -k5"
      sum += best[file] * count[file] / 100; all += count[file]
    }
    close("sort -k5")
    if (all) printf "%6.1f %% of %4d  all lines\n", 100 * sum / all, all
  }' "$out/summary"
