"""HTTP clients, each by itself and beside OpenTelemetry's instrumentors."""
