#!/usr/bin/env bash
# Runs cargo-deny. It is built once, at a pinned version, into the tool folder.
set -euo pipefail
cd "$(dirname "$0")/.."
version=0.20.2
home=${CAIRN_HOME:-$PWD/.cairn}
tool=$home/cargo-deny-$version/bin/cargo-deny
if [ ! -x "$tool" ]; then
  echo "building cargo-deny $version: this takes some minutes and is done once"
  # Not optimised: it runs for a second, and optimising it takes a minute more.
  CARGO_PROFILE_DEV_DEBUG=0 cargo install --quiet --locked --debug --root "$home/cargo-deny-$version" \
    --target-dir "$home/cargo-deny-target" --no-default-features "cargo-deny@$version"
  rm -rf "$home/cargo-deny-target"
fi
exec "$tool" --all-features "$@"
