#!/usr/bin/env bash
# What the function is made of: licences, sources, banned and doubled crates, known advisories, the compiler that
# Cargo.toml promises, and that there is no `unsafe` here. Needs cargo-deny and cargo-audit; says loudly what it had to
# pass over. Advisories need the RustSec database, which both fetch from GitHub.
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
  "rustc $promised."*) compiler=() ;;
  *) compiler=("+$promised") ;;
esac
if cargo "${compiler[@]}" --version >/dev/null 2>&1; then
  CARGO_TARGET_DIR=target/msrv cargo "${compiler[@]}" check --locked --quiet --package mtls-authorizer || failed=1
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

if cargo deny --version >/dev/null 2>&1; then
  step "licences, bans, sources"
  cargo deny --locked --offline check licenses bans sources || failed=1
  step "advisories"
  if database=$(cargo deny --locked fetch db 2>&1); then
    cargo deny --locked check advisories || failed=1
  else
    skip "advisories: the RustSec database can't be fetched"
  fi
else
  skip "licences, bans, sources and advisories need cargo-deny (cargo install cargo-deny)"
fi

if cargo audit --version >/dev/null 2>&1; then
  step "cargo audit"
  # 2 is a database that could not be fetched.
  audit=0; cargo audit || audit=$?
  case $audit in 0) ;; 2) skip "cargo audit: the RustSec database can't be fetched" ;; *) failed=1 ;; esac
fi
exit $failed
