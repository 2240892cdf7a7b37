#!/usr/bin/env bash
# Which lines and branches of the authorizer its tests run: a table, and with --html a report in target/llvm-cov/html.
# Needs cargo-llvm-cov (cargo install cargo-llvm-cov) and the compiler's llvm-tools (rustup component add llvm-tools).
#
# ci/coverage.sh [--html]
set -euo pipefail
cd "$(dirname "$0")/.."

if ! cargo llvm-cov --version >/dev/null 2>&1; then
  echo "SKIPPED: coverage needs cargo-llvm-cov (cargo install cargo-llvm-cov)" >&2
  exit 0
fi
# A program that a test starts writes its own profile; what is ended by a signal is not counted.
cargo llvm-cov --locked --package mtls-authorizer --no-report
ignore='(^|/)(tests|benches|gateway|runtime-emulator|benchmark)/|/\.cargo/|/rustc/'
cargo llvm-cov report --ignore-filename-regex "$ignore" --summary-only |
  awk 'NR == 1 { printf "%-34s %9s %9s %9s\n", "file", "regions", "functions", "lines" }
       $1 ~ /\.rs$|TOTAL/ { printf "%-34s %9s %9s %9s\n", $1, $4, $7, $10 }'
if [ "${1:-}" = --html ]; then
  cargo llvm-cov report --ignore-filename-regex "$ignore" --html
fi
