# Checks the cluster tool: clusters side by side are killed in every way that is likely to happen, and after 'down'
# nothing of them is left on the machine.
# shellcheck shell=bash

SELFTEST_NAMES=(self-a self-b self-c)

selftest_command() {
  no_more_args selftest "$@"
  require_root "cluster selftest"
  local before after name
  declare -gA SELFTEST_PIDNS=()
  for name in "${SELFTEST_NAMES[@]}"; do
    selftest_run down "$name"
  done
  before=$(selftest_machine)

  selftest_step "two clusters start side by side"
  selftest_start_both
  selftest_step "each runs a pod with a sidecar, a memory volume and an address of its own"
  selftest_pod self-a
  selftest_pod self-b
  selftest_step "a cluster that is up is left as it is"
  selftest_leaves_a_healthy_cluster_alone
  selftest_step "shims, apps, containerd, kubelet and etcd of one are killed: 'up' starts a new one, the other runs on"
  selftest_restarts_a_broken_cluster
  selftest_step "the first process of one is killed: all of its processes end, the other runs on"
  selftest_killing_the_node_ends_it
  selftest_step "a start is killed half-way"
  selftest_kill_a_start
  selftest_step "down, twice"
  for name in "${SELFTEST_NAMES[@]}" "${SELFTEST_NAMES[@]}"; do
    selftest_run down "$name"
  done
  selftest_step "no process, mount, namespace, link, cgroup, setting or file is left"
  selftest_no_process_left
  after=$(selftest_machine)
  [ "$before" = "$after" ] || {
    diff <(echo "$before") <(echo "$after") >&2 || true
    die "selftest: the machine differs from before; the lines with '>' are new"
  }
  say "selftest: passed"
}

selftest_step() { say "selftest: $*"; }

# Calls the tool as a user does: as a process of its own, with its own lock.
selftest_run() { "$SOURCE_DIR/cluster" "$@" || die "selftest: 'cluster $*' failed"; }

selftest_start_both() {
  local pid pids=()
  for name in self-a self-b; do
    "$SOURCE_DIR/cluster" up "$name" &
    pids+=($!)
  done
  for pid in "${pids[@]}"; do
    wait "$pid" || die "selftest: a cluster did not start; its output is above"
  done
}

selftest_pod() {
  local image
  image=$(image_tag busybox)
  selftest_run image "$1" "$image"
  kubectl_admin "$1" apply -f - >/dev/null <<EOT
apiVersion: v1
kind: Pod
metadata: {name: victim}
spec:
  securityContext: {runAsUser: 65532, runAsNonRoot: true}
  volumes: [{name: memory, emptyDir: {medium: Memory}}]
  initContainers:
  - name: sidecar
    image: "$image"
    restartPolicy: Always
    command: [sleep, "100000"]
    volumeMounts: [{name: memory, mountPath: /memory}]
  containers:
  - {name: app, image: "$image", command: [sleep, "100000"], volumeMounts: [{name: memory, mountPath: /memory}]}
EOT
  kubectl_admin "$1" wait --for=condition=Ready pod/victim --timeout=60s >/dev/null ||
    die "selftest: the pod in '$1' did not start"
  kubectl_admin "$1" exec victim -c app -- nslookup kubernetes.default.svc.cluster.local >/dev/null ||
    die "selftest: the pod in '$1' has no DNS"
  selftest_note_namespaces "$1"
}

# Remembers the pid namespaces of the node and its pods: the processes in them are the cluster's.
selftest_note_namespaces() {
  local pid own
  own=$(readlink "/proc/$(node_pid "$1")/ns/pid")
  SELFTEST_PIDNS[$own]=$1
  for pid in $(selftest_in_cgroup "$1"); do
    own=$(readlink "/proc/$pid/ns/pid" 2>/dev/null) || continue
    SELFTEST_PIDNS[$own]=$1
  done
}

selftest_in_cgroup() { grep -l "/$(cgroup_name "$1")/" /proc/[0-9]*/cgroup 2>/dev/null | cut -d/ -f3 || true; }

