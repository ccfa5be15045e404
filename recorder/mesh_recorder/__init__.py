"""The sidecar: traffic in, spool and store out."""
