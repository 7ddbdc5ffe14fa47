#!/usr/bin/env bash
# Makes .cairn/clients/typescript/worker: the packages, and worker.ts compiled.
set -euo pipefail
cd "$(dirname "$0")"
root=$(cd ../.. && pwd)
to=${CAIRN_HOME:-$root/.cairn}/clients/typescript
mkdir -p "$to"
cp package.json package-lock.json tsconfig.json worker.ts "$to/"
cd "$to"
npm ci --silent --no-audit --no-fund
npx tsc
cat > worker <<SCRIPT
#!/bin/sh
CAIRN_PROTO="$root/proto" exec node "$to/worker.js" "\$@"
SCRIPT
chmod +x worker
