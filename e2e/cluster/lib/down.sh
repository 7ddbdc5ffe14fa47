# Removing a cluster: everything that belongs to it and nothing else, in whatever state it is.
# shellcheck shell=bash

down_command() {
  if [ "${1:-}" = --all ]; then
    no_more_args "down --all" "${@:2}"
    require_root "cluster down --all"
    local name
    for name in $(cluster_names); do
      (down_one "$name")
    done
    return
  fi
  require_name down "${1:-}"
  no_more_args down "${@:2}"
  require_root "cluster down $1"
  down_one "$1"
}

down_one() {
  local began
  began=$(now_ms)
  lock_cluster "$1"
  if up_has_remains "$1"; then
    down_everything "$1"
    say "cluster '$1' is gone ($(seconds_since "$began") s)"
  else
    say "cluster '$1' is not there"
  fi
  release_cluster_name "$1"
}

# With the node's last process its mounts and its pods' network namespaces are gone, because they exist only in the
# node's namespaces. What has a name on the host is removed here.
down_everything() {
  node_kill "$1"
  cgroup_remove "$1"
  netns_remove "$1"
  rm -rf "$(state_dir "$1")"
}
