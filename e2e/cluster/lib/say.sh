# Messages. Progress goes to standard error, so that standard output has only results.
# shellcheck shell=bash

say() { printf '%s\n' "$*" >&2; }

# Print one message and exit: die with 1 after a failure, bad_input with 2 after wrong usage.
die() {
  printf 'cluster: %s\n' "$*" >&2
  exit 1
}

bad_input() {
  printf 'cluster: %s\n' "$*" >&2
  exit 2
}

now_ms() {
  local now=${EPOCHREALTIME/[.,]/}
  printf '%s' "${now%???}"
}

# seconds_since MS: the seconds since then, with one decimal.
seconds_since() {
  local ms=$(($(now_ms) - $1))
  printf '%d.%d' $((ms / 1000)) $((ms % 1000 / 100))
}

# ready WHAT BEGAN_MS: one aligned progress line.
ready() { say "$(printf '  %-24s ready %6s s' "$1" "$(seconds_since "$2")")"; }

# until_deadline SECONDS CMD…: runs the command until it succeeds; returns 1 after the deadline.
until_deadline() {
  local deadline=$(($(now_ms) + $1 * 1000))
  shift
  until "$@" >/dev/null 2>&1; do
    [ "$(now_ms)" -lt "$deadline" ] || return 1
    sleep 0.05
  done
}
