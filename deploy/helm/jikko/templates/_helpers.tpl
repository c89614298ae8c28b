{{- define "jikko.name" -}}
{{- $name := .Release.Name }}
{{- if not (contains .Chart.Name $name) }}{{ $name = printf "%s-%s" $name .Chart.Name }}{{ end }}
{{- $name | trunc 52 | trimSuffix "-" }}
{{- end }}

{{- define "jikko.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "jikko.labels" -}}
{{ include "jikko.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- /* A value as the variable of a setting has it: lists with commas, numbers without exponents. */ -}}
{{- define "jikko.value" -}}
{{- if kindIs "slice" . }}{{ join "," . }}
{{- else if kindIs "float64" . }}{{ if eq . (floor .) }}{{ int64 . }}{{ else }}{{ . }}{{ end }}
{{- else }}{{ . }}{{ end }}
{{- end }}

{{- /* Seconds that nodes under way have to end, once their server stops. */ -}}
{{- define "jikko.drain" -}}
{{- if hasKey .Values.settings "drain_seconds" }}{{ .Values.settings.drain_seconds }}{{ else }}300{{ end }}
{{- end }}

{{- /* Seconds for which a server that is told to go still serves. */ -}}
{{- define "jikko.lameDuck" -}}
{{- if hasKey .Values.settings "lame_duck_seconds" }}{{ .Values.settings.lame_duck_seconds }}
{{- else if eq .Values.mode "cluster" }}{{ .Values.cluster.stopDelaySeconds }}{{ else }}0{{ end }}
{{- end }}

{{- /* Seconds that a pod has to stop. Without the setting, runs have 10 of them. */ -}}
{{- define "jikko.grace" -}}
{{- $seconds := add 30 (mul 2 (ceil (default 10 .Values.settings.shutdown_seconds) | int64)) }}
{{- $seconds = add $seconds (ceil (include "jikko.lameDuck" . | float64) | int64) }}
{{- if eq .Values.mode "cluster" }}
{{- $seconds = add $seconds (ceil (include "jikko.drain" . | float64) | int64) }}
{{- end }}
{{- $seconds }}
{{- end }}

{{- /* The settings that are files of cluster.nats.secret, as names of values: nats_ca is there as ca. */ -}}
{{- define "jikko.natsFiles" -}}
nats_credentials: credentials
nats_ca: ca
nats_certificate: certificate
nats_certificate_key: certificateKey
{{- end }}
