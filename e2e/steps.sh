# Sourced by the Makefile: step prints the name of a step and the seconds since the start.
set -eu
steps_begin=$(date +%s)
step() {
  printf '\n==> [%3d s] %s\n' "$(( $(date +%s) - steps_begin ))" "$1"
}
