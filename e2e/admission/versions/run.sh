#!/usr/bin/env bash
# Builds the API servers of other Kubernetes versions from their Go modules and runs a command with each.
#   e2e/admission/versions/run.sh COMMAND…
# The oldest version is the one that the chart supports, the newest one the newest in the module proxy when it was
# chosen. To change one: its folder's go.mod, then `GOFLAGS=-mod=mod go list -deps . >/dev/null` there.
set -euo pipefail
[ $# -gt 0 ] || { echo "run.sh: write the command to run with each version" >&2; exit 2; }
folder=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
bin=${CAIRN_HOME:-$folder/../../../.cairn}/bin
mkdir -p "$bin"

for which in oldest newest; do
  version=$(sed -n 's|^require k8s.io/kubernetes v\([0-9.]*\)$|\1|p' "$folder/$which/go.mod")
  binary=$bin/kube-apiserver-$version
  if [ ! -x "$binary" ]; then
    echo "building the API server of Kubernetes $version, about ten minutes"
    package=k8s.io/component-base/version
    minor=${version#1.}
    (cd "$folder/$which" && CGO_ENABLED=0 go build -trimpath -buildvcs=false -o "$binary.new" \
      -ldflags "-s -w -X $package.gitVersion=v$version -X $package.gitMajor=1 -X $package.gitMinor=${minor%.*}" .)
    mv -f "$binary.new" "$binary"
  fi
  echo "Kubernetes $version"
  CAIRN_API_SERVER=$binary "$@"
done
