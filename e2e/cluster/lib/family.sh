# The addresses of a cluster: of IPv4, of IPv6 alone, or of both, with IPv4 first. Each cluster has a network of its
# own, so all clusters of a family have the same ones.
# shellcheck shell=bash
# shellcheck disable=SC2034 # other files use these variables

# family_use FAMILY: sets the addresses. Lists are separated by commas.
family_use() {
  FAMILY=$1
  case $FAMILY in
  ipv4 | dual)
    NODE_IP=10.244.255.1
    POD_CIDR=10.244.0.0/24
    SERVICE_CIDR=10.96.0.0/16
    API_SERVICE_IP=10.96.0.1
    DNS_SERVICE_IP=10.96.0.10
    ANY_IP=0.0.0.0
    NODE_IPS=$NODE_IP
    ;;
  ipv6)
    NODE_IP=fd00:10:244:ffff::1
    POD_CIDR=fd00:10:244::/64
    SERVICE_CIDR=fd00:10:96::/112
    API_SERVICE_IP=fd00:10:96::1
    DNS_SERVICE_IP=fd00:10:96::a
    ANY_IP=::
    NODE_IPS=$NODE_IP
    ;;
  *) bad_input "'$FAMILY' is no family of addresses: write ipv4, ipv6 or dual, for example: cluster up dev ipv6" ;;
  esac
  [ "$FAMILY" = dual ] || return 0
  ANY_IP=::
  NODE_IPS=$NODE_IP,fd00:10:244:ffff::1
  POD_CIDR=$POD_CIDR,fd00:10:244::/64
  SERVICE_CIDR=$SERVICE_CIDR,fd00:10:96::/112
}

family_file() { printf '%s/family' "$(state_dir "$1")"; }

# The family of a cluster that is up. It has no such file when an earlier version of this tool has started it.
family_of() { cat "$(family_file "$1")" 2>/dev/null || echo ipv4; }

# family_each LIST: its addresses or networks, one a line.
family_each() { tr ',' '\n' <<<"$1"; }

is_ipv6() { [[ $1 == *:* ]]; }
