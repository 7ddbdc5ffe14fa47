# Messages. Progress goes to standard error, so that standard output stays for answers.
# shellcheck shell=bash

say() { printf '%s\n' "$*" >&2; }

# One sentence and out: 1 for what went wrong, 2 for what was asked wrongly.
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

# seconds_since MS: with one decimal.
seconds_since() {
  local ms=$(($(now_ms) - $1))
  printf '%d.%d' $((ms / 1000)) $((ms % 1000 / 100))
}

# ready WHAT BEGAN_MS: one aligned progress line.
ready() { say "$(printf '  %-24s ready %6s s' "$1" "$(seconds_since "$2")")"; }

# until_deadline SECONDS CMD…: polls the condition; status 1 when the time has run out.
until_deadline() {
  local deadline=$(($(now_ms) + $1 * 1000))
  shift
  until "$@" >/dev/null 2>&1; do
    [ "$(now_ms)" -lt "$deadline" ] || return 1
    sleep 0.05
  done
}
