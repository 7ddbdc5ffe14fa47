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
everything=(--set 'etcd.replicas=3,clusterDomain=example.org,imagePullSecrets={a,b},webhook.certificate.secretName=c'
  --set 'webhook.podLabels.x=a,webhook.podAnnotations.y=b,webhook.nodeSelector.z=c,webhook.priorityClassName=p')
for flags in "" "${everything[*]}"; do
  # shellcheck disable=SC2086 # none of the values contains a blank
  render $flags && cp "$OUT" "$SCRATCH/first"
  # shellcheck disable=SC2086
  render $flags
  cmp -s "$OUT" "$SCRATCH/first" || bad "two renders with '$flags' differ"
  what="two renders"
  ! grep -qx 'kind: Secret' "$OUT" || bad "$what: a render must not contain a Secret"
  has_not 'PRIVATE KEY'
  has_not 'BEGIN CERTIFICATE'
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
has "'--peer-url=https://{name}.cairn-etcd-peers.cairn-system.svc:2380'"
one=https://cairn-etcd.cairn-system.svc:2379,https://cairn-etcd-0.cairn-etcd-peers.cairn-system.svc:2379
# Only etcd's probes and metrics are served without TLS.
count 2 'http://'
count 2 '"listen-metrics-urls":"http://0.0.0.0:2381"'
# The clients' port serves gRPC alone: see docs/benchmarks.md.
count 2 '"listen-client-http-urls":"https://localhost:2382"'
has "--etcd=$one"
has "--sidecar-etcd=$one"
has '"quota-backend-bytes":1073741824'
has 'resourceNames: [cairn-etcd-cluster]'
has '--etcd-prefix=/cairn/v1/'
has '--installation-record=cairn-installation'
has '--etcd-record=cairn-etcd-cluster'
! grep -qx 'kind: ConfigMap' "$OUT" || bad "$what: the record of the cluster must outlive the release"
count 2 '!(request.namespace in ["kube-system"])'
# AKS owns the selectors of webhooks.
awk '/^kind: (Mutating|Validating)WebhookConfiguration/ { config = 1 } /^---/ { config = 0 }
  config && /namespaceSelector/' "$OUT" >"$SCRATCH/selectors"
[ ! -s "$SCRATCH/selectors" ] || bad "$what: a webhook configuration has a namespaceSelector"
count 2 'admissions.enforcer/disabled: "true"'
has 'volumeClaimTemplates:'
has_not 'emptyDir: {sizeLimit: "4Gi"}'
has_not 'OnDelete'
count 2 'kind: NetworkPolicy'
count 1 'kind: PodDisruptionBudget'
count 2 'enableServiceLinks: false'
count 4 'readOnlyRootFilesystem: true'
# The member's keys are in memory, and only the two helpers have a token.
has 'emptyDir: {medium: Memory, sizeLimit: 1Mi}'
has '--etcd-ca-secret=cairn-etcd-ca'
has '--agent-listen=[::]:8443'
has '{name: agent, port: 8443, targetPort: agent}'
has_not '--isolation'
has_not 'etcd-issuer-cert'

say "least privilege: no wildcard, no patch of pods, Secrets by name"
what="permissions"
has_not '"*"'
has_not "'*'"
has_not '[*]'
has 'resources: [tokenreviews]'
count 2 'resourceNames: [cairn-etcd-ca]'
count 1 'resourceNames: [cairn-webhook-ca]'
# A rule about pods or Secrets: its verbs stand two lines below, or one line when it has no names.
awk '/resources: \[pods\]/ { pods = 2 } /resources: \[secrets\]/ { secrets = 3; names = 0 }
  /resourceNames:/ { names = 1 }
  /verbs:/ && pods > 0 && /patch|update|delete/ { print "pods: " $0 }
  /verbs:/ && secrets > 0 && !names && !/\[create\]/ { print "secrets: " $0 }
  { pods--; secrets-- }' "$OUT" >"$SCRATCH/rights"
