"""Our own HTTP/1.1 connection behind httpx's transport interface: bytes go out as they were recorded."""
