#!/usr/bin/env bash
# Packages the chart of a commit as the one that the upgrade test begins with:
#
#   package.sh COMMIT
#
# Equal commits give equal archives.
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../.."
commit=${1:?package.sh: write the commit whose chart users have installed}
git archive --format=tar --prefix=cairn/ "$commit:charts/cairn" | gzip -9n >e2e/charts/cairn-previous.tgz
sha256sum e2e/charts/cairn-previous.tgz
