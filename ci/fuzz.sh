#!/usr/bin/env bash
# Runs every fuzz target for some seconds (60 where none are given), from seeds made of the samples and fixtures, as
# many at a time as there are processors (JOBS says otherwise). Needs a nightly compiler, and says so loudly, and
# passes, where there is none; cargo-fuzz is installed, pinned. What is found stays in fuzz/artifacts/.
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
tools=$(ci/tools.sh cargo-fuzz)
export PATH="$tools:$PATH"
python3 fuzz/seeds.py
if (($#)); then targets=("$@"); else mapfile -t targets < <(cargo +nightly fuzz list); fi
# One target is built alone; the first of many builds them all.
if ((${#targets[@]} == 1)); then build=("${targets[@]}"); else build=(); fi
cargo +nightly fuzz build "${build[@]}"

logs=target/fuzz-logs
mkdir -p "$logs"
run() {
  local target=$1 log=$logs/$1.log
  if cargo +nightly fuzz run "$target" -- -max_total_time="$seconds" -rss_limit_mb=4096 -timeout=20 \
    -max_len=16384 -print_final_stats=1 -verbosity=0 >"$log" 2>&1; then
    printf 'ok      %-14s %10s runs\n' "$target" "$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")"
  else
    printf 'FOUND   %s: %s\n' "$target" "$log"
    tail -40 "$log"
    return 1
  fi
}
export -f run
export seconds logs
# xargs ends with 123 where a target found something, and runs the others all the same.
printf '%s\n' "${targets[@]}" | xargs -P "${JOBS:-$(nproc)}" -I{} bash -c 'run "$1"' run {}