selftest_leaves_a_healthy_cluster_alone() {
  local first began
  first=$(node_pid self-a)
  began=$(now_ms)
  selftest_run up self-a
  [ $(($(now_ms) - began)) -lt 1000 ] ||
    die "selftest: 'up' of a cluster that is up took $(seconds_since "$began") s, more than 1 s"
  [ "$(node_pid self-a)" = "$first" ] || die "selftest: 'up' replaced a healthy cluster"
}

selftest_restarts_a_broken_cluster() {
  local other
  other=$(node_pid self-b)
  # Inside the node's pid namespace pkill sees no process of another cluster.
  in_node self-a pkill -KILL '^(containerd-shim|sleep|containerd|kubelet|etcd)' ||
    die "selftest: there was nothing to kill"
  ! up_is_healthy self-a || die "selftest: a cluster without containerd counts as healthy"
  selftest_run up self-a
  up_is_healthy self-a || die "selftest: the cluster did not come back"
  [ "$(node_pid self-b)" = "$other" ] && selftest_pod_runs self-b ||
    die "selftest: the other cluster was disturbed"
  selftest_pod self-a
}

selftest_pod_runs() {
  local fields='{.status.phase} {.status.containerStatuses[0].restartCount}'
  [ "$(kubectl_admin "$1" get pod victim -o "jsonpath=$fields")" = 'Running 0' ]
}

selftest_killing_the_node_ends_it() {
  kill -KILL "$(node_pid self-b)"
  until_deadline 15 selftest_is_empty self-b ||
    die "selftest: processes of 'self-b' outlive its first one: $(selftest_members self-b | tr '\n' ' ')"
  up_is_healthy self-a && selftest_pod_runs self-a || die "selftest: the other cluster was disturbed"
}

selftest_kill_a_start() {
  "$SOURCE_DIR/cluster" up self-c &
  local start=$!
  until_deadline 30 node_is_up self-c || die "selftest: 'self-c' did not begin to start"
  selftest_note_namespaces self-c
  kill -KILL "$start"
  wait "$start" 2>/dev/null || true
}

# selftest_members NAME: the pids, on the host, of every process of that cluster.
selftest_members() {
  local process own
  for process in /proc/[0-9]*; do
    own=$(readlink "$process/ns/pid" 2>/dev/null) || continue
    [ "${SELFTEST_PIDNS[$own]:-}" != "$1" ] || echo "${process#/proc/}"
  done
  selftest_in_cgroup "$1"
}

selftest_is_empty() { [ -z "$(selftest_members "$1")" ]; }

selftest_no_process_left() {
  local name
  for name in "${SELFTEST_NAMES[@]}"; do
    selftest_is_empty "$name" ||
      die "selftest: processes of '$name' are left: $(selftest_members "$name" | tr '\n' ' ')"
  done
}

# Everything that a cluster could leave on the machine. Other clusters may start and end meanwhile, so lines with their
# names are left out.
selftest_machine() {
  {
    ip netns list | sed 's/ .*//; s/^/network namespace /'
    ip -o link | awk -F': ' '{print "link", $2}'
    awk '{print "mount", $5}' /proc/self/mountinfo
    # shellcheck disable=SC2046 # a list of folders
    find $(cgroup_hierarchies) -maxdepth 1 -name 'cairn-*' -printf 'cgroup %p\n'
    find "$CLUSTERS_DIR" /run/lock -maxdepth 1 -name '*self-*' -printf 'file %p\n' 2>/dev/null || true
    local path
    for path in /run/containerd /run/netns/cni-* /var/lib/{kubelet,cni,containerd} /var/log/{pods,containers}; do
      [ ! -e "$path" ] || echo "file $path"
    done
    sysctl vm.overcommit_memory vm.panic_on_oom kernel.panic kernel.panic_on_oops
  } | awk '!/cairn-/ || /cairn-self-/' | sort
}
