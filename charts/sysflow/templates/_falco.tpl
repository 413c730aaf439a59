{{/* The drop-in for Falco: what falco-config/sysflow.yaml is on a host. */}}
{{- define "sysflow.dropIn" -}}
{{- $init := dict "socket" "/run/sysflow/sysflow.sock" -}}
{{- if eq .Values.mode "sidecar" -}}
{{- /* An emptyDir is open to all of the pod, so its owner says nothing. */ -}}
{{- $_ := set $init "peer_uids" (list (int64 .Values.runAsUser)) -}}
{{- end -}}
{{- $init = mergeOverwrite $init (deepCopy .Values.falco.plugin) -}}
plugins:
  - name: sysflow
    library_path: /opt/sysflow/libsysflow.so
    init_config:
      {{- toYaml $init | nindent 6 }}
load_plugins: [sysflow]
append_output:
  - match: {source: syscall}
    extra_fields: [sf.graphid]
{{- if ne .Values.falco.syscalls "stock" }}
{{ .Files.Get (printf "files/syscalls-%s.yaml" .Values.falco.syscalls) | trim }}
{{- end }}
{{- end -}}

{{/* Values for the chart falcosecurity/falco. */}}
{{- define "sysflow.falcoValues" -}}
extra:
  initContainers:
    - name: sysflow-plugin
      image: {{ include "sysflow.image" . }}
      imagePullPolicy: {{ .Values.image.pullPolicy }}
      args: [install, --plugin, /opt/sysflow]
      resources:
        {{- toYaml .Values.initResources | nindent 8 }}
      securityContext:
        {{- include "sysflow.restricted" . | nindent 8 }}
      volumeMounts:
        - {name: sysflow-plugin, mountPath: /opt/sysflow}
    {{- if eq .Values.mode "sidecar" }}
    {{- if include "sysflow.ownedDirectories" . | fromJsonArray }}
    - {{- include "sysflow.ownContainer" . | nindent 6 }}
    {{- end }}
    - {{- include "sysflow.container" . | nindent 6 }}
      # An init container that goes on running: it is there before Falco, and ends after it.
      restartPolicy: Always
    {{- end }}
mounts:
  volumes:
    - name: sysflow-plugin
      emptyDir: {sizeLimit: 128Mi}
    # Optional: Falco starts, without the plugin, also when the chart sysflow is gone.
    - name: sysflow-conf
      configMap: {name: {{ include "sysflow.fullname" . }}-plugin, optional: true}
    {{- if eq .Values.mode "sidecar" }}
    {{- include "sysflow.volumes" . | nindent 4 }}
    {{- else }}
    - name: sysflow-run
      hostPath: {path: {{ .Values.socket.hostPath | quote }}, type: DirectoryOrCreate}
    {{- end }}
  volumeMounts:
    - {name: sysflow-plugin, mountPath: /opt/sysflow, readOnly: true}
    - {name: sysflow-conf, mountPath: /etc/sysflow/falco.d, readOnly: true}
    - {name: sysflow-run, mountPath: /run/sysflow}
falco:
  config_files: [/etc/falco/config.d, /etc/sysflow/falco.d]
{{- with .Values.falco.bufferPreset }}
driver:
  modernEbpf: {bufSizePreset: {{ . }}}
{{- end }}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}
