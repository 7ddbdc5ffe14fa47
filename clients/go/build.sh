#!/usr/bin/env bash
# Makes .cairn/clients/go/worker. The generated code is in cairnv1, which is not committed.
set -euo pipefail
cd "$(dirname "$0")"
root=$(cd ../.. && pwd)
to=${CAIRN_HOME:-$root/.cairn}/clients/go
mkdir -p "$to/bin" cairnv1
GOBIN="$to/bin" go install tool
of='Mcairn/v1/coordination.proto=cairn.dev/clients/go/cairnv1'
PATH="$to/bin:$PATH" protoc -I "$root/proto" --go_out=. --go_opt=module=cairn.dev/clients/go,"$of" \
  --go-grpc_out=. --go-grpc_opt=module=cairn.dev/clients/go,"$of" cairn/v1/coordination.proto
go vet .
go build -o "$to/worker" .
