{{/* The chart's name, cut to a length that is valid in a label. */}}
{{- define "cairn.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{/* The prefix of all names. 40 leaves room for the suffixes that StatefulSets and Services add. */}}
{{- define "cairn.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains (include "cairn.name" .) .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "cairn.name" .) | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "cairn.webhook" -}}{{ include "cairn.fullname" . }}-webhook{{- end -}}
{{- define "cairn.etcd" -}}{{ include "cairn.fullname" . }}-etcd{{- end -}}
{{- define "cairn.etcdPeers" -}}{{ include "cairn.etcd" . }}-peers{{- end -}}

{{/* The ConfigMap with the record of the etcd cluster. It is made by etcd's first member, not by Helm. */}}
{{- define "cairn.etcdRecord" -}}{{ include "cairn.etcd" . }}-cluster{{- end -}}

{{/* The ConfigMap with the record of the installation. It is made by the webhook, not by Helm. */}}
{{- define "cairn.installationRecord" -}}{{ include "cairn.fullname" . }}-installation{{- end -}}

{{/*
The Secret with the authorities of the bundled etcd's TLS. It is made by the first member or the webhook, not by Helm:
a render must not contain keys, and the Secret must outlive the release as etcd's volumes do.
*/}}
{{- define "cairn.etcdCa" -}}{{ include "cairn.etcd" . }}-ca{{- end -}}

{{/* The folder in the webhook's container with the certificates for an etcd of one's own. */}}
{{- define "cairn.etcdTlsDir" -}}/etc/cairn/etcd{{- end -}}

{{/* The Secret that is mounted there; empty without one. */}}
{{- define "cairn.etcdTlsSecret" -}}
{{- if not .Values.etcd.enabled -}}{{ default .Values.etcd.clientSecret .Values.etcd.issuerSecret }}{{- end -}}
{{- end -}}

{{/* Variables with namespace, name, UID and address of a pod of etcd. */}}
{{- define "cairn.etcdPodEnv" -}}
- name: POD_NAMESPACE
  valueFrom: {fieldRef: {fieldPath: metadata.namespace}}
- name: POD_NAME
  valueFrom: {fieldRef: {fieldPath: metadata.name}}
- name: POD_UID
  valueFrom: {fieldRef: {fieldPath: metadata.uid}}
- name: POD_IP
  valueFrom: {fieldRef: {fieldPath: status.podIP}}
{{- end -}}

{{/* Labels that select the pods of one component. Called with (list $ "webhook"). They must never change. */}}
{{- define "cairn.selector" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: {{ include "cairn.name" $root }}
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{/* Labels of every object of one component. Called with (list $ "webhook"). */}}
{{- define "cairn.labels" -}}
{{- $root := index . 0 -}}
{{ include "cairn.selector" . }}
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/part-of: cairn
{{- end -}}

{{/* An image reference. Called with (list $ .Values.webhook.image). */}}
{{- define "cairn.image" -}}
{{- $root := index . 0 -}}
{{- $image := index . 1 -}}
{{- if $image.digest -}}
{{ $image.repository }}@{{ $image.digest }}
{{- else -}}
{{ $image.repository }}:{{ default $root.Chart.AppVersion $image.tag }}
{{- end -}}
{{- end -}}

{{/* The DNS name of a Service, valid in every namespace. Called with (list $ "name"). */}}
{{- define "cairn.serviceHost" -}}
{{- $root := index . 0 -}}
{{ index . 1 }}.{{ $root.Release.Namespace }}.svc
{{- with $root.Values.clusterDomain }}.{{ . }}{{ end -}}
{{- end -}}

{{/*
Client URLs, comma separated. The Service leads to every ready member, so sidecars that were started with fewer members
reach the new ones while etcd grows. The members' own names are listed too: clients keep one connection per URL and use
the next one when it fails. With a virtual address alone they could not choose.
*/}}
{{- define "cairn.etcdEndpoints" -}}
{{- if not .Values.etcd.enabled -}}
{{- join "," .Values.etcd.endpoints -}}
{{- else -}}
{{- $urls := list (printf "https://%s:2379" (include "cairn.serviceHost" (list . (include "cairn.etcd" .)))) -}}
{{- $peers := include "cairn.serviceHost" (list . (include "cairn.etcdPeers" .)) -}}
{{- range $i := until (int .Values.etcd.replicas) -}}
{{- $urls = append $urls (printf "https://%s-%d.%s:2379" (include "cairn.etcd" $) $i $peers) -}}
{{- end -}}
{{- join "," $urls -}}
{{- end -}}
{{- end -}}

{{/* The API server's name for the account of the webhook. */}}
{{- define "cairn.account" -}}
system:serviceaccount:{{ .Release.Namespace }}:{{ include "cairn.webhook" . }}
{{- end -}}

{{/* The same for the account of the bundled etcd's members. */}}
{{- define "cairn.etcdAccount" -}}
system:serviceaccount:{{ .Release.Namespace }}:{{ include "cairn.etcd" . }}
{{- end -}}

{{/* CEL: whether Cairn admits pods of a namespace. It says the same as the selector below. */}}
{{- define "cairn.isAdmitted" -}}
!(request.namespace in {{ .Values.excludedNamespaces | uniq | toJson }})
{{- end -}}

{{/* Annotations of the webhook configurations. The first keeps AKS from changing them. */}}
{{- define "cairn.webhookAnnotations" -}}
admissions.enforcer/disabled: "true"
{{- with .Values.webhook.certificate.caInjection }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Selects the namespaces whose pods Cairn admits, for policies. */}}
{{- define "cairn.namespaceSelector" -}}
matchExpressions:
  - key: kubernetes.io/metadata.name
    operator: NotIn
    values: {{ .Values.excludedNamespaces | uniq | toJson }}
{{- end -}}

{{/* CEL: whether a pod is one of Cairn's own, which start before the webhook does. */}}
{{- define "cairn.isOwn" -}}
object.metadata.?labels['app.kubernetes.io/name'].orValue('') == {{ include "cairn.name" . | squote }}
&& object.metadata.?labels['app.kubernetes.io/instance'].orValue('') == {{ .Release.Name | squote }}
&& request.namespace == {{ .Release.Namespace | squote }}
{{- end -}}

{{/*
Values that the previous chart did not have are read with dig and a default: `helm upgrade --reuse-values` leaves them
out. charts/check.sh renders the values of the previous chart.
*/}}

{{/* The fields that the Pod Security standard "restricted" requires. */}}
{{- define "cairn.podSecurityContext" -}}
runAsNonRoot: true
{{- if ne (include "cairn.seccompProfile" .) "None" }}
seccompProfile: {type: RuntimeDefault}
{{- end }}
{{- end -}}
{{- define "cairn.seccompProfile" -}}
{{ dig "seccompProfile" "RuntimeDefault" (.Values.securityContext | default dict) }}
{{- end -}}
{{- define "cairn.fixedIds" -}}
{{ dig "fixedIds" true (.Values.securityContext | default dict) }}
{{- end -}}

{{/* Labels of nodes that Cairn's own pods run on. Called with .Values.webhook or .Values.etcd. */}}
{{- define "cairn.nodeSelector" -}}
{{- merge (dict) (.nodeSelector | default dict) (dict "kubernetes.io/os" "linux") | toYaml -}}
{{- end -}}

{{- define "cairn.agentPort" -}}{{ dig "agentPort" 8443 .Values.webhook }}{{- end -}}
{{- define "cairn.adminPort" -}}{{ dig "adminPort" 9090 .Values.webhook }}{{- end -}}

{{/* The sidecar's resources in the words of the annotation cairn.dev/resources. */}}
{{- define "cairn.sidecarResources" -}}
{{- $entries := list -}}
{{- range $kind := list "requests" "limits" -}}
{{- range $resource, $quantity := dig "resources" $kind dict $.Values.sidecar -}}
{{- $entries = append $entries (printf "%s.%s=%v" $kind $resource $quantity) -}}
{{- end -}}
{{- end -}}
{{- join "," $entries -}}
{{- end -}}
{{- define "cairn.containerSecurityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{/* A duration that CEL and the sidecar parse to the same value; five digits, so that no sum overflows. */}}
{{- define "cairn.duration" -}}
'^([0-9]{1,5}(h|m|s|ms))+$'
{{- end -}}
