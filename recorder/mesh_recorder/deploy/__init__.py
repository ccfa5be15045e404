"""Where a sidecar is put: files for Compose and Kubernetes, printed and never applied."""
