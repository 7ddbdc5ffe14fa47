{{/* Fails with a sentence when values do not fit each other. The schema checks each of them alone. */}}
{{- define "cairn.check" -}}
{{- if .Values.etcd.enabled -}}
{{- include "cairn.checkBundledEtcd" .Values.etcd -}}
{{- else -}}
{{- include "cairn.checkOwnEtcd" .Values.etcd -}}
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
