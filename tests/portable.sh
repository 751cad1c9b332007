#!/usr/bin/env bash
# Compiles plimsoll and its tests without what is marked as Linux's, where no other system's standard library is to be had. It
# sees what is missing or left over elsewhere; it does not see a call that libc and rustix offer on Linux alone.
set -euo pipefail
cd "$(dirname "$0")/.."
target=${CARGO_TARGET_DIR:-$PWD/target}/portable
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
git ls-files -z | xargs -0 cp --parents -t "$copy"
cd "$copy"
grep -rlZ 'target_os = "linux"' src tests benches | xargs -0 sed -i 's/target_os = "linux"/target_os = "none"/g'
CARGO_TARGET_DIR=$target RUSTFLAGS='-D warnings' cargo check --locked --all-targets
