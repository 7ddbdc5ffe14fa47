# Checks of the arguments. Bad input gets one message that says what to write.
# shellcheck shell=bash

# The name becomes part of a network namespace, a cgroup and a folder, each with the prefix "cairn-". 20 characters keep
# all of them readable.
NAME_PATTERN='^[a-z]([-a-z0-9]{0,18}[a-z0-9])?$'

# require_name COMMAND [NAME]
require_name() {
  [ -n "${2:-}" ] || bad_input "$1 needs the name of a cluster, for example: cluster $1 dev"
  [[ $2 =~ $NAME_PATTERN ]] ||
    bad_input "'$2' is not a valid cluster name: use 1 to 20 of a-z, 0-9 and '-', a letter first and no '-' last"
}

# no_more_args COMMAND EXTRA…
no_more_args() {
  [ $# -eq 1 ] || bad_input "$1 takes no argument '$2': 'cluster help' shows its arguments"
}

require_root() {
  [ "$(id -u)" -eq 0 ] || die "namespaces and cgroups need root: run '$1' as root, for example with sudo"
}