[ ! -s "$SCRATCH/rights" ] || bad "$what: too much is allowed: $(cat "$SCRATCH/rights")"
has "? ['secrets/cairn-webhook-ca','configmaps/cairn-installation','leases/cairn-webhook-mirror',"
has ": ['secrets/cairn-etcd-ca','configmaps/cairn-etcd-cluster']"
# An unready pod holds up no drain, and Cairn's own pods run on Linux nodes.
what="every cluster"
render --set etcd.replicas=3
count 2 'unhealthyPodEvictionPolicy: AlwaysAllow'
count 2 'kubernetes.io/os: linux'
has '--agent-listen=[::]:8443'
has '--admin-listen=[::]:9090'
has_not 'hostNetwork'
has_not 'dnsPolicy'
has_not 'log-format'
has_not 'sidecar-resources'
count 2 'topologyKey: topology.kubernetes.io/zone'
what="permissions"
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
render --set etcd.replicas=3,clusterDomain=cluster.local
peers=cairn-etcd-peers.cairn-system.svc.cluster.local
three=https://cairn-etcd-0.$peers:2379,https://cairn-etcd-1.$peers:2379,https://cairn-etcd-2.$peers:2379
has "--etcd=https://cairn-etcd.cairn-system.svc.cluster.local:2379,$three"
has "'--host=cairn-etcd.cairn-system.svc.cluster.local'"
has '--cluster-domain=cluster.local'
has_not '{port: metrics}'
count 2 'kind: PodDisruptionBudget'

say "only the scrapers in metricsFrom reach metrics, and the API server's addresses limit the admission port"
what="scrapers"
render --set 'etcd.networkPolicy.metricsFrom[0].podSelector.matchLabels.app=prometheus' \
  --set 'webhook.networkPolicy.metricsFrom[0].podSelector.matchLabels.app=prometheus'
count 1 '{port: metrics}'
count 1 '{port: admin}'
count 2 'app: prometheus'
has_not 'ipBlock'
render --set 'webhook.networkPolicy.apiServerFrom[0].ipBlock.cidr=10.0.0.0/28' \
  --set 'webhook.networkPolicy.agentFrom[0].ipBlock.cidr=10.1.0.0/16' \
  --set 'etcd.networkPolicy.clientsFrom[0].ipBlock.cidr=10.1.0.0/16'
count 1 'cidr: 10.0.0.0/28'
count 2 'cidr: 10.1.0.0/16'
render --set webhook.networkPolicy.enabled=false,etcd.networkPolicy.enabled=false
has_not 'kind: NetworkPolicy'

say "the pod templates of one and of three members are equal, so that growing restarts no member"
template() { "$HELM" template cairn cairn -s templates/etcd-statefulset.yaml --set "$1" | sed '/^  replicas:/d'; }
diff <(template etcd.replicas=1) <(template etcd.replicas=3) >"$OUT" || bad "the pod templates differ: $(cat "$OUT")"

say "an external etcd, with an issuer, with one certificate for all, and without TLS"
what="external etcd"
render --set 'etcd.enabled=false,etcd.endpoints={https://a.example:2379,https://b.example:2379},etcd.issuerSecret=s'
has '--etcd=https://a.example:2379,https://b.example:2379'
has '--sidecar-etcd=https://a.example:2379,https://b.example:2379'
has '--etcd-cacert=/etc/cairn/etcd/ca.crt'
has '--etcd-issuer-cert=/etc/cairn/etcd/tls.crt'
has '--etcd-issuer-key=/etc/cairn/etcd/tls.key'
has 'secretName: s'
has_not '--isolation'
has_not 'kind: StatefulSet'
has_not 'cairn-etcd'
has_not '--etcd-record'
has_not '--etcd-ca-secret'
render --set 'etcd.enabled=false,etcd.isolation=none,etcd.endpoints={https://a.example:2379},etcd.clientSecret=t'
has '--isolation=none'
has '--etcd-cacert=/etc/cairn/etcd/ca.crt'
has '--etcd-cert=/etc/cairn/etcd/tls.crt'
has '--etcd-key=/etc/cairn/etcd/tls.key'
has 'secretName: t'
has_not 'issuer-key'
render --set 'etcd.enabled=false,etcd.isolation=none,etcd.endpoints={http://[fd00::1]:2379}'
has '--etcd=http://[fd00::1]:2379'
render --set 'etcd.enabled=false,etcd.isolation=none,etcd.endpoints={http://a.example:2379}'
has '--isolation=none'
has_not '--etcd-cacert'
has_not '/etc/cairn/etcd'

