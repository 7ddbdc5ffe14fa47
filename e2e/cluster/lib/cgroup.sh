# The cluster's root cgroup in every hierarchy. Kubelets that share /kubepods kill each other's pods, so each cluster
# has a root cgroup of its own.
# shellcheck shell=bash

CGROUP_MOUNT=/sys/fs/cgroup

# The mount points of all hierarchies: one with version 2, about ten with version 1.
cgroup_hierarchies() { awk '/ - cgroup2? /{print $5}' /proc/self/mountinfo; }

cgroup_is_v2() { [ "$(stat -f -c %T "$CGROUP_MOUNT")" = cgroup2fs ]; }

cgroup_create() {
  local hierarchy dir
  for hierarchy in $(cgroup_hierarchies); do
    dir=$hierarchy/$(cgroup_name "$1")
    mkdir -p "$dir"
    if [ -e "$dir/cpuset.cpus" ] && ! cgroup_is_v2; then
      # In version 1 a new cpuset is empty, and no process can run in it.
      cat "$hierarchy/cpuset.cpus" >"$dir/cpuset.cpus"
      cat "$hierarchy/cpuset.mems" >"$dir/cpuset.mems"
    fi
  done
  ! cgroup_is_v2 || cgroup_delegate "$1"
}

# In version 2 controllers are enabled level by level. The kubelet needs these.
cgroup_delegate() {
  local controller dir
  for controller in cpu cpuset memory pids io hugetlb; do
    for dir in "$CGROUP_MOUNT" "$CGROUP_MOUNT/$(cgroup_name "$1")"; do
      # Enabling a controller that the kernel does not have fails. The kubelet reports it when it needs the controller.
      { printf '+%s' "$controller" >"$dir/cgroup.subtree_control"; } 2>/dev/null || true
    done
  done
}

cgroup_dirs() {
  local hierarchy
  for hierarchy in $(cgroup_hierarchies); do
    [ ! -d "$hierarchy/$(cgroup_name "$1")" ] || printf '%s\n' "$hierarchy/$(cgroup_name "$1")"
  done
}

# One attempt, deepest first. It fails while a process that has just ended is still a member.
cgroup_remove_once() {
  local dir
  for dir in $(cgroup_dirs "$1"); do
    find "$dir" -depth -type d -exec rmdir {} + || return 1
  done
}

cgroup_remove() {
  until_deadline 15 cgroup_remove_once "$1" ||
    die "a cgroup of '$1' is still in use: $(cgroup_dirs "$1" | tr '\n' ' ')"
}
