#!/usr/bin/env bash
# Runs as process 1 of a node's own pid and mount namespaces: makes the node's view of the file system and then holds
# the namespaces open. What the node's processes mount or write outside of the cluster's folder is in memory file
# systems that only they see. These are gone when the last process has ended.
#
# node-init.sh HOME NODE_HOME cairn-node NAME: the host finds the process by the last two words; see node.sh.
set -euo pipefail

home=$1
node_home=$2
name=$4
dir=$node_home/clusters/$name

# /mnt is used only in between: the home may be below one of the folders that are hidden next.
mount --bind "$home" /mnt
# Sockets, locks, pod network namespaces, logs, the CNI cache, device plugins, temporary mounts.
for hidden in /run /var/log /var/lib /tmp; do
  mount -t tmpfs -o mode=755 node "$hidden"
done
chmod 1777 /tmp
mkdir -p "$node_home" /run/lock /run/netns /var/log/pods
mount --move /mnt "$node_home"
mount --bind "$dir/pods" /var/log/pods
# Mount propagation into pods needs shared mounts. They are shared among this node's own processes only.
mount --make-rshared /

# The kubelet would set these for the whole machine. With these files mounted over them it finds the values that it
# wants, and the machine keeps its own.
sysctls=/run/sysctls
mkdir "$sysctls"
while read -r key value; do
  printf '%s\n' "$value" >"$sysctls/${key//\//.}"
  [ ! -e "/proc/sys/$key" ] || mount --bind "$sysctls/${key//\//.}" "/proc/sys/$key"
done <<'EOT'
vm/overcommit_memory 1
vm/panic_on_oom 0
kernel/panic 10
kernel/panic_on_oops 1
kernel/keys/root_maxkeys 1000000
kernel/keys/root_maxbytes 25000000
EOT

exec -a cairn-node "$node_home/bin/pause" "$name"
