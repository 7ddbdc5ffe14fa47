# The cluster's network: a namespace of its own, so that all addresses can be fixed.
# shellcheck shell=bash

NODE_IP=10.244.255.1
POD_CIDR=10.244.0.0/24
SERVICE_CIDR=10.96.0.0/16
API_SERVICE_IP=10.96.0.1
DNS_SERVICE_IP=10.96.0.10

in_netns() {
  local name=$1
  shift
  nsenter --net="$(netns_path "$name")" "$@"
}

netns_create() {
  ip netns add "$(netns_name "$1")"
  in_netns "$1" ip link set lo up
  # The node's interface. It is a bridge without ports, because dummy links need a module that small kernels lack.
  in_netns "$1" ip link add node0 type bridge
  in_netns "$1" ip addr add "$NODE_IP/32" dev node0
  in_netns "$1" ip link set node0 up
  # The kubelet and kube-proxy need a default route. It leads nowhere.
  in_netns "$1" ip route add default dev node0 src "$NODE_IP"
  in_netns "$1" sysctl -qw \
    net.ipv4.ip_forward=1 net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0
}

netns_remove() {
  [ ! -e "$(netns_path "$1")" ] || ip netns del "$(netns_name "$1")" ||
    die "the network namespace $(netns_name "$1") could not be removed"
}
