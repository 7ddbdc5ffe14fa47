#!/usr/bin/env bash
# Runs cargo-deny. It is built once, at a pinned version, into the tool folder.
set -euo pipefail
cd "$(dirname "$0")/.."
source e2e/cargo-tool.sh
tool=$(cargo_tool cargo-deny 0.20.2 --no-default-features)
exec "$tool" --all-features "$@"
