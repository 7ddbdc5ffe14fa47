#!/usr/bin/env bash
# setup: the Debian packages that the cluster, the images and the Rust build need.
set -euo pipefail

SOURCE_DIR=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" && pwd)
source "$SOURCE_DIR/lib/say.sh"
source "$SOURCE_DIR/lib/args.sh"
source "$SOURCE_DIR/lib/packages.sh"

[ $# -eq 0 ] || bad_input "setup takes no arguments"
packages_install
packages_check_toolchains
