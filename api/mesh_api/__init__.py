"""HTTP API and UI over the store."""
