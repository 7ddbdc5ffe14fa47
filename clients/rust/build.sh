#!/usr/bin/env bash
# Makes .cairn/clients/rust/worker.
set -euo pipefail
cd "$(dirname "$0")"
root=$(cd ../.. && pwd)
to=${CAIRN_HOME:-$root/.cairn}/clients/rust
mkdir -p "$to"
${CARGO:-cargo} build --quiet -p cairn-client --example worker
cp "${CARGO_TARGET_DIR:-$root/target}/debug/examples/worker" "$to/worker"
