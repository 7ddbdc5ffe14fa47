# Starting a cluster: each component after those that it needs.
# shellcheck shell=bash

COMPONENTS=(etcd containerd kube-apiserver kube-controller-manager kube-scheduler kubelet kube-proxy coredns)

# How long one component may take on a busy machine before it counts as broken.
READY_SECONDS=120

up_command() {
  require_name up "${1:-}"
  [ $# -le 2 ] || no_more_args up "${@:3}"
  family_use "${2:-ipv4}"
  require_root "cluster up $1"
  local name=$1 began
  began=$(now_ms)
  lock_cluster "$name"
  if up_is_healthy "$name"; then
    [ -z "${2:-}" ] || [ "$(family_of "$name")" = "$2" ] ||
      die "cluster '$name' is up with addresses of $(family_of "$name"): run 'cluster down $name' first"
    say "cluster '$name' is up"
    return
  fi
  up_check_tools
  if up_has_remains "$name"; then
    say "cluster '$name' is not healthy (${UNHEALTHY:-it was not taken down}): removing it and starting a new one"
    down_everything "$name"
  fi
  say "cluster '$name': starting Kubernetes $(sed -n 's|^\tk8s.io/kubernetes ||p' "$SOURCE_DIR/go.mod")"
  claim_cluster_name "$name"
  up_start "$name"
  say "cluster '$name' is up after $(seconds_since "$began") s:" \
    "KUBECONFIG=$(kubeconfig_of "$name"), or 'cluster kubectl $name …'"
}

up_check_tools() {
  local tool
  for tool in containerd runc iptables conntrack openssl curl busybox buildah /usr/lib/cni/ptp; do
    command -v "$tool" >/dev/null || die "$tool is missing: run 'cluster setup' first"
  done
  for tool in etcd node pause; do
    [ -x "$BIN_DIR/$tool" ] || die "$BIN_DIR/$tool is not there: run 'cluster build' first"
  done
}

# Whether every component runs, and the API server and the node are ready. Otherwise UNHEALTHY says why not.
up_is_healthy() {
  local component
  UNHEALTHY=
  node_is_up "$1" || return 1
  for component in "${COMPONENTS[@]}"; do
    component_is_alive "$1" "$component" || {
      UNHEALTHY="$component does not run"
      return 1
    }
  done
  UNHEALTHY="its start did not finish"
  [ -e "$(state_dir "$1")/started" ] || return 1
  UNHEALTHY="its API server or node is not ready"
  apiserver_is_ready "$1" >/dev/null && node_is_ready "$1"
}

up_has_remains() {
  [ -e "$(state_dir "$1")" ] || [ -e "$(netns_path "$1")" ] || ! node_is_gone "$1" || [ -n "$(cgroup_dirs "$1")" ]
}

up_start() {
  local name=$1 began
  began=$(now_ms)
  cgroup_create "$name"
  netns_create "$name"
  node_start "$name"
  printf '%s' "$FAMILY" >"$(family_file "$name")"
  etcd_start "$name"
  containerd_start "$name"
  pki_create "$name"
  ready "namespaces and keys" "$began"
  component_await "$name" etcd "$began" "$READY_SECONDS" etcd_is_ready "$name"
  apiserver_start "$name"
  component_await "$name" containerd "$began" "$READY_SECONDS" containerd_is_ready "$name"
  image_build pause
  image_import "$name" pause
  component_await "$name" kube-apiserver "$began" "$READY_SECONDS" apiserver_is_ready "$name"
  kcm_start "$name"
  kubelet_start "$name"
  scheduler_start "$name"
  proxy_start "$name"
  dns_start "$name"
  dns_expose "$name"
  component_await "$name" kube-controller-manager "$began" "$READY_SECONDS" default_account_exists "$name"
  component_await "$name" kube-scheduler "$began" "$READY_SECONDS" scheduler_is_ready "$name"
  component_await "$name" kubelet "$began" "$READY_SECONDS" node_is_ready "$name"
  component_await "$name" coredns "$began" "$READY_SECONDS" dns_resolves "$name"
  touch "$(state_dir "$name")/started"
}
