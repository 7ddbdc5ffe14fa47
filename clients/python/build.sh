#!/usr/bin/env bash
# Makes .cairn/clients/python/worker: a virtual environment with gRPC, the generated code, and worker.py.
set -euo pipefail
cd "$(dirname "$0")"
root=$(cd ../.. && pwd)
to=${CAIRN_HOME:-$root/.cairn}/clients/python
mkdir -p "$to/generated"
if ! cmp -s requirements.txt "$to/requirements.txt"; then
  python3 -m venv "$to/venv"
  "$to/venv/bin/pip" install --quiet --disable-pip-version-check -r requirements.txt
  cp requirements.txt "$to/requirements.txt"
fi
"$to/venv/bin/python" -m grpc_tools.protoc -I "$root/proto" \
  --python_out="$to/generated" --grpc_python_out="$to/generated" cairn/v1/coordination.proto
cat > "$to/worker" <<SCRIPT
#!/bin/sh
PYTHONPATH="$to/generated" exec "$to/venv/bin/python" "$PWD/worker.py" "\$@"
SCRIPT
chmod +x "$to/worker"
