#!/usr/bin/env bash
# Which regions, functions and lines of the authorizer its tests run: a table, and with --html a report in
# target/coverage/html. Needs Linux and the compiler's llvm-tools (rustup component add llvm-tools): only the
# authorizer is built with counters, not what it depends on.
#
# ci/coverage.sh [--html]
set -euo pipefail
cd "$(dirname "$0")/.."

tools=$(rustc --print sysroot)/lib/rustlib/$(rustc -vV | sed -n 's/^host: //p')/bin
if [ ! -x "$tools/llvm-cov" ]; then
  echo "SKIPPED: coverage needs llvm-tools (rustup component add llvm-tools)" >&2
  exit 0
fi
out=$PWD/target/coverage
rm -rf "$out/profiles" && mkdir -p "$out/profiles"
# Where a program writes its counts is written into it, since tests start programs with an empty environment; and it
# writes while it runs (%c), since tests kill some.
pattern=$out/profiles/%p-%m%c.profraw
printf 'char __wrap___llvm_profile_filename[] = "%s";\n' "$pattern" | cc -xc -c -o "$out/pattern.o" -
export LLVM_PROFILE_FILE=$pattern
cat > "$out/compiler" <<'WRAPPER'
#!/usr/bin/env python3
# Cargo calls this for packages of the workspace, with the compiler's path first. Not a shell script: a shell would
# drop CARGO_BIN_EXE_mtls-authorizer, whose name is none for it.
import os, sys
pattern = os.path.join(os.path.dirname(os.path.abspath(__file__)), "pattern.o")
os.execv(sys.argv[1], [*sys.argv[1:], "-Cinstrument-coverage", "-Cllvm-args=-runtime-counter-relocation",
                       "-Clink-arg=" + pattern, "-Clink-arg=-Wl,--wrap=__llvm_profile_filename"])
WRAPPER
chmod +x "$out/compiler"
export RUSTC_WORKSPACE_WRAPPER=$out/compiler

tests=(cargo test --locked --package mtls-authorizer)
objects=$("${tests[@]}" --no-run --message-format json |
  python3 -c 'import json, sys
for line in sys.stdin:
    built = json.loads(line)
    if built.get("executable"):
        print("--object", built["executable"])')
"${tests[@]}" --quiet --no-fail-fast
"$tools/llvm-profdata" merge --sparse --failure-mode=all -o "$out/merged.profdata" "$out"/profiles/*.profraw

sources=(--ignore-filename-regex '(^|/)(tests|benches|runtime-emulator)/|/\.cargo/|/rustc/')
# shellcheck disable=SC2086
"$tools/llvm-cov" report $objects --instr-profile "$out/merged.profdata" "${sources[@]}" |
  awk 'NR == 1 { printf "%-44s %9s %9s %9s\n", "file", "regions", "functions", "lines" }
       $1 ~ /\.rs$|TOTAL/ { printf "%-44s %9s %9s %9s\n", $1, $4, $7, $10 }'
if [ "${1:-}" = --html ]; then
  # shellcheck disable=SC2086
  "$tools/llvm-cov" show $objects --instr-profile "$out/merged.profdata" "${sources[@]}" --format html --output-dir "$out/html"
fi
