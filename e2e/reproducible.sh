#!/usr/bin/env bash
# Builds the images twice, from copies of this tree in two folders, and compares the digests of binaries and images.
# The second build has another path, home of cargo, time, umask, locale, time zone and number of jobs.
#
#   reproducible.sh [amd64|arm64]
set -euo pipefail
cd "$(dirname "$0")/.."
arch=${1:-$(uname -m)}
case $arch in x86_64) arch=amd64 ;; aarch64) arch=arm64 ;; esac
cpu=${arch/amd64/x86_64}
cpu=${cpu/arm64/aarch64}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# copy FOLDER: the files that git knows, as they are now.
copy() {
  mkdir -p "$1"
  git ls-files -z | tar --null --create --files-from=- | tar --extract --directory="$1"
}

# digests FOLDER: of what was built there, without its path.
digests() {
  (cd "$1/target/$cpu-unknown-linux-gnu/image" && sha256sum cairn-sidecar cairn-webhook cairn)
  (cd "$1/out" && sha256sum -- *.tar)
}

unset CARGO_TARGET_DIR
first=$work/a
second=$work/another/folder/with-a-longer-name
copy "$first"
copy "$second"
(cd "$first" && deploy/images/archives.sh out "$arch" >/dev/null)
ln -s "${CARGO_HOME:-$HOME/.cargo}" "$work/cargo"
(
  umask 077
  export CARGO_HOME=$work/cargo TZ=Asia/Kathmandu LC_ALL=C CARGO_BUILD_JOBS=1
  cd "$second"
  find . -type f -exec touch -d 2001-02-03 {} +
  deploy/images/archives.sh out "$arch" >/dev/null
)
digests "$first" >"$work/first"
digests "$second" >"$work/second"
cat "$work/first"
if ! diff "$work/first" "$work/second"; then
  for name in cairn-sidecar cairn-webhook cairn; do
    file=target/$cpu-unknown-linux-gnu/image/$name
    echo "$name: $(cmp -l "$first/$file" "$second/$file" | wc -l) bytes differ; paths in it:"
    grep -aoE "($work|${HOME:-/root})[^[:cntrl:] ]*" "$first/$file" | sort | uniq -c | head -n 5 || true
  done
  echo "the two builds differ" >&2
  exit 1
fi
echo "both builds are the same"
