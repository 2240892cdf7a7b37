#!/usr/bin/env bash
# Installs programs at the versions in ci/tools.txt into target/ci/tools, where they are not there already, and prints
# the directory for PATH. They are compiled for the sake of compiling fast: none of them works hard.
#
# PATH="$(ci/tools.sh cargo-deny …):$PATH"
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD/target/ci/tools
mkdir -p "$root"
# One at a time, where the system can say so.
if command -v flock >/dev/null; then
  exec 9>"$root/lock"
  flock 9
fi

for tool in "$@"; do
  version=$(sed -n "s/^$tool //p" ci/tools.txt)
  [ -n "$version" ] || { echo "\`$tool\` is not in ci/tools.txt" >&2; exit 2; }
  grep -qsF "\"$tool $version (" "$root/.crates.toml" && continue
  echo "installing $tool $version" >&2
  started=$SECONDS
  # From a directory of its own, and without flags meant for what is built here.
  (cd "$root" && env -u RUSTFLAGS -u CARGO_ENCODED_RUSTFLAGS CARGO_TARGET_DIR="$root/build" \
    CARGO_PROFILE_RELEASE_OPT_LEVEL=0 CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 \
    CARGO_PROFILE_RELEASE_DEBUG=0 \
    cargo install --quiet --locked --root "$root" "$tool@$version") >&2
  echo "installed $tool $version in $((SECONDS - started)) s" >&2
done
echo "$root/bin"
