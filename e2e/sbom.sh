#!/usr/bin/env bash
# Writes what each binary is made of, as CycloneDX 1.5, one file for each:
#
#   sbom.sh FOLDER [amd64|arm64]
#
# It needs no network once the tool is built and the crates are there, as they are after any build.
set -euo pipefail
cd "$(dirname "$0")/.."
source e2e/cargo-tool.sh
folder=$(realpath -m "${1:?sbom.sh: write the folder for the files}")
case ${2:-$(uname -m)} in
amd64 | x86_64) target=x86_64-unknown-linux-gnu ;;
arm64 | aarch64) target=aarch64-unknown-linux-gnu ;;
*) echo "sbom.sh: '$2' is not built: write amd64 or arm64" >&2 && exit 2 ;;
esac
tool=$(cargo_tool cargo-cyclonedx 0.5.9)
export CARGO_NET_OFFLINE=true SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-0}

# The tool writes beside each Cargo.toml, so it works on a copy.
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
git ls-files -z | tar --null --create --files-from=- | tar --extract --directory="$copy"
(cd "$copy" && "$tool" cyclonedx --quiet --format json --spec-version 1.5 --describe binaries --no-build-deps \
  --target "$target")

mkdir -p "$folder"
for binary in sidecar/cairn-sidecar webhook/cairn-webhook cli/cairn; do
  name=$(basename "$binary")
  # The tool sees the features of the whole workspace. What cargo would build for this binary alone decides.
  cargo tree --locked --quiet -p "$name" --target "$target" --edges normal --prefix none --no-dedupe --format '{p}' |
    python3 e2e/sbom.py "$copy" "$copy/${binary}_bin.cdx.json" >"$folder/$name.cdx.json"
  echo "$folder/$name.cdx.json"
done
