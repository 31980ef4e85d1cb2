#!/bin/sh
# Unpacks the arm64 liburcu into build/sysroot-aarch64, for the aarch64 preset to link with. It uses a
# package index of its own, so that the machine need not be told of a foreign architecture.
set -eu
cd "$(dirname "$0")/.."
sysroot=build/sysroot-aarch64
[ -e "$sysroot/usr/lib/aarch64-linux-gnu/liburcu-bp.so" ] && exit 0

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
chmod 755 "$scratch"
mkdir -p "$scratch/lists/partial" "$scratch/cache/archives/partial"
: > "$scratch/status"
apt() {
  apt-get -qq -o APT::Architecture=arm64 -o APT::Architectures=arm64 \
    -o APT::Sandbox::User="$(id -un)" -o Acquire::Languages=none \
    -o Dir::State="$scratch" -o Dir::State::status="$scratch/status" \
    -o Dir::Cache="$scratch/cache" "$@" >> "$scratch/log" 2>&1
}
if apt update && (cd "$scratch" && apt download liburcu-dev liburcu8); then
  for package in "$scratch"/*.deb; do
    dpkg-deb -x "$package" "$sysroot"
  done
else
  echo "sysroot.sh: no arm64 liburcu from apt-get" >&2
  exit 1
fi
