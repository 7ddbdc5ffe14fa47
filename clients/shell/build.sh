#!/usr/bin/env bash
# Makes .cairn/clients/shell/worker.
set -euo pipefail
cd "$(dirname "$0")"
to=${CAIRN_HOME:-$(cd ../.. && pwd)/.cairn}/clients/shell
mkdir -p "$to"
sh -n worker.sh
cp worker.sh "$to/worker"
