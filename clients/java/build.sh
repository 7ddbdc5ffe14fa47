#!/usr/bin/env bash
# Makes .cairn/clients/java/worker: the generated code, the classes, and their libraries. It needs Debian's package
# protobuf-compiler-grpc-java-plugin.
set -euo pipefail
cd "$(dirname "$0")"
root=$(cd ../.. && pwd)
to=${CAIRN_HOME:-$root/.cairn}/clients/java
mkdir -p "$to"
mvn --quiet --batch-mode package -Dworker.target="$to/target" -Dproto.directory="$root/proto" \
  -Dgrpc.plugin="$(command -v grpc_java_plugin)"
cat > "$to/worker" <<SCRIPT
#!/bin/sh
exec java -cp "$to/target/classes:$to/target/lib/*" dev.cairn.example.Worker "\$@"
SCRIPT
chmod +x "$to/worker"