say "one webhook needs no disruption budget; digests win over tags; other names and ports"
what="own images and names"
digest=sha256:$(printf '0%.0s' {1..64})
render --set "fullnameOverride=stone,webhook.replicas=1,webhook.image.digest=$digest" \
  --set sidecar.image.tag=dev,webhook.admissionPort=10443
has_not 'kind: PodDisruptionBudget'
has "image: ghcr.io/cairn-dev/cairn-webhook@$digest"
has '--sidecar-image=ghcr.io/cairn-dev/cairn-sidecar:dev'
has '--admission-listen=[::]:10443'
has '--secret=stone-webhook-ca'
has '--mirror-lease=stone-webhook-mirror'
has 'system:serviceaccount:cairn-system:stone-webhook'
has '--etcd-ca-secret=stone-etcd-ca'
has "'secrets/stone-etcd-ca'"
has_not 'name: cairn-webhook'

say "OpenShift: no fixed user, and no seccomp profile where none may be named"
what="OpenShift"
render --set securityContext.fixedIds=false
has_not '65532'
count 2 'seccompProfile: {type: RuntimeDefault}'
render --set securityContext.seccompProfile=None
has_not 'seccompProfile'
has '--sidecar-seccomp-profile=none'

say "EKS with another network plugin, Fargate: the node's network, other ports"
what="host network"
nodes='etcd.networkPolicy.clientsFrom[0].ipBlock.cidr=10.1.0.0/16'
render --set webhook.hostNetwork=true,webhook.admissionPort=10260,webhook.agentPort=10261,webhook.adminPort=10262 \
  --set "$nodes"
has 'hostNetwork: true'
has 'dnsPolicy: ClusterFirstWithHostNet'
has 'rollingUpdate: {maxSurge: 0, maxUnavailable: 1}'
has '--agent-listen=[::]:10261'
has '{name: agent, port: 10261, targetPort: agent}'
has '{name: admin, containerPort: 10262}'
has 'cidr: 10.1.0.0/16'
# One replica on one node: an upgrade needs its ports too.
render --set webhook.hostNetwork=true,webhook.admissionPort=10260,webhook.replicas=1,etcd.networkPolicy.enabled=false
has 'rollingUpdate: {maxSurge: 0, maxUnavailable: 1}'
render --set webhook.dnsPolicy=Default
has 'dnsPolicy: Default'

say "settings of sidecars, of logs and of nodes"
what="settings"
render --set 'sidecar.resources.requests.cpu=20m,sidecar.resources.limits.memory=48Mi,sidecar.logFormat=json' \
  --set 'webhook.logFormat=json,sidecar.imagePullSecrets={a,b},webhook.nodeSelector.pool=system' \
  --set 'etcd.topologySpreadConstraints[0].topologyKey=rack,webhook.topologySpreadConstraints[0].topologyKey=rack' \
  --set 'etcd.persistence.storageClassName=-,webhook.mirrorRequestsPerSecond=50'
has '--mirror-requests-per-second=50'
has '--sidecar-resources=requests.cpu=20m,limits.memory=48Mi'
has '--sidecar-image-pull-secrets=a,b'
has '--sidecar-log-format=json'
count 3 '--log-format=json'
has 'pool: system'
count 2 'topologyKey: rack'
has 'storageClassName: ""'

