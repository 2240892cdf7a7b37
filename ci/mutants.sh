#!/usr/bin/env bash
# Deliberate faults of one line (ci/mutations/), each of which has to turn the tests red; with --generated every fault
# that cargo-mutants makes of some files, judged by quick tests (.cargo/mutants.toml). Works on a copy below target/.
#
# ci/mutants.sh [NAME…]
# ci/mutants.sh --generated [FILE…]
set -euo pipefail
cd "$(dirname "$0")/.."
exec python3 ci/mutations/run.py "$@"
