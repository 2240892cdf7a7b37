#!/usr/bin/env bash
# The release: for each architecture a zip that Lambda takes, its SHA-256, and what it is made of (CycloneDX). The binary
# is linked statically, with musl: it starts in two thirds of the time, and needs nothing of the machine that it runs on.
# The same sources give the same bytes, wherever and whenever it runs: paths are taken out of the binary, the zip has
# one date, and the tools are pinned: cargo-lambda and Zig from PyPI, cargo-cyclonedx from crates.io.
#
# ci/release.sh [x86_64|arm64 …]    into target/release-artifacts/
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
version=$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml | head -1)
out=target/release-artifacts
venv=${VENV:-target/venv/cargo-lambda}
requirements=ci/requirements-cargo-lambda.txt

if ! cmp -s "$requirements" "$venv/pinned"; then
  rm -rf "$venv"
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check --requirement "$requirements"
  cp "$requirements" "$venv/pinned"
fi
tools=$(ci/tools.sh cargo-cyclonedx)
export PATH="$root/$venv/bin:$tools:$PATH"

# The date of the commit, for whatever insists on one.
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH
sysroot=$(rustc --print sysroot)
export CARGO_ENCODED_RUSTFLAGS
CARGO_ENCODED_RUSTFLAGS=$(printf '%s\x1f' \
  "--remap-path-prefix=$root=/mtls-authorizer" \
  "--remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=/cargo" \
  "--remap-path-prefix=$sysroot=/rustc")
CARGO_ENCODED_RUSTFLAGS=${CARGO_ENCODED_RUSTFLAGS%$'\x1f'}
export CARGO_TARGET_DIR=target/release-build

architectures=("$@")
((${#architectures[@]})) || architectures=(x86_64 arm64)
mkdir -p "$out"
for architecture in "${architectures[@]}"; do
  case $architecture in
    x86_64) target=x86_64-unknown-linux-musl ;;
    arm64) target=aarch64-unknown-linux-musl ;;
    *) echo "\`$architecture\` is neither x86_64 nor arm64" >&2; exit 2 ;;
  esac
  rustup target add "$target" >/dev/null 2>&1 || true
  cargo lambda build --release --locked --target "$target" --package mtls-authorizer --bin mtls-authorizer \
    --lambda-dir "$CARGO_TARGET_DIR/lambda/$architecture"
  name=mtls-authorizer-$version-$architecture.zip
  python3 - "$CARGO_TARGET_DIR/lambda/$architecture/mtls-authorizer/bootstrap" "$out/$name" <<'PYTHON'
import sys, zipfile
binary, archive = sys.argv[1:]
entry = zipfile.ZipInfo("bootstrap", date_time=(1980, 1, 1, 0, 0, 0))
entry.external_attr = 0o100755 << 16
entry.create_system = 3
entry.compress_type = zipfile.ZIP_DEFLATED
with zipfile.ZipFile(archive, "w") as zipped, open(binary, "rb") as content:
    zipped.writestr(entry, content.read(), compresslevel=9)
PYTHON
done

cargo cyclonedx --quiet --format json --no-build-deps --target x86_64-unknown-linux-gnu \
  --override-filename mtls-authorizer.cdx
python3 - "$root" mtls-authorizer.cdx.json "$out/mtls-authorizer-$version.cdx.json" <<'PYTHON'
import json, pathlib, sys
root, source, target = sys.argv[1:]
text = pathlib.Path(source).read_text().replace(f"path+file://{root}", "path+file:///mtls-authorizer")
bill = json.loads(text)
bill.pop("serialNumber", None)
pathlib.Path(target).write_text(json.dumps(bill, indent=2, sort_keys=True) + "\n")
PYTHON
find . -name mtls-authorizer.cdx.json -not -path './target/*' -delete

(cd "$out" && sha256sum mtls-authorizer-"$version"* | grep -v SHA256SUMS > SHA256SUMS && cat SHA256SUMS)
