{{/* Host names that browsers come with: another name that resolves to us is refused (DNS rebinding). */}}
{{- define "sysflow.allowedHosts" -}}
{{- $name := include "sysflow.fullname" . -}}
{{- $hosts := list $name (printf "%s.%s" $name .Release.Namespace) (printf "%s.%s.svc" $name .Release.Namespace) -}}
{{- if .Values.ingress.enabled -}}{{- $hosts = concat $hosts .Values.ingress.hosts -}}{{- end -}}
{{- if .Values.httpRoute.enabled -}}{{- $hosts = concat $hosts .Values.httpRoute.hostnames -}}{{- end -}}
{{- concat $hosts .Values.allowedHosts | uniq | toJson -}}
{{- end -}}

{{/* sysflow.yaml: what the user says, and what follows from the rest of the values. */}}
{{- define "sysflow.config" -}}
{{- $config := deepCopy .Values.config -}}
{{- $_ := set $config "inputs" (list (dict "socket" "/run/sysflow/sysflow.sock")) -}}
{{- $api := dict "listen" (printf "%s:8686" .Values.listenAddress) "allowed_hosts" (include "sysflow.allowedHosts" . | fromJsonArray) -}}
{{- if .Values.api.existingTokenSecret -}}
{{- $_ := set $api "token_file" "/etc/sysflow-token/token" -}}
{{- else -}}
{{- $_ := set $api "insecure" true -}}
{{- end -}}
{{- with .Values.api.frameAncestors -}}
{{- $_ := set $api "frame_ancestors" . -}}
{{- end -}}
{{- $_ := set $config "api" $api -}}
{{- if ne .Values.persistence.type "none" -}}
{{- $_ := set $config "store" "/var/lib/sysflow" -}}
{{- end -}}
{{- if .Values.falcosidekick.url -}}
{{- $sidekick := dict "url" .Values.falcosidekick.url "timeout_ms" (int64 .Values.falcosidekick.timeoutMs) -}}
{{- if .Values.falcosidekick.tls.caSecret -}}
{{- $_ := set $sidekick "ca_file" "/etc/sysflow-tls/ca/ca.crt" -}}
{{- end -}}
{{- if .Values.falcosidekick.tls.clientSecret -}}
{{- $_ := set $sidekick "client_cert" "/etc/sysflow-tls/client/tls.crt" -}}
{{- $_ := set $sidekick "client_key" "/etc/sysflow-tls/client/tls.key" -}}
{{- end -}}
{{- $alerts := $config.alerts | default dict -}}
{{- $_ := set $alerts "falcosidekick" $sidekick -}}
{{- $_ := set $config "alerts" $alerts -}}
{{- end -}}
{{- $names := ternary .Values.rules.keys (keys .Values.rules.files | sortAlpha) (ne .Values.rules.existingConfigMap "") -}}
{{- if $names -}}
{{- $files := list -}}
{{- range $name := $names -}}
{{- $files = append $files (printf "/etc/sysflow-rules/%s" $name) -}}
{{- end -}}
{{- $rules := $config.rules | default dict -}}
{{- $_ := set $rules "files" $files -}}
{{- $_ := set $config "rules" $rules -}}
{{- end -}}
{{- toYaml $config -}}
{{- end -}}

{{/* Megabytes that the store may take, so that the volume is never the tighter bound. */}}
{{- define "sysflow.storeMiB" -}}
{{- $archive := dig "archive" "max_mib" 4096 .Values.config -}}
{{- $queue := dig "alerts" "queue_mib" 256 .Values.config -}}
{{- add $archive $queue .Values.persistence.spareMiB -}}
{{- end -}}
