{{/* What all pods have in common: those of the services and those of the hooks. */}}

{{- define "stoa.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "stoa.containerSecurity" -}}
allowPrivilegeEscalation: false
privileged: false
readOnlyRootFilesystem: true
runAsNonRoot: true
capabilities:
  drop: [ALL]
{{- end -}}

{{/* The settings that are no secret. */}}
{{- define "stoa.settings" -}}
STOA_SERVER__LISTEN: "0.0.0.0:3000"
STOA_SERVER__DATA_DIR: /var/lib/stoa
STOA_SERVER__SHUTDOWN_GRACE: {{ printf "%ds" (int .Values.shutdownGraceSeconds) | quote }}
STOA_TELEMETRY__LOG_FORMAT: json
STOA_GATEWAY__METRICS_FROM: {{ .Values.metricsFrom | toJson | quote }}
# Without an edge of its own it is reached by port-forward, as NOTES.txt says.
STOA_SERVER__PUBLIC_URL: {{ include "stoa.publicUrl" . | default "http://127.0.0.1:3000" | quote }}
{{- with .Values.objects }}
STOA_OBJECTS__URL: {{ .url | quote }}
STOA_OBJECTS__REGION: {{ .region | quote }}
{{- with .endpoint }}
STOA_OBJECTS__ENDPOINT: {{ . | quote }}
{{- end }}
{{- end }}
{{- $scheme := ternary "https" "http" (not (empty .Values.rpc.tlsSecret)) }}
{{- range $name := keys .Values.services | sortAlpha }}
{{- $service := include "stoa.service" (dict "root" $ "name" $name) | fromJson }}
{{- $dns := include "stoa.serviceName" (dict "root" $ "name" $name) }}
{{- if not $service.edge }}
STOA_GATEWAY__UPSTREAMS__{{ $name | upper }}: {{ list (printf "http://%s-pods:3000" $dns) | toJson | quote }}
{{- end }}
{{- if $service.rpc }}
STOA_RPC__UPSTREAMS__{{ $name | upper }}: {{ list (printf "%s://%s-pods:3001" $scheme $dns) | toJson | quote }}
{{- end }}
{{- end }}
{{- if .Values.rpc.tlsSecret }}
STOA_RPC__TLS__CERTIFICATE: /etc/stoa/rpc/tls.crt
STOA_RPC__TLS__KEY: /etc/stoa/rpc/tls.key
STOA_RPC__TLS__CA: /etc/stoa/rpc/ca.crt
{{- else }}
{{- if not .Values.networkPolicy.enabled }}
{{- fail "without rpc.tlsSecret anybody who reaches port 3001 could call as any user: set it, or leave networkPolicy.enabled" }}
{{- end }}
# The network policies keep everybody else away from that port.
STOA_RPC__INSECURE: "true"
{{- end }}
{{- range $name, $value := .Values.settings }}
{{ $name }}: {{ $value | quote }}
{{- end }}
{{- end -}}

{{/* One variable from the Secret: dict "secret" … "name" … "optional" …. */}}
{{- define "stoa.secretVariable" -}}
- name: {{ .name }}
  valueFrom:
    secretKeyRef:
      name: {{ .secret }}
      key: {{ .name }}
      {{- if .optional }}
      optional: true
      {{- end }}
{{- end -}}

{{/* What every process needs of the Secret. */}}
{{- define "stoa.commonSecrets" -}}
{{- range $name, $optional := dict "STOA_BUS__URL" false "STOA_CACHE__URL" false "STOA_AUDIT__SECRET" false "STOA_OBJECTS__ACCESS_KEY_ID" true "STOA_OBJECTS__SECRET_ACCESS_KEY" true }}
{{ include "stoa.secretVariable" (dict "secret" $.secret "name" $name "optional" $optional) }}
{{- end }}
{{- end -}}

{{- define "stoa.spread" -}}
{{- range $key := list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
- maxSkew: 1
  topologyKey: {{ $key }}
  whenUnsatisfiable: {{ $.root.Values.topologySpread.whenUnsatisfiable }}
  labelSelector:
    matchLabels:
      {{- include "stoa.selector" $ | nindent 6 }}
{{- end }}
{{- end -}}
