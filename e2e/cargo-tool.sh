# Sourced. cargo_tool builds a program of crates.io once, at a pinned version, into the tool folder.
# shellcheck shell=bash

# cargo_tool NAME VERSION [OPTION OF cargo install…]: prints the path of the program.
cargo_tool() {
  local name=$1 version=$2 home=${CAIRN_HOME:-$PWD/.cairn}
  local tool=$home/$name-$version/bin/$name
  if [ ! -x "$tool" ]; then
    echo "building $name $version: this takes some minutes and is done once" >&2
    # Not optimised: it runs for a second, and optimising it takes a minute more.
    CARGO_PROFILE_DEV_DEBUG=0 cargo install --quiet --locked --debug --root "$home/$name-$version" \
      --target-dir "$home/$name-target" "${@:3}" "$name@$version" >&2
    rm -rf "$home/$name-target"
  fi
  printf '%s\n' "$tool"
}
