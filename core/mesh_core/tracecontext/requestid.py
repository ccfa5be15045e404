"""`x-request-id` as a trace id, where there is nothing better. Pure."""

from hashlib import sha256

REQUEST_ID = b"x-request-id"

_DOMAIN = b"mesh-replay trace of request id\0"
"""Keeps the hash apart from any other use of SHA-256 on the same id."""


def trace_id_of_request_id(request_id: str) -> str:
    """The trace id that every sidecar gives to a request with this id.

    Returns:
        32 lowercase hex digits, never all zero.
    """
    # A lone surrogate can come from a command line; it must not fail, only not match.
    digest = sha256(_DOMAIN + request_id.encode("utf-8", "surrogatepass")).digest()
    return digest[:16].hex() if any(digest[:16]) else digest[16:].hex()
