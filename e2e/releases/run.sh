#!/usr/bin/env bash
# Builds the sidecar of a commit and of this tree, and runs both in one pool:
#
#   run.sh COMMIT
#
# The commit is that of the previous release. It is built below target/.
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../.."
commit=${1:?run.sh: write the commit of the release whose sidecars run beside those of this tree}
commit=$(git rev-parse --verify "$commit^{commit}")
etcd=${CAIRN_HOME:-$PWD/.cairn}/bin/etcd
# Each tree has a target folder of its own: in a common one Cargo takes crates of one tree for those of the other.
old=$PWD/target/releases/$commit

mkdir -p "$old"
git archive "$commit" | tar --extract --directory="$old"
for tree in "$old" "$PWD"; do
  (cd "$tree" && CARGO_TARGET_DIR=$tree/target cargo build --quiet --locked --release -p cairn-sidecar)
done

# Names for all, names for half of them, and so many that new pods ask for one name of the past.
for sizes in '150 400' '150 200' '400 700'; do
  read -r each names <<<"$sizes"
  echo "$each pods of each release, $names names"
  e2e/releases/beside.py --old "$old/target/release/cairn-sidecar" --new "$PWD/target/release/cairn-sidecar" \
    --etcd "$etcd" --each "$each" --names "$names"
done
