#!/usr/bin/env bash
# Checks an installed chart on a real API server: the Pool schema with its CEL rules, the warning about misplaced
# annotations, and the restrictions of the webhook's account. Nearly everything is a dry run. It needs a cluster
# administrator.
#   KUBECTL="kubectl --context mine" charts/check-server.sh
set -euo pipefail

read -ra KUBECTL <<<"${KUBECTL:-kubectl}"
NAMESPACE=${NAMESPACE:-cairn-system}
ACCOUNT=system:serviceaccount:$NAMESPACE:cairn-webhook
ROOM=cairn-check-$$
OUT=$(mktemp)
failed=0

k() { "${KUBECTL[@]}" "$@"; }
cleanup() {
  rm -f "$OUT"
  k delete namespace "$ROOM" --ignore-not-found --wait=false >/dev/null
}
trap cleanup EXIT

say() { echo "api server: $1"; }
bad() {
  echo "api server: FAILED: $1: $(cat "$OUT")" >&2
  failed=1
}

# pool NAME SPEC: applies a pool as a dry run.
pool() {
  k apply --server-side --force-conflicts --dry-run=server -f - >"$OUT" 2>&1 <<<"
    {apiVersion: cairn.dev/v1alpha1, kind: Pool, metadata: {name: $1}, spec: $2}"
}

# refuses MESSAGE SPEC [NAME]: the pool is refused, and the answer contains the message.
refuses() {
  if pool "${3:-p}" "$2"; then
    bad "a pool named '${3:-p}' with $2 is accepted"
  elif ! grep -qF -- "$1" "$OUT"; then
    bad "the refusal of $2 does not say '$1'"
  fi
}

# accepts SPEC [NAME]: the pool is accepted.
accepts() { pool "${2:-p}" "$1" || bad "the pool $1 is refused"; }

k get deployment cairn-webhook -n "$NAMESPACE" >/dev/null 2>"$OUT" || {
  echo "charts/check-server.sh: Cairn is not installed in namespace $NAMESPACE;" \
    "install charts/cairn first: $(cat "$OUT")" >&2
  exit 2
}

say "bad pools are refused with a message that says what to write"
refuses 'names must have exactly one of builtin, list and range' '{names: {}}'
refuses 'names must have exactly one of builtin, list and range' '{names: {list: [a], range: {from: 0, to: 1}}}'
refuses 'names.list is empty; give it at least one name' '{names: {list: []}}'
refuses "name 'a.b' is not valid" '{names: {list: [ok, a.b]}}'
refuses "name 'x/y' is not valid" '{names: {list: [x/y]}}'
refuses "name 'it's' is not valid" "{names: {list: [\"it's\"]}}"
refuses "name '' is not valid" '{names: {list: [""]}}'
refuses 'Too long' "{names: {list: [$(printf 'x%.0s' {1..64})]}}"
refuses 'names.range is empty' '{names: {range: {from: 5, to: 3}}}'
refuses 'at most 8192 names' '{names: {range: {from: 0, to: 8192}}}'
refuses 'less than or equal to 4294967295' '{names: {range: {from: 4294967296, to: 4294967296}}}'
refuses 'in names.range.prefix' '{names: {range: {from: 0, to: 3, prefix: a.b}}}'
refuses 'shorten names.range.prefix' '{names: {range: {from: 0, to: 3, prefix: node-, width: 59}}}'
refuses 'clock: Reserve needs numeric names' '{names: {list: [a]}, clock: Reserve}'
refuses 'validity is not a duration' '{names: {list: [a]}, validity: "30"}'
refuses 'validity must be between 1s and 1h' '{names: {list: [a]}, validity: 500ms}'
refuses 'quarantine must be at most 1h' '{names: {list: [a]}, quarantine: 61m}'
refuses 'prefix takes letters' '{names: {list: [a]}, prefix: "{nmae}"}'
refuses 'In and NotIn need values' \
  '{names: {list: [a]}, allowedNamespaces: {matchExpressions: [{key: a, operator: In}]}}'
refuses 'field not declared in schema' '{names: {list: [a]}, onLos: Keep}'
refuses "metadata.name is not valid; use 1 to 40" '{names: {list: [a]}}' 1st
refuses 'reserved for files' '{names: {list: [a]}}' env

