# Paths and names, on the host and inside a node.
# shellcheck shell=bash

BIN_DIR=$CAIRN_HOME/bin
IMAGES_DIR=$CAIRN_HOME/images
CLUSTERS_DIR=$CAIRN_HOME/clusters

# Inside a node CAIRN_HOME is always mounted here. A unix socket path may have 108 bytes, and the path of the repository
# may be long.
NODE_HOME=/run/cairn

state_dir() { printf '%s/%s' "$CLUSTERS_DIR" "$1"; }
node_dir() { printf '%s/clusters/%s' "$NODE_HOME" "$1"; }
netns_name() { printf 'cairn-%s' "$1"; }
netns_path() { printf '/run/netns/cairn-%s' "$1"; }
cgroup_name() { printf 'cairn-%s' "$1"; }
kubeconfig_of() { printf '%s/admin.conf' "$(state_dir "$1")"; }

cluster_names() {
  local dir
  for dir in "$CLUSTERS_DIR"/*/; do
    [ -d "$dir" ] && basename "$dir"
  done
  return 0
}
