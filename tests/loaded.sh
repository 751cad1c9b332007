#!/usr/bin/env bash
# Runs the whole suite as often as is said (10 times without a number) on a machine that is busy: four processes that spin, and one
# that writes to the disk without end. Tells how long each run took and which tests failed; ends with 1 if any did.
set -u
cd "$(dirname "$0")/.."
runs=${1:-10}
scratch=$(mktemp -d)
busy=()
trap 'kill "${busy[@]}" 2>/dev/null; rm -rf "$scratch"' EXIT
trap 'exit 130' INT TERM

cargo test --locked --no-run || exit 1
for _ in 1 2 3 4; do
    while :; do :; done &
    busy+=($!)
done
while :; do dd if=/dev/zero of="$scratch/written" bs=1M count=400 conv=fsync 2>"$scratch/dd"; done &
busy+=($!)

failed=0
for run in $(seq "$runs"); do
    began=$SECONDS
    cargo test --locked --no-fail-fast >"$scratch/log" 2>&1 && words=passed || { words=failed failed=1; }
    echo "run $run of $runs: $words after $((SECONDS - began)) s"
    if [ $words = failed ]; then
        grep '^test .* FAILED' "$scratch/log"
        cp "$scratch/log" "target/loaded-$run.log" && echo "all that it said: target/loaded-$run.log"
    fi
done
exit $failed
