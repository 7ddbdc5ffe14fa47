# The cluster's network: a namespace of its own, so that all addresses can be fixed.
# shellcheck shell=bash

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
  in_netns "$1" ip link set node0 up
  local ip
  for ip in $(family_each "$NODE_IPS"); do
    netns_address "$1" "$ip"
  done
  in_netns "$1" sysctl -qw \
    net.ipv4.ip_forward=1 net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0 \
    net.ipv6.conf.all.forwarding=1
}

# netns_address NAME IP: an address of the node, and the default route that the kubelet and kube-proxy need. It leads
# nowhere.
netns_address() {
  if is_ipv6 "$2"; then
    # nodad: a bridge without ports never finds out whether others have the address, and would not use it.
    in_netns "$1" ip -6 addr add "$2/128" dev node0 nodad
    in_netns "$1" ip -6 route add default dev node0 src "$2"
  else
    in_netns "$1" ip addr add "$2/32" dev node0
    in_netns "$1" ip route add default dev node0 src "$2"
  fi
}

netns_remove() {
  [ ! -e "$(netns_path "$1")" ] || ip netns del "$(netns_name "$1")" ||
    die "the network namespace $(netns_name "$1") could not be removed"
}
