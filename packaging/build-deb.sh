#!/usr/bin/env bash
# Builds the Debian package into target/debian: the program, what it writes of itself, and the files of packaging/.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo build --profile dist --locked --bin plimsoll
program=$PWD/target/dist/plimsoll
made=target/deb
rm -rf "$made" target/debian
mkdir -p "$made"
"$program" man --all "$made/man"
"$program" completions bash >"$made/plimsoll.bash"
"$program" completions zsh >"$made/_plimsoll"
"$program" completions fish >"$made/plimsoll.fish"
gzip -9nc CHANGELOG.md >"$made/changelog.gz"
cargo deb --no-build --profile dist
