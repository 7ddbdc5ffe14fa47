#!/usr/bin/env bash
# Checks the chart without a cluster: lint, two renders are equal, renders contain what their values ask for, bad values
# are refused, and deploy/cairn.yaml equals a new render.
#   HELM=helm charts/check.sh
set -euo pipefail
# A path in HELM is relative to the caller's folder.
[[ ${HELM:=helm} != */* ]] || HELM=$(realpath -ms "$HELM")
cd "$(dirname "${BASH_SOURCE[0]}")"

command -v "$HELM" >/dev/null || {
  echo "charts/check.sh: '$HELM' is not there; install Helm, or set HELM to its path" >&2
  exit 2
}
SCRATCH=$(mktemp -d)
trap 'rm -rf "$SCRATCH"' EXIT
failed=0

# The output of the last render, or the error of the last refusal. The checks read it.
OUT=$SCRATCH/out

say() { echo "chart: $1"; }
bad() {
  echo "chart: FAILED: $1" >&2
  failed=1
}

# render [FLAG…]: renders the whole chart as release cairn in cairn-system.
render() {
  if ! "$HELM" template cairn cairn --namespace cairn-system "$@" >"$OUT" 2>"$SCRATCH/error"; then
    bad "helm template $* failed: $(cat "$SCRATCH/error")"
  fi
}

has() { grep -qF -- "$1" "$OUT" || bad "$what: '$1' is missing"; }
has_not() { ! grep -qF -- "$1" "$OUT" || bad "$what: '$1' must not be there"; }
# count N TEXT: exactly N lines contain TEXT.
count() {
  local found
  found=$(grep -cF -- "$2" "$OUT" || true)
  [ "$found" = "$1" ] || bad "$what: '$2' is in $found lines, not in $1"
}

# refused TEXT FLAG…: these values are refused with a message that contains TEXT. Prints the message.
refused() {
  local text=$1
  shift
  if "$HELM" template cairn cairn "$@" >/dev/null 2>"$OUT"; then
    bad "$* is accepted"
  else
    what="refusal of $*"
    has "$text"
    sed '/^Error: values/d;/^cairn:/d;/^Use --debug/d;/^$/d' "$OUT" | sed "s|^|  $* => |"
  fi
}

say "lint"
"$HELM" lint --strict cairn >"$OUT" 2>&1 || bad "helm lint: $(cat "$OUT")"

say "two renders are byte-identical, by default and with everything on"
everything=(--set 'etcd.replicas=3,etcd.networkPolicy.enabled=true,clusterDomain=example.org,imagePullSecrets={a,b}'
  --set 'webhook.podLabels.x=a,webhook.podAnnotations.y=b,webhook.nodeSelector.z=c,webhook.priorityClassName=p')
for flags in "" "${everything[*]}"; do
  # shellcheck disable=SC2086 # none of the values contains a blank
  render $flags && cp "$OUT" "$SCRATCH/first"
  # shellcheck disable=SC2086
  render $flags
  cmp -s "$OUT" "$SCRATCH/first" || bad "two renders with '$flags' differ"
done

say "default: one member on a volume, two webhooks, no CA"
what="default render"
render
has_not 'caBundle'
has 'helm.sh/resource-policy: keep'
! grep -qx 'kind: Pool' "$OUT" || bad "$what: a Pool in the release of its CRD cannot be installed"
has 'replicas: 2'
has 'image: quay.io/coreos/etcd:v3.6.14'
# A program in the member's pod decides how it starts, so no render tells etcd to form a cluster.
has_not 'initial-cluster'
has "'--peer-url=http://{name}.cairn-etcd-peers.cairn-system.svc:2380'"
one=http://cairn-etcd.cairn-system.svc:2379,http://cairn-etcd-0.cairn-etcd-peers.cairn-system.svc:2379
has "--etcd=$one"
has "--sidecar-etcd=$one"
has '"quota-backend-bytes":1073741824'
has 'resourceNames: [cairn-etcd-cluster]'
has '--etcd-prefix=/cairn/v1/'
has '--installation-record=cairn-installation'
has '--etcd-record=cairn-etcd-cluster'
! grep -qx 'kind: ConfigMap' "$OUT" || bad "$what: the record of the cluster must outlive the release"
has '"kube-system","cairn-system"'
has 'volumeClaimTemplates:'
has_not 'emptyDir: {sizeLimit: "4Gi"}'
has_not 'OnDelete'
has_not 'kind: NetworkPolicy'
count 1 'kind: PodDisruptionBudget'
# The webhook, etcd and its two helpers: every container of the chart has the same restrictions.
count 2 'runAsNonRoot: true'
count 4 'allowPrivilegeEscalation: false'
count 2 'seccompProfile: {type: RuntimeDefault}'

say "no volume"
what="persistence off"
render --set etcd.persistence.enabled=false
has 'emptyDir: {sizeLimit: "4Gi"}'
has 'type: OnDelete'
has_not 'volumeClaimTemplates:'

say "three members: each is listed beside their Service, and only one may be disrupted at a time"
what="three members"
render --set etcd.replicas=3,etcd.networkPolicy.enabled=true,clusterDomain=cluster.local
peers=cairn-etcd-peers.cairn-system.svc.cluster.local
three=http://cairn-etcd-0.$peers:2379,http://cairn-etcd-1.$peers:2379,http://cairn-etcd-2.$peers:2379
has "--etcd=http://cairn-etcd.cairn-system.svc.cluster.local:2379,$three"
has 'kind: NetworkPolicy'
has_not '{port: metrics}'
count 2 'kind: PodDisruptionBudget'

say "only the scrapers in metricsFrom reach etcd's metrics"
what="scrapers"
render --set 'etcd.networkPolicy.enabled=true,etcd.networkPolicy.metricsFrom[0].podSelector.matchLabels.app=prometheus'
count 1 '{port: metrics}'
has 'app: prometheus'

say "the pod templates of one and of three members are equal, so that growing restarts no member"
template() { "$HELM" template cairn cairn -s templates/etcd-statefulset.yaml --set "$1" | sed '/^  replicas:/d'; }
diff <(template etcd.replicas=1) <(template etcd.replicas=3) >"$OUT" || bad "the pod templates differ: $(cat "$OUT")"

say "an external etcd"
what="external etcd"
render --set 'etcd.enabled=false,etcd.endpoints={http://a.example:2379,http://b.example:2379}'
has '--etcd=http://a.example:2379,http://b.example:2379'
has '--sidecar-etcd=http://a.example:2379,http://b.example:2379'
has_not 'kind: StatefulSet'
has_not 'cairn-etcd'
has_not '--etcd-record'

say "one webhook needs no disruption budget; digests win over tags; other names and ports"
what="own images and names"
digest=sha256:$(printf '0%.0s' {1..64})
render --set "fullnameOverride=stone,webhook.replicas=1,webhook.image.digest=$digest" \
  --set sidecar.image.tag=dev,webhook.admissionPort=8443
has_not 'kind: PodDisruptionBudget'
has "image: ghcr.io/cairn-dev/cairn-webhook@$digest"
has '--sidecar-image=ghcr.io/cairn-dev/cairn-sidecar:dev'
has '--admission-listen=0.0.0.0:8443'
has '--secret=stone-webhook-ca'
has '--mirror-lease=stone-webhook-mirror'
has 'system:serviceaccount:cairn-system:stone-webhook'
has_not 'name: cairn-webhook'

say "values that are refused"
refused "at '/etcd/endpoints': minItems: got 0, want 1" --set etcd.enabled=false
refused "set etcd.enabled=false to use them" --set 'etcd.endpoints={http://a:2379}'
refused "at '/etcd/endpoints/0'" --set 'etcd.enabled=false,etcd.endpoints={a:2379}'
refused "at '/etcd/endpoints/0'" --set 'etcd.enabled=false,etcd.endpoints={http://a}'
refused "at '/etcd/endpoints/0'" --set 'etcd.enabled=false,etcd.endpoints={https://a:2379}'
refused "at '/etcd/keyPrefix'" --set etcd.keyPrefix=cairn
refused "at '/etcd/replicas': value must be one of 1, 3, 5" --set etcd.replicas=2
refused "additional properties 'replica' not allowed" --set webhook.replica=3
refused "additional properties 'webhooks' not allowed" --set webhooks.replicas=3
refused "at '/webhook/replicas': minimum: got 0, want 1" --set webhook.replicas=0
refused "at '/webhook/envMode': value must be one of" --set webhook.envMode=magic
refused "at '/webhook/logLevel'" --set webhook.logLevel=debg
refused "at '/webhook/image/digest'" --set webhook.image.digest=latest
refused "at '/etcd/persistence/enabled': got string, want boolean" --set-string etcd.persistence.enabled=no
refused "chart requires kubeVersion: >=1.30.0-0" --kube-version 1.29.9

say "the version strings of EKS and GKE are accepted"
what="EKS and GKE"
render --kube-version v1.30.4-eks-a737599
render --kube-version v1.31.1-gke.1678000

say "deploy/cairn.yaml equals a new render"
HELM=$HELM ./render.sh >"$OUT" || bad "charts/render.sh failed"
diff -u ../deploy/cairn.yaml "$OUT" >"$SCRATCH/drift" ||
  bad "deploy/cairn.yaml differs: run charts/render.sh > deploy/cairn.yaml
$(head -40 "$SCRATCH/drift")"

[ "$failed" = 0 ] || exit 1
say "all well"
