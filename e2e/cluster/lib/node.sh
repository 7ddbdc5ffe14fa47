# The node: a pid and a mount namespace with every process and mount of a cluster. Killing its first process ends all of
# them, pods included, in whatever state they are.
# shellcheck shell=bash

# The first process is found by its arguments and not by a pid in a file: pids are reused.
node_pid() { pgrep -f -x "cairn-node $1" || true; }

# The first process, also while it still runs node-init.sh; and its parents, which wait for it.
node_starting() { pgrep -f -x "(bash .*)?cairn-node $1" || true; }
node_parents() { pgrep -f -x "(setsid|nsenter|unshare) .*cairn-node $1" || true; }

node_is_gone() { [ -z "$(node_starting "$1")$(node_parents "$1")" ]; }

node_is_up() { [ -n "$(node_pid "$1")" ]; }

node_start() {
  local name=$1 dir
  dir=$(state_dir "$name")
  mkdir -p "$dir"/{logs,pids,pods,etcd,containerd,cni,kubelet/plugins,images}
  (
    close_inherited
    setsid nsenter --net="$(netns_path "$name")" \
      unshare --mount --pid --fork --kill-child --mount-proc \
      bash "$SOURCE_DIR/lib/node-init.sh" "$CAIRN_HOME" "$NODE_HOME" cairn-node "$name" \
      </dev/null >"$dir/logs/node.log" 2>&1 {LOCK_FD}>&- &
  )
  until_deadline 15 node_is_up "$name" || {
    tail -n 10 "$dir/logs/node.log" >&2
    die "the namespaces of '$name' could not be made; the reason is above"
  }
}

# Ends every process of the node. Returns when the kernel has collected them.
node_kill() {
  until_deadline 30 node_kill_once "$1" ||
    die "processes of '$1' do not end: $(node_starting "$1" | tr '\n' ' ')$(node_parents "$1" | tr '\n' ' ')"
}

# The parent is not killed: it reaps the first process and then ends. If both were killed, the first process would stay
# a zombie until the machine's init has reaped it.
node_kill_once() {
  local pids
  pids=$(node_starting "$1")
  # shellcheck disable=SC2086 # a list of numbers
  [ -z "$pids" ] || kill -KILL $pids 2>/dev/null || true
  node_is_gone "$1"
}

# in_node NAME CMD…: runs a command in the node's pid, mount and network namespaces.
in_node() {
  local name=$1 pid
  shift
  pid=$(node_pid "$name")
  [ -n "$pid" ] || die "cluster '$name' is not up: start it with 'cluster up $name'"
  nsenter --target "$pid" --mount --pid --net -- "$@"
}

# component_start NAME COMPONENT CMD…: runs a component in the background, with a log and a file with its pid in the
# node's pid namespace.
component_start() {
  local name=$1 component=$2
  shift 2
  (
    close_inherited
    # shellcheck disable=SC2016 # expanded by the inner shell
    in_node "$name" bash -c 'cd "$1" || exit; component=$2; shift 2
      setsid "$@" </dev/null >"logs/$component.log" 2>&1 & echo $! >"pids/$component"' \
      start "$(node_dir "$name")" "$component" "$@" {LOCK_FD}>&-
  )
}

# Looks into the node's own /proc through its first process, because the pid is of that namespace.
component_is_alive() {
  local pid init
  pid=$(cat "$(state_dir "$1")/pids/$2" 2>/dev/null) || return 1
  init=$(node_pid "$1")
  [ -n "$init" ] && [ -e "/proc/$init/root/proc/$pid/stat" ]
}

# component_await NAME COMPONENT BEGAN_MS SECONDS CONDITION…: waits for the condition. On failure it shows the
# component's log.
component_await() {
  local name=$1 component=$2 began=$3 seconds=$4 deadline beat
  shift 4
  deadline=$(($(now_ms) + seconds * 1000))
  beat=$(($(now_ms) + HEARTBEAT_SECONDS * 1000))
  until "$@" >/dev/null 2>&1; do
    component_is_alive "$name" "$component" || component_failed "$name" "$component" "has stopped"
    [ "$(now_ms)" -lt "$deadline" ] || component_failed "$name" "$component" "is not ready after $seconds s"
    if [ "$(now_ms)" -ge "$beat" ]; then
      say "  $component: still waiting, $(seconds_since "$began") s"
      beat=$(($(now_ms) + HEARTBEAT_SECONDS * 1000))
    fi
    sleep 0.1
  done
  ready "$component" "$began"
}

component_failed() {
  tail -n 20 "$(state_dir "$1")/logs/$2.log" >&2 || true
  die "$2 of cluster '$1' $3: its last lines are above, all of them in $(state_dir "$1")/logs/$2.log"
}
