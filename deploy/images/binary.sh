#!/usr/bin/env bash
# Builds the static binary of an image, and prints its path:
#
#   binary.sh sidecar|webhook|cli [amd64|arm64]      without an architecture, this machine's
#
# The same sources, compiler and C library give the same bytes in any folder (`make reproducible` compares two). What is
# built goes to CARGO_TARGET_DIR, by default `target` in the repository.
set -euo pipefail

die() {
  printf 'binary.sh: %s\n' "$*" >&2
  exit "${code:-1}"
}

name=${1:-}
case $name in
sidecar | webhook) package=cairn-$name ;;
cli) package=cairn ;;
*) code=2 die "'$name' is no image: write sidecar, webhook or cli" ;;
esac
machine=$(uname -m)
arch=${2:-$machine}
case $arch in
amd64 | x86_64) cpu=x86_64 debian=amd64 ;;
arm64 | aarch64) cpu=aarch64 debian=arm64 ;;
*) code=2 die "'$arch' is not built: write amd64 or arm64" ;;
esac

cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../.."
target=$cpu-unknown-linux-gnu
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target}
cargo_home=${CARGO_HOME:-$HOME/.cargo}

if [ "$cpu" != "$machine" ]; then
  linker=$cpu-linux-gnu-gcc
  command -v "$linker" >/dev/null ||
    die "$linker is missing: as root run: apt-get install -y gcc-${cpu/_/-}-linux-gnu libc6-dev-$debian-cross"
  [ -d "$(rustc --print sysroot)/lib/rustlib/$target" ] ||
    die "Rust cannot compile for $target yet: run: rustup target add $target"
  variable=CARGO_TARGET_$(tr a-z- A-Z_ <<<"$target")_LINKER
  export "$variable=$linker"
fi

# Paths get into a binary through panic messages, through code that build scripts write, and through what the linker
# hashes into a build id. Of two rules that match, the last one counts.
flags=(
  -C target-feature=+crt-static
  -C "link-arg=-Wl,--build-id=none"
  # A position-independent binary has a table of its own addresses. Packed, it is a tenth of its size: 230 KiB less.
  -C "link-arg=-Wl,-z,pack-relative-relocs"
  # A panic aborts, so nothing unwinds. Tables for it would be a tenth of the binary. Only backtraces read them, and
  # a stripped binary has no names for those.
  -C force-unwind-tables=no
  "--remap-path-prefix=$cargo_home=/cargo"
  "--remap-path-prefix=$PWD=/cairn"
  "--remap-path-prefix=$CARGO_TARGET_DIR=/target"
)
CARGO_ENCODED_RUSTFLAGS=$(IFS=$'\x1f'; printf '%s' "${flags[*]}")
# The C code of the crypto provider.
CFLAGS="-ffile-prefix-map=$cargo_home=/cargo -ffile-prefix-map=$CARGO_TARGET_DIR=/target"
export CARGO_ENCODED_RUSTFLAGS CFLAGS
# It would be used instead.
unset RUSTFLAGS

# One package at a time: a common build would unify features, and the webhook's libraries would get into the sidecar.
cargo build --locked --profile image --target "$target" -p "$package" >&2
binary=$CARGO_TARGET_DIR/$target/image/$package
# Also under a strict umask: an image keeps the mode, and its user is another one.
chmod 755 "$binary"
printf '%s\n' "$binary"
