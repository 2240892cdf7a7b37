#!/usr/bin/env bash
# What the function is made of: licences, sources, banned and doubled crates, known advisories, the compiler that
# Cargo.toml promises, and that there is no `unsafe` here. cargo-deny is installed, pinned. Advisories need the RustSec
# database, which cargo-deny fetches from GitHub; where that can't be reached, this says so loudly and goes on.
set -euo pipefail
cd "$(dirname "$0")/.."

failed=0
step() { printf '\n--- %s\n' "$*"; }
skip() { echo "SKIPPED: $*" >&2; }

step "lock file"
cargo metadata --locked --format-version 1 >/dev/null

step "rust-version"
promised=$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' Cargo.toml)
case $(rustc --version) in
  "rustc $promised."*) compiler=() directory=target ;;
  *) compiler=("+$promised") directory=target/msrv ;;
esac
if cargo "${compiler[@]}" --version >/dev/null 2>&1; then
  CARGO_TARGET_DIR=$directory cargo "${compiler[@]}" check --locked --quiet --package mtls-authorizer || failed=1
else
  skip "Rust $promised, which Cargo.toml promises, is not installed (rustup toolchain install $promised)"
fi
# No dependency may ask for a newer compiler than we promise.
cargo metadata --locked --format-version 1 | python3 -c '
import json, sys
promised = tuple(map(int, sys.argv[1].split(".")))
newer = ["{name} {version} asks for Rust {rust_version}".format(**p) for p in json.load(sys.stdin)["packages"]
         if p["rust_version"] and tuple(map(int, p["rust_version"].split(".")))[:2] > promised[:2]]
sys.exit("\n".join(newer) or 0)' "$promised" || failed=1

step "no unsafe code"
grep -q '^unsafe_code = "forbid"' Cargo.toml || { echo "Cargo.toml does not forbid unsafe code"; failed=1; }
for manifest in $(git ls-files '*Cargo.toml' ':!benchmark/contenders' ':!fuzz'); do
  grep -qE '^workspace = true|^unsafe_code' "$manifest" || { echo "$manifest has no lints"; failed=1; }
done

tools=$(ci/tools.sh cargo-deny)
export PATH="$tools:$PATH"
step "the function: licences, bans, sources"
strict=(-D warnings -A license-exception-not-encountered)
cargo deny --locked --offline check "${strict[@]}" licenses bans sources || failed=1
# Crates may stand twice in what no user runs.
step "the tools and the fuzz targets beside it: licences, sources"
cargo deny --workspace --locked --offline check "${strict[@]}" licenses sources || failed=1
cargo deny --manifest-path fuzz/Cargo.toml --config deny.toml --locked check "${strict[@]}" licenses sources || failed=1

step "advisories"
if cargo deny --locked fetch db >/dev/null 2>&1; then
  cargo deny --locked check advisories || failed=1
else
  skip "advisories: the RustSec database can't be fetched"
fi
exit $failed
