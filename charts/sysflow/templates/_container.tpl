{{/* The program's container, without its place: the same in both modes. */}}
{{- define "sysflow.container" -}}
name: sysflow
image: {{ include "sysflow.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
args: [run, --config, /etc/sysflow/sysflow.yaml, --log-format, json]
env:
  - name: SYSFLOW_LOG
    value: {{ .Values.logLevel }}
  - name: NODE_NAME
    valueFrom: {fieldRef: {fieldPath: spec.nodeName}}
  - name: NODE_IP
    valueFrom: {fieldRef: {fieldPath: status.hostIP}}
  {{- with .Values.publicUrl }}
  - name: SYSFLOW_PUBLIC_URL
    value: {{ . | quote }}
  {{- end }}
  {{- with .Values.extraEnv }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
ports:
  - name: sysflow
    containerPort: 8686
    protocol: TCP
    {{- with .Values.hostPort }}
    hostPort: {{ . }}
    {{- end }}
# A start may judge hours of records anew before it is ready; a live program answers all the while.
livenessProbe:
  httpGet: {path: /healthz, port: sysflow}
  initialDelaySeconds: 5
  periodSeconds: 20
  timeoutSeconds: 5
readinessProbe:
  httpGet: {path: /readyz, port: sysflow}
  periodSeconds: 10
  timeoutSeconds: 5
resources:
  {{- toYaml .Values.resources | nindent 2 }}
securityContext:
  {{- include "sysflow.restricted" . | nindent 2 }}
volumeMounts:
  - {name: sysflow-run, mountPath: /run/sysflow}
  - {name: sysflow-config, mountPath: /etc/sysflow, readOnly: true}
  {{- if ne .Values.persistence.type "none" }}
  - {name: sysflow-store, mountPath: /var/lib/sysflow}
  {{- end }}
  {{- if include "sysflow.rulesConfigMap" . }}
  - {name: sysflow-rules, mountPath: /etc/sysflow-rules, readOnly: true}
  {{- end }}
  {{- if .Values.api.existingTokenSecret }}
  - {name: sysflow-token, mountPath: /etc/sysflow-token, readOnly: true}
  {{- end }}
  {{- if .Values.falcosidekick.tls.caSecret }}
  - {name: sysflow-ca, mountPath: /etc/sysflow-tls/ca, readOnly: true}
  {{- end }}
  {{- if .Values.falcosidekick.tls.clientSecret }}
  - {name: sysflow-client, mountPath: /etc/sysflow-tls/client, readOnly: true}
  {{- end }}
{{- end -}}

{{- define "sysflow.volumes" -}}
- name: sysflow-run
  {{- if eq .Values.mode "sidecar" }}
  emptyDir: {sizeLimit: 1Mi}
  {{- else }}
  hostPath: {path: {{ .Values.socket.hostPath | quote }}, type: DirectoryOrCreate}
  {{- end }}
- name: sysflow-config
  {{- if .Values.existingConfigSecret }}
  secret: {secretName: {{ .Values.existingConfigSecret }}, items: [{key: sysflow.yaml, path: sysflow.yaml}]}
  {{- else }}
  configMap: {name: {{ include "sysflow.fullname" . }}}
  {{- end }}
{{- if eq .Values.persistence.type "emptyDir" }}
- name: sysflow-store
  emptyDir: {sizeLimit: {{ include "sysflow.storeMiB" . }}Mi}
{{- else if eq .Values.persistence.type "hostPath" }}
- name: sysflow-store
  hostPath: {path: {{ .Values.persistence.hostPath | quote }}, type: DirectoryOrCreate}
{{- else if eq .Values.persistence.type "ephemeral" }}
- name: sysflow-store
  ephemeral:
    volumeClaimTemplate:
      spec:
        accessModes: [ReadWriteOnce]
        {{- with .Values.persistence.storageClassName }}
        storageClassName: {{ . }}
        {{- end }}
        resources: {requests: {storage: {{ include "sysflow.storeMiB" . }}Mi}}
{{- end }}
{{- with include "sysflow.rulesConfigMap" . }}
- name: sysflow-rules
  configMap: {name: {{ . }}}
{{- end }}
{{- with .Values.api.existingTokenSecret }}
- name: sysflow-token
  secret: {secretName: {{ . }}, items: [{key: token, path: token}]}
{{- end }}
{{- with .Values.falcosidekick.tls.caSecret }}
- name: sysflow-ca
  secret: {secretName: {{ . }}, items: [{key: ca.crt, path: ca.crt}]}
{{- end }}
{{- with .Values.falcosidekick.tls.clientSecret }}
- name: sysflow-client
  secret:
    secretName: {{ . }}
    items: [{key: tls.crt, path: tls.crt}, {key: tls.key, path: tls.key}]
{{- end }}
{{- end -}}

{{/* Directories that start as root's and have to become the program's; a fsGroup does nothing for those of the node. */}}
{{- define "sysflow.ownedDirectories" -}}
{{- $directories := list -}}
{{- if eq .Values.mode "existing-falco" -}}{{- $directories = append $directories "/run/sysflow" -}}{{- end -}}
{{- if or (eq .Values.persistence.type "hostPath") (and (eq .Values.mode "sidecar") (eq .Values.persistence.type "ephemeral")) -}}
{{- $directories = append $directories "/var/lib/sysflow" -}}
{{- end -}}
{{- toJson $directories -}}
{{- end -}}

{{- define "sysflow.ownContainer" -}}
{{- $directories := include "sysflow.ownedDirectories" . | fromJsonArray -}}
name: sysflow-directories
image: {{ include "sysflow.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
args: [install, --owner, {{ .Values.runAsUser | toString | quote }}{{ range $directories }}, --own, {{ . }}{{ end }}]
resources:
  {{- toYaml .Values.initResources | nindent 2 }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  runAsNonRoot: false
  runAsUser: 0
  runAsGroup: 0
  capabilities: {drop: [ALL], add: [CHOWN, FOWNER]}
  seccompProfile: {type: RuntimeDefault}
volumeMounts:
  {{- if has "/run/sysflow" $directories }}
  - {name: sysflow-run, mountPath: /run/sysflow}
  {{- end }}
  {{- if has "/var/lib/sysflow" $directories }}
  - {name: sysflow-store, mountPath: /var/lib/sysflow}
  {{- end }}
{{- end -}}
