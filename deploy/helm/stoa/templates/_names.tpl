{{/* Names and labels. */}}

{{- define "stoa.fullname" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "stoa.chart" -}}
{{- printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" -}}
{{- end -}}

{{/* What never changes in an installation; of a service: dict "root" $ "name" "auth". */}}
{{- define "stoa.selector" -}}
app.kubernetes.io/name: {{ .root.Chart.Name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
{{- with .name }}
app.kubernetes.io/component: {{ . }}
{{- end }}
{{- end -}}

{{- define "stoa.labels" -}}
{{ include "stoa.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/part-of: {{ .root.Chart.Name }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ include "stoa.chart" .root }}
{{- end -}}

{{/* `data_rooms` is `data-rooms` to Kubernetes. */}}
{{- define "stoa.dns" -}}
{{ . | replace "_" "-" }}
{{- end -}}

{{- define "stoa.serviceName" -}}
{{ printf "%s-%s" (include "stoa.fullname" .root) (include "stoa.dns" .name) }}
{{- end -}}

{{- define "stoa.secretName" -}}
{{ default (include "stoa.fullname" .) .Values.secrets.existingSecret }}
{{- end -}}

{{- define "stoa.serviceAccountName" -}}
{{ default (ternary (include "stoa.fullname" .) "default" .Values.serviceAccount.create) .Values.serviceAccount.name }}
{{- end -}}

{{- define "stoa.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{ printf "%s@%s" .repository .digest }}
{{- else -}}
{{ printf "%s:%s" .repository (default $.Chart.AppVersion .tag) }}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* A service with what it leaves to `serviceDefaults`, as JSON. */}}
{{- define "stoa.service" -}}
{{- $given := index .root.Values.services .name -}}
{{- mergeOverwrite (deepCopy .root.Values.serviceDefaults) (deepCopy (default dict $given)) | toJson -}}
{{- end -}}

{{- define "stoa.publicUrl" -}}
{{- if .Values.publicUrl -}}
{{ .Values.publicUrl }}
{{- else if and .Values.httpRoute.enabled .Values.httpRoute.hostnames -}}
https://{{ first .Values.httpRoute.hostnames }}
{{- else if and .Values.ingress.enabled .Values.ingress.hosts -}}
{{ ternary "https" "http" (not (empty .Values.ingress.tlsSecret)) }}://{{ first .Values.ingress.hosts }}
{{- end -}}
{{- end -}}
