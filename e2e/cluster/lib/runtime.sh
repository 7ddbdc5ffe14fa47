# containerd, kubelet and kube-proxy: they run pods and give them addresses.
# shellcheck shell=bash

# Inside the node, where /run is the node's own; also ctr's default.
CONTAINERD_SOCKET=/run/containerd/containerd.sock
PAUSE_TAG=localhost/pause:1

containerd_configure() {
  local dir snapshotter=overlayfs
  dir=$(state_dir "$1")
  # An overlay cannot be the upper layer of another one.
  [ "$(stat -f -c %T "$dir")" != overlayfs ] || snapshotter=native
  # ptp and not bridge: every packet between pods is routed, so Services work without br_netfilter.
  cat >"$dir/cni/10-pods.conflist" <<EOT
{"cniVersion": "0.4.0", "name": "pods", "plugins": [
  {"type": "ptp", "ipMasq": false, "ipam": {"type": "host-local", "dataDir": "/run/ipam",
    "ranges": [$(cni_ranges)], "routes": [$(cni_routes)]}},
  {"type": "portmap", "capabilities": {"portMappings": true}}]}
EOT
  # disable_apparmor: containerd would load a profile into the kernel, for the whole machine.
  # restrict_oom_score_adj: without CAP_SYS_RESOURCE the score cannot be lowered, and runc fails.
  cat >"$dir/containerd.toml" <<EOT
version = 2
root = "$(node_dir "$1")/containerd"
state = "/run/containerd"
[grpc]
  address = "$CONTAINERD_SOCKET"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "$PAUSE_TAG"
  disable_apparmor = true
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "$(node_dir "$1")/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "$snapshotter"
EOT
}

# cni_ranges, cni_routes: an address and a default route of each family for each pod.
cni_ranges() { family_each "$POD_CIDR" | sed 's|.*|[{"subnet": "&"}]|' | paste -sd ,; }
cni_routes() {
  family_each "$POD_CIDR" | sed '/:/ s|.*|{"dst": "::/0"}|; /[.]/ s|.*|{"dst": "0.0.0.0/0"}|' | paste -sd ,
}

containerd_start() {
  containerd_configure "$1"
  component_start "$1" containerd containerd --config containerd.toml
}

containerd_is_ready() { in_node "$1" ctr --connect-timeout 1s --timeout 2s version; }

kubelet_configure() {
  local dir
  dir=$(node_dir "$1")
  echo "nameserver $DNS_SERVICE_IP" >"$(state_dir "$1")/resolv.conf"
  # syncFrequency: the longest that a pod's files may lag behind its annotations when an update was missed.
  # failCgroupV1: by default 1.35 refuses cgroup version 1.
  # evictionHard: a full disk of the developer must not evict the tests' pods.
  cat >"$(state_dir "$1")/kubelet.yaml" <<EOT
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication: {x509: {clientCAFile: $dir/pki/ca.crt}, webhook: {enabled: true}, anonymous: {enabled: false}}
authorization: {mode: Webhook}
address: "$ANY_IP"
tlsCertFile: $dir/pki/kubelet.crt
tlsPrivateKeyFile: $dir/pki/kubelet.key
clusterDNS: ["$DNS_SERVICE_IP"]
clusterDomain: cluster.local
resolvConf: $dir/resolv.conf
containerRuntimeEndpoint: unix://$CONTAINERD_SOCKET
volumePluginDir: $dir/kubelet/plugins
failCgroupV1: false
cgroupDriver: cgroupfs
cgroupsPerQOS: true
cgroupRoot: /$(cgroup_name "$1")
failSwapOn: false
maxPods: 200
serializeImagePulls: false
imageGCHighThresholdPercent: 100
evictionHard: {memory.available: "100Mi", nodefs.available: "0%", imagefs.available: "0%", nodefs.inodesFree: "0%"}
syncFrequency: 10s
EOT
}

kubelet_start() {
  kubelet_configure "$1"
  component_start "$1" kubelet "$CONTROLPLANE_BIN/kubelet" --config=kubelet.yaml --kubeconfig=kubelet.conf \
    --hostname-override=node --node-ip="$NODE_IPS" --root-dir="$(node_dir "$1")/kubelet" --cert-dir=pki --v=2
}

node_is_ready() {
  [ "$(kubectl_admin "$1" get node node -o 'jsonpath={.status.conditions[?(@.type=="Ready")].status}')" = True ]
}

proxy_start() {
  # conntrack-max-per-core: kube-proxy would set the size of the machine's own table.
  component_start "$1" kube-proxy "$CONTROLPLANE_BIN/kube-proxy" --kubeconfig=kube-proxy.conf --hostname-override=node \
    --proxy-mode=iptables --cluster-cidr="$POD_CIDR" --conntrack-max-per-core=0
}