say "a certificate of one's own: its Secret is only read; another controller may fill caBundle"
what="own certificate"
render --set webhook.certificate.secretName=stone-tls \
  --set 'webhook.certificate.caInjection.cert-manager\.io/inject-ca-from=a/b'
has '--serving-secret=stone-tls'
has '--leave-ca-bundle'
has_not '--secret='
has 'resourceNames: [stone-tls]'
has_not 'cairn-webhook-ca'
count 2 'cert-manager.io/inject-ca-from: a/b'
render --set webhook.certificate.secretName=stone-tls
has_not '--leave-ca-bundle'

say "monitoring is off by default; each part is one value, and an etcd of one's own is not scraped"
what="monitoring"
render
has_not 'monitoring.coreos.com'
has_not 'grafana'
count 1 'name: admin, port: 9090'
count 1 'name: metrics, port: 2381'
render --set monitoring.podMonitors.enabled=true,monitoring.podMonitors.labels.release=prometheus
count 3 'kind: PodMonitor'
count 3 'release: prometheus'
has_not 'kind: PrometheusRule'
# The ports that the PodMonitors name are those of the pods.
has 'port: admin'
has '{name: admin, containerPort: 9090}'
has 'port: metrics'
has '{name: metrics, containerPort: 2381}'
has 'port: cairn-admin'
grep -q 'name: "cairn-admin"' ../webhook/src/admission/sidecar_spec.rs || bad "$what: sidecars have another port"
render --set monitoring.podMonitors.enabled=true \
  --set "etcd.enabled=false,etcd.endpoints={https://a:2379},etcd.issuerSecret=s"
count 2 'kind: PodMonitor'
render --set monitoring.alerts.enabled=true
count 1 'kind: PrometheusRule'
has 'alert: CairnPoolExhausted'
has '{{ $labels.pool }}'
render --set monitoring.dashboard.enabled=true
has 'grafana_dashboard: "1"'
has 'cairn.json: |'

say "values that are refused"
refused "at '/monitoring/podMonitors/interval'" --set monitoring.podMonitors.interval=often
refused "at '/etcd/endpoints': minItems: got 0, want 1" --set etcd.enabled=false
refused "set etcd.enabled=false to use them" --set 'etcd.endpoints={http://a:2379}'
refused "at '/etcd/endpoints/0'" --set 'etcd.enabled=false,etcd.endpoints={a:2379}'
refused "at '/etcd/endpoints/0'" --set 'etcd.enabled=false,etcd.endpoints={http://a}'
refused "at '/etcd/endpoints/0'" --set 'etcd.enabled=false,etcd.endpoints={ftp://a:2379}'
external=etcd.enabled=false,etcd.endpoints
refused "etcd.issuerSecret is missing; name a Secret with ca.crt" --set "$external={https://a:2379}"
refused "etcd.isolation=namespaces needs TLS" --set "$external={http://a:2379}"
refused "etcd.endpoints has http:// and https:// members" --set "$external={http://a:2379,https://b:2379}"
refused "etcd.clientSecret is one certificate for all pods" \
  --set "$external={https://a:2379},etcd.issuerSecret=s,etcd.clientSecret=t"
refused "etcd.clientSecret is missing" --set "$external={https://a:2379},etcd.isolation=none"
refused "etcd.issuerSecret signs a certificate for each namespace" \
  --set "$external={https://a:2379},etcd.isolation=none,etcd.issuerSecret=s"
refused "etcd.clientSecret is given but etcd.endpoints are http://" \
  --set "$external={http://a:2379},etcd.isolation=none,etcd.clientSecret=t"
