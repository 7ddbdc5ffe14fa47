# Locks: one change at a time to a cluster, and to the built tools and images. The kernel releases a lock when its
# holder ends, also when it is killed.
# shellcheck shell=bash

# A cluster's name is unique on the machine, over all checkouts, and so is its lock. The file contains the CAIRN_HOME
# that uses the name.
cluster_lock_file() { printf '/run/lock/cairn-%s' "$1"; }

# lock FILE: waits for the lock, says that it waits, and sets LOCK_FD. A process that outlives this one must not inherit
# that descriptor.
lock() {
  mkdir -p "$(dirname "$1")"
  while :; do
    exec {LOCK_FD}<>"$1"
    if ! flock -n "$LOCK_FD"; then
      say "waiting for another 'cluster' command that holds $1"
      flock "$LOCK_FD"
    fi
    # The previous holder may have removed the file. Then our lock is on a file that nobody else can open.
    [ "$1" -ef "/proc/self/fd/$LOCK_FD" ] && return
    exec {LOCK_FD}>&-
  done
}

unlock() { exec {LOCK_FD}>&-; }

# Called before a daemon is started: it would keep the caller's pipes open, and their readers would wait for ever. The
# lock's descriptor is closed when the daemon starts. 255 is bash's descriptor of the script.
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

# lock_cluster NAME: fails when another checkout uses the name.
lock_cluster() {
  local file owner
  file=$(cluster_lock_file "$1")
  lock "$file"
  owner=$(cat "$file")
  if [ -n "$owner" ] && [ "$owner" != "$CAIRN_HOME" ] && [ -d "$owner/clusters/$1" ]; then
    die "the name '$1' is used by $owner on this machine: choose another one, or run 'down $1' with CAIRN_HOME=$owner"
  fi
}

claim_cluster_name() { printf '%s' "$CAIRN_HOME" >"$(cluster_lock_file "$1")"; }

# The file is removed while its lock is held: 'lock' above notices that it locked a removed file.
release_cluster_name() { rm -f "$(cluster_lock_file "$1")"; }
