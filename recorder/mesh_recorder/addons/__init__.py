"""mitmproxy addons of the sidecar, one concern each."""
