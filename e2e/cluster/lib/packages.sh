# The Debian packages and toolchains that clusters, images and the Rust build need.
# shellcheck shell=bash

PACKAGES=(
  # the node
  containerd runc containernetworking-plugins iptables conntrack iproute2 util-linux procps kmod
  # its certificates and health checks
  openssl ca-certificates curl
  # images
  buildah busybox-static
  # the Rust build: linker, libc, and protoc with the well-known types
  gcc libc6-dev protobuf-compiler libprotobuf-dev git make
  # Carbon from PyPI, for the end-to-end tests
  python3-venv
)

# Go modules name the oldest toolchain that can build them. Since 1.21, an older Go downloads that toolchain itself.
GO_FLOOR=1.21

packages_missing() {
  local package
  for package in "${PACKAGES[@]}"; do
    dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed ||
      printf '%s\n' "$package"
  done
}

packages_install() {
  command -v apt-get >/dev/null ||
    die "setup supports only Debian and its derivatives; install by hand: ${PACKAGES[*]}"
  local missing
  mapfile -t missing < <(packages_missing)
  if [ ${#missing[@]} -eq 0 ]; then
    say "packages: all ${#PACKAGES[@]} are installed"
    return
  fi
  [ "$(id -u)" -eq 0 ] ||
    die "packages are missing; as root run: apt-get update && apt-get install -y --no-install-recommends ${missing[*]}"
  say "packages: installing ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -q >&2 || die "apt-get update failed; see the lines above"
  apt-get install -y -q --no-install-recommends "${missing[@]}" >&2 ||
    die "apt-get could not install ${missing[*]}; see the lines above"
}

packages_check_toolchains() {
  command -v go >/dev/null || die "Go is missing: install $GO_FLOOR or newer from https://go.dev/dl and put it on PATH"
  local version
  version=$(go env GOVERSION)
  version=${version#go}
  [ "$(printf '%s\n%s\n' "$GO_FLOOR" "$version" | sort -V | head -n 1)" = "$GO_FLOOR" ] ||
    die "Go $version is too old: install $GO_FLOOR or newer from https://go.dev/dl"
  command -v cargo >/dev/null ||
    die "Rust is missing: install it with rustup from https://rustup.rs and put cargo on PATH"
}
