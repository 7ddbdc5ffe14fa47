{{/* The chart's name, cut to what a label takes. */}}
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

{{/* What selects the pods of one component. Called with (list $ "webhook"). Never changes. */}}
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

{{/* The DNS name of a service, good from every namespace. Called with (list $ "name"). */}}
{{- define "cairn.serviceHost" -}}
{{- $root := index . 0 -}}
{{ index . 1 }}.{{ $root.Release.Namespace }}.svc
{{- with $root.Values.clusterDomain }}.{{ . }}{{ end -}}
{{- end -}}

{{/*
Client URLs, comma separated. Of several bundled members each is listed by its own name: clients
keep one connection per member and move on when one fails, which a virtual address would hide.
*/}}
{{- define "cairn.etcdEndpoints" -}}
{{- if not .Values.etcd.enabled -}}
{{- join "," .Values.etcd.endpoints -}}
{{- else if eq (int .Values.etcd.replicas) 1 -}}
http://{{ include "cairn.serviceHost" (list . (include "cairn.etcd" .)) }}:2379
{{- else -}}
{{- $urls := list -}}
{{- range $i := until (int .Values.etcd.replicas) -}}
{{- $host := include "cairn.serviceHost" (list $ (include "cairn.etcdPeers" $)) -}}
{{- $urls = append $urls (printf "http://%s-%d.%s:2379" (include "cairn.etcd" $) $i $host) -}}
{{- end -}}
{{- join "," $urls -}}
{{- end -}}
{{- end -}}

{{/* The API server's name for the account of the webhook. */}}
{{- define "cairn.account" -}}
system:serviceaccount:{{ .Release.Namespace }}:{{ include "cairn.webhook" . }}
{{- end -}}

{{/* Selects the namespaces whose pods Cairn looks at; admission and its re-check must agree on it. */}}
{{- define "cairn.namespaceSelector" -}}
matchExpressions:
  - key: kubernetes.io/metadata.name
    operator: NotIn
    values: {{ append .Values.excludedNamespaces .Release.Namespace | uniq | toJson }}
{{- end -}}

{{/* Pod Security "restricted". */}}
{{- define "cairn.podSecurityContext" -}}
runAsNonRoot: true
seccompProfile: {type: RuntimeDefault}
{{- end -}}
{{- define "cairn.containerSecurityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{/* A duration that CEL and the sidecar read alike; five digits, so that no sum overflows. */}}
{{- define "cairn.duration" -}}
'^([0-9]{1,5}(h|m|s|ms))+$'
{{- end -}}
