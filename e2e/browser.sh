#!/usr/bin/env bash
# Installs the headless Chromium of Debian for `make test-ui`: 100 MB, half a minute.
set -euo pipefail

SOURCE_DIR=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/cluster" && pwd)
source "$SOURCE_DIR/lib/say.sh"
source "$SOURCE_DIR/lib/args.sh"
source "$SOURCE_DIR/lib/packages.sh"

[ $# -eq 0 ] || bad_input "browser.sh takes no arguments"
PACKAGES=(chromium-headless-shell)
packages_install
