#!/usr/bin/env bash
# Builds Cairn's three images into archives, and starts each binary once:
#
#   archives.sh FOLDER [amd64|arm64]
set -euo pipefail
here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
folder=$(realpath -m "${1:?archives.sh: write the folder for the archives}")
arch=${2:-$(uname -m)}
case $arch in x86_64) arch=amd64 ;; aarch64) arch=arm64 ;; esac

# run BINARY…: starts a program, of another architecture under qemu where that is installed.
run() {
  local emulator=
  case $arch/$(uname -m) in
  amd64/x86_64 | arm64/aarch64) ;;
  *)
    emulator=$(command -v "qemu-${arch/arm64/aarch64}" "qemu-${arch/arm64/aarch64}-static" | head -n 1) || true
    [ -n "$emulator" ] || {
      echo "$(basename "$1") for $arch was not started: as root run: apt-get install -y qemu-user" >&2
      return
    }
    ;;
  esac
  $emulator "$@" >/dev/null
  echo "$(basename "$1") for $arch starts${emulator:+ (under $(basename "$emulator"))}" >&2
}

mkdir -p "$folder"
for name in sidecar webhook cli; do
  binary=$("$here/binary.sh" "$name" "$arch")
  run "$binary" --help
  context=$folder/context
  rm -rf "$context"
  mkdir "$context"
  cp "$binary" "$context/"
  "$here/archive.sh" "localhost/cairn-$name:dev" "$here/$name.Dockerfile" "$context" "$folder/cairn-$name-$arch.tar" \
    "$arch"
  rm -rf "$context"
  (cd "$folder" && sha256sum "cairn-$name-$arch.tar")
done
