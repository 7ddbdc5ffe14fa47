# Locks: one change at a time to a cluster, and to the built tools and images. The kernel drops a
# lock when its holder dies, however it dies.
# shellcheck shell=bash

# The names of clusters are the machine's, not the checkout's, and so is their lock. It holds the
# folder that owns the name.
cluster_lock_file() { printf '/run/lock/cairn-%s' "$1"; }

# lock FILE: waits for it, says so, and sets LOCK_FD. Whatever is started to outlive this process
# must not inherit that descriptor.
lock() {
  mkdir -p "$(dirname "$1")"
  while :; do
    exec {LOCK_FD}<>"$1"
    if ! flock -n "$LOCK_FD"; then
      say "waiting for another 'cluster' command that holds $1"
      flock "$LOCK_FD"
    fi
    # The holder before us may have removed the file: a lock on a file that nobody else can open is none.
    [ "$1" -ef "/proc/self/fd/$LOCK_FD" ] && return
    exec {LOCK_FD}>&-
  done
}

unlock() { exec {LOCK_FD}>&-; }

# Before a daemon is started: it would hold the caller's pipes, and whoever reads them would wait
# for ever. The lock stays until the daemon's own start, 255 is bash's script.
close_inherited() {
  local fd
  for fd in /proc/self/fd/*; do
    fd=${fd##*/}
    case $fd in
    0 | 1 | 2 | 255 | "${LOCK_FD:-}") ;;
    *) eval "exec $fd>&-" ;;
    esac
  done
}

# lock_cluster NAME: refuses a name that another checkout is using.
lock_cluster() {
  local file owner
  file=$(cluster_lock_file "$1")
  lock "$file"
  owner=$(cat "$file")
  if [ -n "$owner" ] && [ "$owner" != "$CAIRN_HOME" ] && [ -d "$owner/clusters/$1" ]; then
    die "the name '$1' is taken by $owner on this machine: choose another one, or run 'down $1' with CAIRN_HOME=$owner"
  fi
}

claim_cluster_name() { printf '%s' "$CAIRN_HOME" >"$(cluster_lock_file "$1")"; }

# Removed while it is held, so that nobody can be between opening and locking it unnoticed.
release_cluster_name() { rm -f "$(cluster_lock_file "$1")"; }