say "the built-in pools exist, and their scope and clock cannot be changed"
accepts '{names: {list: [a, b-c, D_1]}, validity: 1m30s, quarantine: 0s, onExhausted: Fail}'
accepts '{names: {range: {from: 0, to: 8191, prefix: node-, width: 58}}, scope: Cluster, clock: Reserve}'
refuses 'scope cannot be changed' '{scope: Cluster}' mountains
refuses 'clock cannot be changed' '{clock: None}' snowflake

k create namespace "$ROOM" >/dev/null

# workload KIND API ANNOTATIONS TEMPLATE_ANNOTATIONS RESTART_POLICY: creates a workload as a dry run, with annotations
# on itself and on its pod template.
workload() {
  local template job
  template="{metadata: {labels: {a: b}, annotations: {$4}},
    spec: {restartPolicy: $5, containers: [{name: a, image: a}]}}"
  job="selector: {matchLabels: {a: b}}, serviceName: a, template: $template"
  case $1 in
  CronJob) job="schedule: 0 0 * * *, jobTemplate: {spec: {template: $template}}" ;;
  Job) job="template: $template" ;;
  Deployment | DaemonSet) job=${job/serviceName: a, /} ;;
  esac
  k create --dry-run=server -f - >"$OUT" 2>&1 <<<"
    {apiVersion: $2, kind: $1, metadata: {name: a, namespace: $ROOM, annotations: {$3}}, spec: {$job}}"
}

say "the annotation on a workload itself gives a warning, and on its pod template it gives none"
opt_in='cairn.dev/pool: mountains'
while read -r kind api restart path; do
  workload "$kind" "$api" "$opt_in" "" "$restart" || bad "a $kind is refused"
  grep -qF "no effect on the $kind itself; write it under $path" "$OUT" || bad "a $kind gets no warning"
  workload "$kind" "$api" "" "$opt_in" "$restart" || bad "a $kind is refused"
  ! grep -qF 'no effect' "$OUT" || bad "a $kind that is right gets a warning"
done <<'EOT'
Deployment apps/v1 Always spec.template.metadata.annotations
StatefulSet apps/v1 Always spec.template.metadata.annotations
DaemonSet apps/v1 Always spec.template.metadata.annotations
Job batch/v1 Never spec.template.metadata.annotations
CronJob batch/v1 Never spec.jobTemplate.spec.template.metadata.annotations
EOT

say "in an excluded namespace a workload and a pod that ask for Cairn give a warning"
for kind in 'Deployment apps/v1 Always' 'CronJob batch/v1 Never'; do
  read -r kind api restart <<<"$kind"
  ROOM=kube-system workload "$kind" "$api" "" "$opt_in" "$restart" || bad "a $kind is refused"
  grep -qF 'namespace kube-system is excluded from Cairn' "$OUT" || bad "a $kind gets no warning"
  ROOM=kube-system workload "$kind" "$api" "" "" "$restart" || bad "a $kind is refused"
  ! grep -qF 'excluded' "$OUT" || bad "a $kind that does not ask gets a warning"
done
# bare NAMESPACE LABELS: creates a pod that asks for Cairn, as a dry run.
bare() {
  k create --dry-run=server -o yaml -f - >"$OUT" 2>&1 <<<"
    {apiVersion: v1, kind: Pod, metadata: {name: $ROOM, namespace: $1, labels: {$2}, annotations: {$opt_in}},
     spec: {securityContext: {runAsNonRoot: true, runAsUser: 65532, seccompProfile: {type: RuntimeDefault}},
      containers: [{name: a, image: a,
      securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}}]}}"
}
bare kube-system '' || bad "a pod is refused"
grep -qF 'namespace kube-system is excluded from Cairn' "$OUT" || bad "a pod gets no warning"

say "pods of Cairn's namespace get a sidecar, and only Cairn's own do not"
bare "$NAMESPACE" '' || bad "a pod is refused"
grep -qF 'name: cairn' "$OUT" || bad "a pod beside Cairn gets no sidecar"
bare "$NAMESPACE" 'app.kubernetes.io/name: cairn, app.kubernetes.io/instance: cairn' || bad "Cairn's own pod is refused"
! grep -qF 'cairn.dev/injected' "$OUT" || bad "Cairn's own pod gets a sidecar"

