{{- define "sysflow.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* 50 characters: suffixes such as -falco-values have to fit. */}}
{{- define "sysflow.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- $name := include "sysflow.name" . -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "sysflow.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{ include "sysflow.ownLabels" . }}
{{- end -}}

{{- define "sysflow.ownLabels" -}}
app.kubernetes.io/name: {{ include "sysflow.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{/* Labels of the pods that hold the program: ours, or Falco's. */}}
{{- define "sysflow.podSelector" -}}
{{- if eq .Values.mode "sidecar" -}}
{{- toYaml .Values.falco.podLabels -}}
{{- else -}}
{{- include "sysflow.ownLabels" . -}}
{{- end -}}
{{- end -}}

{{/* Labels of Falco's pods as kubectl takes them. */}}
{{- define "sysflow.podLabelSelector" -}}
{{- $pairs := list -}}
{{- range $key, $value := .Values.falco.podLabels -}}{{- $pairs = append $pairs (printf "%s=%s" $key $value) -}}{{- end -}}
{{- join "," $pairs -}}
{{- end -}}

{{- define "sysflow.image" -}}
{{- $repository := required "image.repository: no images are published yet; build one (docker build -f packaging/Dockerfile .), push it where your nodes pull from, and name it here" .Values.image.repository -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" $repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" $repository (.Values.image.tag | default .Chart.AppVersion) -}}
{{- end -}}
{{- end -}}

{{- define "sysflow.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- .Values.serviceAccount.name | default (include "sysflow.fullname" .) -}}
{{- else -}}
{{- .Values.serviceAccount.name | default "default" -}}
{{- end -}}
{{- end -}}

{{/* What the `restricted` Pod Security Standard asks of a container. */}}
{{- define "sysflow.restricted" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
runAsUser: {{ .Values.runAsUser }}
runAsGroup: {{ .Values.runAsUser }}
capabilities: {drop: [ALL]}
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "sysflow.rulesConfigMap" -}}
{{- if .Values.rules.existingConfigMap -}}
{{- .Values.rules.existingConfigMap -}}
{{- else if .Values.rules.files -}}
{{- include "sysflow.fullname" . -}}-rules
{{- end -}}
{{- end -}}

{{/* Port of falcosidekick.url: the one that stands there, else that of its scheme. */}}
{{- define "sysflow.falcosidekickPort" -}}
{{- $url := urlParse .Values.falcosidekick.url -}}
{{- $port := regexFind ":[0-9]+$" $url.host | trimPrefix ":" -}}
{{- $port | default (ternary "443" "80" (eq $url.scheme "https")) -}}
{{- end -}}
