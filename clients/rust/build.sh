#!/usr/bin/env bash
# Makes .cairn/clients/rust/worker.
set -euo pipefail
cd "$(dirname "$0")"
root=$(cd ../.. && pwd)
to=${CAIRN_HOME:-$root/.cairn}/clients/rust
mkdir -p "$to"
# shellcheck disable=SC2086 # CRATES are the arguments that `make test-clients` has compiled the dependencies for
${CARGO:-cargo} build --quiet ${CRATES:--p cairn-client} --example worker
cp "${CARGO_TARGET_DIR:-$root/target}/debug/examples/worker" "$to/worker"
