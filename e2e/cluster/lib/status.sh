# Which components of a cluster run, and their logs.
# shellcheck shell=bash

status_command() {
  [ $# -le 1 ] || no_more_args status "${@:2}"
  [ $# -eq 0 ] || require_name status "$1"
  require_root "cluster status"
  local name found=
  for name in ${1:-$(cluster_names)}; do
    found=yes
    status_of "$name"
  done
  [ -n "$found" ] || echo "no clusters"
}

status_of() {
  local component
  if ! [ -d "$(state_dir "$1")" ]; then
    echo "$1: down"
    return
  fi
  if up_is_healthy "$1"; then
    echo "$1: up, KUBECONFIG=$(kubeconfig_of "$1")"
  else
    echo "$1: broken (${UNHEALTHY:-no process is left}); 'cluster up $1' starts a new one, 'cluster down $1' removes it"
  fi
  for component in "${COMPONENTS[@]}"; do
    if component_is_alive "$1" "$component"; then
      printf '  %-24s running\n' "$component"
    else
      printf '  %-24s not running\n' "$component"
    fi
  done
}

logs_command() {
  require_name logs "${1:-}"
  [ $# -le 2 ] || no_more_args logs "${@:3}"
  local dir
  dir=$(state_dir "$1")/logs
  [ -d "$dir" ] || die "cluster '$1' has no logs: it is down"
  if [ $# -eq 1 ]; then
    (cd "$dir" && wc -c -- *.log | awk '$2 != "total" {sub(/\.log$/, "", $2); printf "%-24s %9d bytes\n", $2, $1}')
    return
  fi
  [ -f "$dir/$2.log" ] || bad_input "'$2' has no log: write one of $(cd "$dir" && echo *.log | sed 's/\.log//g')"
  cat "$dir/$2.log"
}
