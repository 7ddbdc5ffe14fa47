# Commands that run inside a cluster.
# shellcheck shell=bash

require_up() {
  require_root "cluster $1 $2"
  [ -e "$(netns_path "$2")" ] && [ -e "$(kubeconfig_of "$2")" ] && node_is_up "$2" && return
  die "cluster '$2' is not up: start it with 'cluster up $2'"
}

kubectl_admin() {
  local name=$1
  shift
  in_netns "$name" "$BIN_DIR/kubectl" --kubeconfig "$(kubeconfig_of "$name")" "$@"
}

# enter_tool TOOL NAME ARG…
enter_tool() {
  local tool=$1
  shift
  require_name "$tool" "${1:-}"
  require_up "$tool" "$1"
  KUBECONFIG=$(kubeconfig_of "$1") exec nsenter --net="$(netns_path "$1")" "$BIN_DIR/$tool" "${@:2}"
}

enter_command() {
  require_name enter "${1:-}"
  [ $# -ge 2 ] || bad_input "enter needs a command to run, for example: cluster enter $1 kubectl get pods"
  require_up enter "$1"
  KUBECONFIG=$(kubeconfig_of "$1") PATH=$BIN_DIR:$PATH exec nsenter --net="$(netns_path "$1")" "${@:2}"
}

node_command() {
  require_name node "${1:-}"
  [ $# -ge 2 ] || bad_input "node needs a command to run, for example: cluster node $1 ctr -n k8s.io tasks ls"
  require_up node "$1"
  in_node "$@"
}
