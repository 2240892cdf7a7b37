#!/usr/bin/env bash
# Deliberate faults of one line (ci/mutations/), each of which has to turn the tests red. Works on a copy below target/.
#
# ci/mutants.sh [NAME…]
set -euo pipefail
cd "$(dirname "$0")/.."
exec python3 ci/mutations/run.py "$@"
