#!/usr/bin/env bash
# Runs every fuzz target for some seconds (60 where none are given), from seeds made of the samples and fixtures.
# Needs a nightly compiler and cargo-fuzz; says so loudly, and passes, where one is missing.
#
# ci/fuzz.sh [SECONDS] [TARGET…]
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${1:-60}
shift || true
if ! cargo +nightly --version >/dev/null 2>&1; then
  echo "SKIPPED: fuzzing needs a nightly compiler (rustup toolchain install nightly)" >&2
  exit 0
fi
if ! cargo +nightly fuzz --version >/dev/null 2>&1; then
  echo "SKIPPED: fuzzing needs cargo-fuzz (cargo install cargo-fuzz)" >&2
  exit 0
fi
python3 fuzz/seeds.py
cargo +nightly fuzz build
targets=("$@")
if ((${#targets[@]} == 0)); then
  mapfile -t targets < <(cargo +nightly fuzz list)
fi
for target in "${targets[@]}"; do
  printf '\n=== fuzzing %s for %s s\n' "$target" "$seconds"
  cargo +nightly fuzz run "$target" -- \
    -max_total_time="$seconds" -rss_limit_mb=4096 -timeout=20 -max_len=16384 -print_final_stats=1 -verbosity=0
done