# status FIELDS: applies fields to the status subresource of the pod, as a dry run by the webhook's account.
status() {
  k apply --server-side --force-conflicts --dry-run=server --subresource=status --as="$ACCOUNT" -f - >"$OUT" 2>&1 <<<"
    {apiVersion: v1, kind: Pod, $1}"
}
me="name: a, namespace: $ROOM"
fenced() {
  if status "$2"; then
    bad "the webhook may write $2"
  elif ! grep -qF -- "$1" "$OUT"; then
    bad "the refusal of $2 does not say '$1'"
  fi
}

say "the webhook's account may write its annotations, and nothing else"
# Kubernetes creates this account shortly after the namespace.
k -n "$ROOM" wait --for=create serviceaccount/default --timeout=30s >/dev/null
k create -f - >/dev/null <<<"
  {apiVersion: v1, kind: Pod, metadata: {$me, labels: {a: b}, annotations: {a: b}},
   spec: {schedulingGates: [{name: cairn.dev/never}], containers: [{name: a, image: a}]}}"
status "metadata: {$me, annotations: {claim.cairn.dev/mountains: Denali, cairn.dev/status: '{}',
  claim.cairn.dev/mountains.prefix: shop.-.Denali, claim.cairn.dev/mountains.fence: 1-2}}" ||
  bad "the webhook may not write its own annotations"
for key in mountains.name mountains.fence.fence Mountains "$(printf 'x%.0s' {1..41})"; do
  fenced 'may change only the annotations' "metadata: {$me, annotations: {claim.cairn.dev/$key: x}}"
done
fenced 'may change only the annotations' "metadata: {$me, annotations: {a: c}}"
fenced 'may change only the annotations' "metadata: {$me, annotations: {new: c}}"
fenced 'may change only the annotations' "metadata: {$me, annotations: {cairn.dev/pool: mountains}}"
fenced 'may not change the labels' "metadata: {$me, labels: {a: c}}"
fenced 'may not change the labels' "metadata: {$me, finalizers: [example.com/stay]}"
fenced 'may not change the status' "metadata: {$me}, status: {podIP: 10.9.9.9}"
fenced 'may not change the status' "metadata: {$me}, status: {conditions: [{type: Ready, status: 'True'}]}"

# patched PATCH: patches a built-in pool, as a dry run by the webhook's account.
patched() {
  k patch pool mountains --type=merge --dry-run=server --as="$ACCOUNT" -p "$1" >"$OUT" 2>&1
}
patched '{"metadata": {"finalizers": ["cairn.dev/in-use"]}}' || bad "the webhook may not put its finalizer on a pool"
for patch in '{"spec": {"quarantine": "1s"}}' '{"metadata": {"labels": {"a": "b"}}}' \
  '{"metadata": {"annotations": {"a": "b"}}}' '{"metadata": {"finalizers": ["example.com/stay"]}}'; do
  if patched "$patch"; then
    bad "the webhook may patch a pool with $patch"
  elif ! grep -qF 'may change only the finalizer' "$OUT"; then
    bad "the refusal of the patch $patch does not say what the webhook may change"
  fi
done

say "the webhook's account may say on the CRD which release is installed, and nothing else"
# crd PATCH: patches the CRD, as a dry run by the webhook's account.
crd() { k patch crd pools.cairn.dev --type=merge --dry-run=server --as="$ACCOUNT" -p "$1" >"$OUT" 2>&1; }
crd '{"metadata": {"annotations": {"cairn.dev/installation": "x/y"}}}' || bad "the webhook may not annotate the CRD"
for patch in '{"metadata": {"annotations": {"a": "b"}}}' '{"metadata": {"labels": {"a": "b"}}}' \
  '{"spec": {"conversion": {"strategy": "None"}, "names": {"shortNames": ["pl"]}}}'; do
  if crd "$patch"; then bad "the webhook may write $patch to the CRD"; fi
  grep -qF 'only the annotation cairn.dev/installation' "$OUT" || bad "the refusal of $patch does not say why"
done

probe() {
  k create -f - --as="$ACCOUNT" "$@" >"$OUT" 2>&1 <<<"
    {apiVersion: v1, kind: Pod, metadata: {name: $ROOM, namespace: $NAMESPACE}, spec: {
      securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}, containers: [{name: a, image: a,
      securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}}]}}"
}
probe --dry-run=server || bad "the webhook may not dry-run a pod"
if probe; then bad "the webhook may create pods"; fi
grep -qF 'as dry runs only' "$OUT" || bad "the refusal does not say why"

