# Sourced by the Makefile: says what is being done, and when since the start.
set -eu
steps_begin=$(date +%s)
step() {
  printf '\n==> [%3d s] %s\n' "$(( $(date +%s) - steps_begin ))" "$1"
}
