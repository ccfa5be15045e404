"""The mitmproxy lane: mitmproxy's layers, driven by sockets and timers of our own."""