say "Cairn's accounts may create only the objects that are theirs"
ETCD=system:serviceaccount:$NAMESPACE:cairn-etcd
# created ACCOUNT OBJECT: creates an object in Cairn's namespace, as a dry run by an account.
created() { k create --dry-run=server -n "$NAMESPACE" --as="$1" -f - >"$OUT" 2>&1 <<<"$2"; }
withheld() {
  if created "$1" "$2"; then
    bad "$1 may create $2"
  elif ! grep -qF -- "$3" "$OUT"; then
    bad "the refusal of $2 does not say '$3'"
  fi
}
secret() { echo "{apiVersion: v1, kind: Secret, type: $2, metadata: {name: $1}}"; }
only='may create only secrets/'
for account in "$ACCOUNT" "$ETCD"; do
  for name in other cairn-etcd-ca-2; do
    withheld "$account" "$(secret "$name" Opaque)" "$only"
  done
  withheld "$account" "{apiVersion: v1, kind: Secret, metadata: {generateName: cairn-etcd-ca}}" "$only"
  withheld "$account" "{apiVersion: v1, kind: ConfigMap, metadata: {name: other}}" "$only"
  # With such a Secret the account could take the token of any other account of this namespace.
  withheld "$account" "{apiVersion: v1, kind: Secret, type: kubernetes.io/service-account-token,
    metadata: {name: cairn-etcd-ca, annotations: {kubernetes.io/service-account.name: default}}}" 'type Opaque only'
done
withheld "$ETCD" "$(secret cairn-webhook-ca Opaque)" "${only}cairn-etcd-ca"
withheld "$ACCOUNT" "{apiVersion: coordination.k8s.io/v1, kind: Lease, metadata: {name: other}}" "$only"
# What is theirs exists already, and that is the only reason why it cannot be created.
created "$ACCOUNT" "$(secret cairn-webhook-ca Opaque)" || grep -qF 'already exists' "$OUT" ||
  bad "the webhook may not create its own Secret"
created "$ETCD" "$(secret cairn-etcd-ca Opaque)" || grep -qF 'already exists' "$OUT" ||
  bad "etcd's members may not create their own Secret"

say "the webhook's account has only the permissions that it needs"
# may yes|no VERB RESOURCE…: whether the account has this permission.
may() {
  local answer
  answer=$(k auth can-i "${@:2}" --as="$ACCOUNT" 2>/dev/null || true)
  [ "$answer" = "$1" ] || { echo "$answer" >"$OUT" && bad "may it ${*:2}? It should be $1"; }
}
may yes patch pods --subresource=status --all-namespaces
may yes get secrets/cairn-webhook-ca -n "$NAMESPACE"
may yes update secrets/cairn-etcd-ca -n "$NAMESPACE"
may yes watch secrets/cairn-etcd-ca -n "$NAMESPACE"
may no list secrets -n "$NAMESPACE"
may no delete secrets/cairn-etcd-ca -n "$NAMESPACE"
may yes create tokenreviews.authentication.k8s.io
may no create serviceaccounts --subresource=token -n "$NAMESPACE"
may no create pods --subresource=exec -n "$NAMESPACE"
may yes patch mutatingwebhookconfigurations/cairn-webhook
may yes create pools.cairn.dev
may no patch pods --all-namespaces
may no create pods -n "$ROOM"
may yes patch customresourcedefinitions/pools.cairn.dev
may no patch customresourcedefinitions/other.example.com
may no update configmaps/other -n "$NAMESPACE"
may no get secrets/other -n "$NAMESPACE"
may no get secrets -n "$ROOM"
may no patch mutatingwebhookconfigurations/other
may no update pools.cairn.dev
may no delete pools.cairn.dev

say "the account of etcd's members has only the permissions that it needs"
ACCOUNT=$ETCD
may yes get secrets/cairn-etcd-ca -n "$NAMESPACE"
may yes update secrets/cairn-etcd-ca -n "$NAMESPACE"
may yes update configmaps/cairn-etcd-cluster -n "$NAMESPACE"
may no get secrets/cairn-webhook-ca -n "$NAMESPACE"
may no list secrets -n "$NAMESPACE"
may no update statefulsets/cairn-etcd -n "$NAMESPACE"
may no list pods -n "$NAMESPACE"

[ "$failed" = 0 ] || exit 1
say "all well"
