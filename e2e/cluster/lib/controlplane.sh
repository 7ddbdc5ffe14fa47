# etcd, kube-apiserver, kube-controller-manager and kube-scheduler, started as the node's own processes.
# shellcheck shell=bash

CONTROLPLANE_BIN=$NODE_HOME/bin

etcd_start() {
  # The data is not needed after a crash of the machine, so etcd need not wait for the disk.
  component_start "$1" etcd "$CONTROLPLANE_BIN/etcd" --data-dir etcd --unsafe-no-fsync --log-level warn \
    --listen-client-urls http://127.0.0.1:2379 --advertise-client-urls http://127.0.0.1:2379 \
    --listen-peer-urls http://127.0.0.1:2380 --initial-advertise-peer-urls http://127.0.0.1:2380 \
    --initial-cluster default=http://127.0.0.1:2380
}

etcd_is_ready() { in_netns "$1" curl -sf --max-time 2 http://127.0.0.1:2379/health; }

apiserver_start() {
  component_start "$1" kube-apiserver "$CONTROLPLANE_BIN/kube-apiserver" \
    --etcd-servers=http://127.0.0.1:2379 --advertise-address="$NODE_IP" --secure-port=6443 --bind-address="$ANY_IP" \
    --service-cluster-ip-range="$SERVICE_CIDR" --allow-privileged=true \
    --service-account-issuer=https://kubernetes.default.svc \
    --service-account-key-file=pki/sa.pub --service-account-signing-key-file=pki/sa.key \
    --client-ca-file=pki/ca.crt --tls-cert-file=pki/apiserver.crt --tls-private-key-file=pki/apiserver.key \
    --kubelet-client-certificate=pki/admin.crt --kubelet-client-key=pki/admin.key \
    --kubelet-preferred-address-types=InternalIP \
    --authorization-mode=Node,RBAC --enable-admission-plugins=NodeRestriction
}

apiserver_is_ready() {
  in_netns "$1" curl -sf --max-time 2 --cacert "$(state_dir "$1")/pki/ca.crt" https://127.0.0.1:6443/readyz
}

# apiserver NAME stop|start: takes the API server away, as a restart of the control plane does, and back.
apiserver_command() {
  require_name apiserver "${1:-}"
  [ $# -le 2 ] || no_more_args apiserver "${@:3}"
  require_up apiserver "$1"
  lock_cluster "$1"
  case ${2:-} in
  stop)
    in_node "$1" bash -c 'kill -KILL "$(cat "$1")"' stop "$(node_dir "$1")/pids/kube-apiserver"
    until_deadline 10 apiserver_is_gone "$1" || die "the API server of cluster '$1' still runs after 10 s"
    ;;
  start)
    family_use "$(family_of "$1")"
    component_is_alive "$1" kube-apiserver || apiserver_start "$1"
    component_await "$1" kube-apiserver "$(now_ms)" "$READY_SECONDS" apiserver_is_ready "$1"
    ;;
  *) bad_input "apiserver needs 'stop' or 'start', for example: cluster apiserver $1 stop" ;;
  esac
}

apiserver_is_gone() { ! component_is_alive "$1" kube-apiserver; }

kcm_start() {
  component_start "$1" kube-controller-manager "$CONTROLPLANE_BIN/kube-controller-manager" \
    --kubeconfig=kube-controller-manager.conf --leader-elect=false --use-service-account-credentials \
    --service-account-private-key-file=pki/sa.key --root-ca-file=pki/ca.crt \
    --cluster-cidr="$POD_CIDR" --allocate-node-cidrs=false
}

# The API server answers before this account exists, and refuses pods until it exists.
default_account_exists() { kubectl_admin "$1" get serviceaccount default; }

scheduler_start() {
  component_start "$1" kube-scheduler "$CONTROLPLANE_BIN/kube-scheduler" \
    --kubeconfig=kube-scheduler.conf --leader-elect=false
}

scheduler_is_ready() { in_netns "$1" curl -sfk --max-time 2 https://127.0.0.1:10259/healthz; }
