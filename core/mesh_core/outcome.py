"""What came of a request, in one word. Pure."""

from enum import StrEnum


class Outcome(StrEnum):
    """How an exchange ended; the first cause where there are several."""

    OK = "ok"
    HTTP_4XX = "http_4xx"
    HTTP_5XX = "http_5xx"
    GRPC_ERROR = "grpc_error"
    CONNECT_FAILED = "connect_failed"
    DNS_FAILED = "dns_failed"
    TLS_FAILED = "tls_failed"
    UPSTREAM_TIMEOUT = "upstream_timeout"
    UPSTREAM_RESET = "upstream_reset"
    """Closed before the response was whole."""
    CLIENT_DISCONNECTED = "client_disconnected"
    PROTOCOL_ERROR = "protocol_error"
    """Invalid HTTP from either side."""
    FAULT_INJECTED = "fault_injected"
    """Ours; never counted as the service's failure."""
    REJECTED = "rejected"
    """Ours: circuit open, or a limit."""


FAILURES = frozenset(Outcome) - {
    Outcome.OK,
    Outcome.HTTP_4XX,
    Outcome.CLIENT_DISCONNECTED,
    Outcome.FAULT_INJECTED,
    Outcome.REJECTED,
}
"""The outcomes that make an exchange a failure."""

GRPC_SERVER_ERRORS = frozenset({2, 4, 12, 13, 14, 15})
"""gRPC codes that are the server's fault.

Source: OpenTelemetry semantic conventions for gRPC, span status of a server span.
"""


def outcome_of_status(status: int, grpc_status: int | None = None) -> Outcome:
    """The outcome of a response that arrived whole.

    A gRPC status decides over the HTTP status, which is 200 for most gRPC errors; codes
    that are the caller's doing count as `http_4xx` does.
    """
    if grpc_status:
        return Outcome.GRPC_ERROR if grpc_status in GRPC_SERVER_ERRORS else Outcome.HTTP_4XX
    if status >= 500:
        return Outcome.HTTP_5XX
    return Outcome.HTTP_4XX if status >= 400 else Outcome.OK
