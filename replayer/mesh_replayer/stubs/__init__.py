"""Recorded dependencies in place of the real ones: which call is which, and the servers that answer."""
