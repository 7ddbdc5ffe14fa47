{{/* Fails with a sentence when values do not fit each other. The schema checks each of them alone. */}}
{{- define "cairn.check" -}}
{{- include "cairn.checkPorts" . -}}
{{- if .Values.etcd.enabled -}}
{{- include "cairn.checkHostNetwork" . -}}
{{- include "cairn.checkBundledEtcd" .Values.etcd -}}
{{- include "cairn.checkStorageClass" . -}}
{{- else -}}
{{- include "cairn.checkOwnEtcd" .Values.etcd -}}
{{- end -}}
{{- end -}}

{{- define "cairn.checkPorts" -}}
{{- $ports := list
  (.Values.webhook.admissionPort | toString) (include "cairn.agentPort" .) (include "cairn.adminPort" .) -}}
{{- if ne (len (uniq $ports)) 3 -}}
{{- fail (printf "webhook.admissionPort, agentPort and adminPort are %s; give each a port of its own"
  (join ", " $ports)) -}}
{{- end -}}
{{- if and (dig "hostNetwork" false .Values.webhook) (has "10250" $ports) -}}
{{- fail (print "webhook.hostNetwork is true and a port of the webhook is 10250, which the kubelet has on every node; "
  "set webhook.admissionPort to a port that is free there, for example 10260") -}}
{{- end -}}
{{- end -}}

{{/* With hostNetwork the webhook has its node's address, which no selector of etcd's NetworkPolicy matches. */}}
{{- define "cairn.checkHostNetwork" -}}
{{- $policy := .Values.etcd.networkPolicy -}}
{{- if and (dig "hostNetwork" false .Values.webhook) $policy.enabled (not $policy.clientsFrom) -}}
{{- fail (print "webhook.hostNetwork is true, so the webhook has the address of its node, and etcd's NetworkPolicy "
  "does not let it in; list the nodes' addresses in etcd.networkPolicy.clientsFrom, for example "
  "[{ipBlock: {cidr: 10.1.0.0/16}}], or set etcd.networkPolicy.enabled=false where nothing enforces policies") -}}
{{- end -}}
{{- end -}}

{{/*
Only on a real cluster, when etcd is installed for the first time: without a class its volume would wait for ever, and
Kubernetes says so in an Event that few read. A render without a cluster finds no kube-system and checks nothing.
*/}}
{{- define "cairn.checkStorageClass" -}}
{{- $persistence := .Values.etcd.persistence -}}
{{- if and .Release.IsInstall $persistence.enabled (not $persistence.storageClassName) -}}
{{- if and (lookup "v1" "Namespace" "" "kube-system")
  (not (lookup "v1" "PersistentVolumeClaim" .Release.Namespace (printf "data-%s-0" (include "cairn.etcd" .)))) -}}
{{- $default := false -}}
{{- range (lookup "storage.k8s.io/v1" "StorageClass" "" "").items -}}
{{- $annotations := .metadata.annotations | default dict -}}
{{- if or (eq (get $annotations "storageclass.kubernetes.io/is-default-class") "true")
  (eq (get $annotations "storageclass.beta.kubernetes.io/is-default-class") "true") -}}
{{- $default = true -}}
{{- end -}}
{{- end -}}
{{- if not $default -}}
{{- fail (print "this cluster has no default StorageClass, so etcd would wait for its volume; name a class with "
  "etcd.persistence.storageClassName (kubectl get storageclass lists them), or set etcd.persistence.enabled=false "
  "to try Cairn without a volume") -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "cairn.checkBundledEtcd" -}}
{{- if .endpoints -}}
{{- fail (print "etcd.endpoints are given but etcd.enabled is true; "
  "set etcd.enabled=false to use them, or remove them") -}}
{{- end -}}
{{- if or .issuerSecret .clientSecret -}}
{{- fail (print "etcd.issuerSecret and etcd.clientSecret are for an etcd of your own, but etcd.enabled is true; "
  "the bundled etcd makes its certificates itself: remove them, or set etcd.enabled=false") -}}
{{- end -}}
{{- if ne .isolation "namespaces" -}}
{{- fail (print "etcd.isolation=none is for an etcd of your own, but etcd.enabled is true; "
  "the bundled etcd always keeps namespaces apart: remove it, or set etcd.enabled=false") -}}
{{- end -}}
{{- end -}}

{{- define "cairn.checkOwnEtcd" -}}
{{- $secure := 0 -}}
{{- range .endpoints -}}
{{- if hasPrefix "https://" . -}}{{- $secure = add1 $secure -}}{{- end -}}
{{- end -}}
{{- $secure = int $secure -}}
{{- if and $secure (ne $secure (len .endpoints)) -}}
{{- fail "etcd.endpoints has http:// and https:// members; write all of them with https://" -}}
{{- end -}}
{{- if eq .isolation "namespaces" -}}
{{- if not $secure -}}
{{- fail (print "etcd.isolation=namespaces needs TLS, because namespaces are told apart by client certificates; "
  "write etcd.endpoints with https://, or set etcd.isolation=none") -}}
{{- end -}}
{{- if not .issuerSecret -}}
{{- fail (print "etcd.issuerSecret is missing; name a Secret with ca.crt (verifies etcd's members), "
  "tls.crt and tls.key (sign etcd's client certificates), or set etcd.isolation=none") -}}
{{- end -}}
{{- if .clientSecret -}}
{{- fail (print "etcd.clientSecret is one certificate for all pods, which etcd.isolation=namespaces does not use; "
  "remove it, or set etcd.isolation=none") -}}
{{- end -}}
{{- else -}}
{{- if .issuerSecret -}}
{{- fail (print "etcd.issuerSecret signs a certificate for each namespace, which etcd.isolation=none does not use; "
  "remove it, or remove etcd.isolation") -}}
{{- end -}}
{{- if and $secure (not .clientSecret) -}}
{{- fail (print "etcd.endpoints are https:// but etcd.clientSecret is missing; name a Secret with ca.crt "
  "(verifies etcd's members), tls.crt and tls.key (the client certificate of all pods)") -}}
{{- end -}}
{{- if and .clientSecret (not $secure) -}}
{{- fail "etcd.clientSecret is given but etcd.endpoints are http://; write https://, or remove etcd.clientSecret" -}}
{{- end -}}
{{- end -}}
{{- end -}}