refused "the bundled etcd always keeps namespaces apart" --set etcd.isolation=none
refused "the bundled etcd makes its certificates itself" --set etcd.issuerSecret=s
refused "at '/etcd/isolation': value must be one of 'namespaces', 'none'" --set etcd.isolation=pods
refused "at '/etcd/issuerSecret'" --set "$external={https://a:2379},etcd.issuerSecret=S_"
refused "webhook.admissionPort, agentPort and adminPort are 8443, 8443, 9090" --set webhook.admissionPort=8443
refused "which the kubelet has on every node" --set webhook.hostNetwork=true
refused "list the nodes' addresses in etcd.networkPolicy.clientsFrom" \
  --set webhook.hostNetwork=true,webhook.admissionPort=10260
refused "at '/webhook/dnsPolicy': value must be one of" --set webhook.dnsPolicy=None
refused "at '/webhook/agentPort': maximum: got 70,000, want 65,535" --set webhook.agentPort=70000
refused "at '/webhook/mirrorRequestsPerSecond': minimum: got 0, want 1" --set webhook.mirrorRequestsPerSecond=0
refused "at '/webhook/logFormat': value must be one of 'text', 'json'" --set webhook.logFormat=logfmt
refused "additional properties 'gpu' not allowed" --set sidecar.resources.limits.gpu=1
refused "at '/securityContext/seccompProfile': value must be one of" --set securityContext.seccompProfile=Localhost
refused "at '/etcd/keyPrefix'" --set etcd.keyPrefix=cairn
refused "at '/etcd/replicas': value must be one of 1, 3, 5" --set etcd.replicas=2
refused "additional properties 'replica' not allowed" --set webhook.replica=3
refused "additional properties 'webhooks' not allowed" --set webhooks.replicas=3
refused "at '/webhook/replicas': minimum: got 0, want 1" --set webhook.replicas=0
refused "at '/webhook/envMode': value must be one of" --set webhook.envMode=magic
refused "at '/webhook/logLevel'" --set webhook.logLevel=debg
refused "at '/webhook/certificate/secretName': minLength: got 0, want 1" --set webhook.certificate.caInjection.a=b
refused "at '/webhook/image/digest'" --set webhook.image.digest=latest
refused "at '/etcd/persistence/enabled': got string, want boolean" --set-string etcd.persistence.enabled=no
refused "chart requires kubeVersion: >=1.30.0-0" --kube-version 1.29.9

say "an upgrade with --reuse-values: Helm then leaves out every default that the new chart has added"
mkdir "$SCRATCH/previous" && tar -xzf ../e2e/charts/cairn-previous.tgz -C "$SCRATCH/previous"
cp -r cairn "$SCRATCH/reused"
cp "$SCRATCH/previous/cairn/values.yaml" "$SCRATCH/reused/"
render && cp "$OUT" "$SCRATCH/first"
# Defaults that the new chart has changed on purpose: an upgrade with --reuse-values keeps the old ones.
changed=(--set webhook.resources.limits.memory=256Mi)
"$HELM" template cairn "$SCRATCH/reused" --namespace cairn-system "${changed[@]}" >"$OUT" 2>"$SCRATCH/error" ||
  bad "values of the previous chart are refused: $(cat "$SCRATCH/error")"
diff "$SCRATCH/first" "$OUT" >"$SCRATCH/drift" ||
  bad "values of the previous chart render something else: $(head -40 "$SCRATCH/drift")"

say "as a dependency of another chart, with a condition"
what="dependency"
mkdir -p "$SCRATCH/umbrella/charts" && cp -r cairn "$SCRATCH/umbrella/charts/"
cat >"$SCRATCH/umbrella/Chart.yaml" <<EOT
{apiVersion: v2, name: umbrella, version: 1.0.0, dependencies: [{name: cairn, version: "*", condition: cairn.enabled}]}
EOT
umbrella() {
  "$HELM" template shop "$SCRATCH/umbrella" --namespace shop "$@" >"$OUT" 2>&1 || bad "$what: $(cat "$OUT")"
}
umbrella --set cairn.enabled=true,global.team=a
has 'name: shop-cairn-webhook'
has "request.namespace == 'shop'"
umbrella --set cairn.enabled=false
has_not 'cairn'

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
