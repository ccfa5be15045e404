"""What each HTTP client needs so that its calls are seen: the table of docs/reference/runtimes.md. Pure.

The tests measure each row that is marked so, with its variables and no others.
"""

from dataclasses import dataclass
from enum import StrEnum


class Known(StrEnum):
    """How a row is known."""

    MEASURED = "measured"
    READ = "read"


PROXY = ("HTTP_PROXY", "HTTPS_PROXY")
CURL_PROXY = ("http_proxy", "https_proxy")
NODE = (*PROXY, "NODE_USE_ENV_PROXY")
PORTS = "a port for each dependency: --upstream-env VAR, or --upstream"
"""What works whatever the client."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """One client of one runtime."""

    runtime: str
    client: str
    proxy: tuple[str, ...] = ()
    """Variables that lead its calls through the proxy; empty where none does."""
    trust: tuple[str, ...] = ()
    """Variables by which it trusts our certificates; for TLS that is looked into."""
    otherwise: str = PORTS
    """What to do where no variable helps, or these did not."""
    known: Known = Known.MEASURED

    @property
    def variables(self) -> tuple[str, ...]:
        """All that it needs."""
        return tuple(dict.fromkeys([*self.proxy, *self.trust]))


MEANS = (
    Means(runtime="curl", client="curl", proxy=CURL_PROXY, trust=("CURL_CA_BUNDLE",)),
    Means(runtime="Python", client="urllib", proxy=PROXY, trust=("SSL_CERT_FILE",)),
    Means(runtime="Python", client="requests", proxy=PROXY, trust=("REQUESTS_CA_BUNDLE",)),
    Means(runtime="Python", client="httpx", proxy=PROXY, trust=("SSL_CERT_FILE",)),
    Means(
        runtime="Python",
        client="aiohttp",
        otherwise=f"make sessions as ClientSession(trust_env=True), else {PORTS}",
    ),
    Means(runtime="Python", client="aiohttp(trust_env=True)", proxy=PROXY, trust=("SSL_CERT_FILE",)),
    Means(runtime="Node 24", client="fetch", proxy=NODE, trust=("NODE_EXTRA_CA_CERTS",)),
    Means(runtime="Node 24", client="node:http", proxy=NODE, trust=("NODE_EXTRA_CA_CERTS",)),
    Means(
        runtime="Node 20",
        client="fetch",
        otherwise=f"Node knows proxies from 24.5 (and 22.21) on; before, {PORTS}",
    ),
    Means(
        runtime="Node 20",
        client="node:http",
        otherwise=f"Node knows proxies from 24.5 (and 22.21) on; before, {PORTS}",
    ),
    Means(
        runtime="Java", client="HttpURLConnection", proxy=("JAVA_TOOL_OPTIONS",), trust=("JAVA_TOOL_OPTIONS",)
    ),
    Means(
        runtime="Java",
        client="java.net.http",
        proxy=("JAVA_TOOL_OPTIONS",),
        trust=("JAVA_TOOL_OPTIONS",),
    ),
    Means(
        runtime="Go",
        client="net/http",
        proxy=PROXY,
        trust=("SSL_CERT_FILE",),
        otherwise=f"Go never sends calls to localhost or 127.0.0.0/8 through a proxy: {PORTS}",
        known=Known.READ,
    ),
)


def means_of(runtime: str, client: str) -> Means:
    """The row of a client; one without means where it is not in the table.

    Args:
        runtime: with its version, such as `Node 24.19.0`.
        client: as the table names it.
    """
    fitting = [means for means in MEANS if means.client == client and _fits(means.runtime, runtime)]
    return fitting[0] if fitting else Means(runtime=runtime, client=client, known=Known.READ)


def _fits(row: str, runtime: str) -> bool:
    if row == "Node 20":
        return runtime.startswith("Node ") and not _node_knows_proxies(runtime)
    if row == "Node 24":
        return runtime.startswith("Node ") and _node_knows_proxies(runtime)
    return runtime.split(" ")[0] == row


def _node_knows_proxies(runtime: str) -> bool:
    """Source: Node's documentation of NODE_USE_ENV_PROXY, added in 24.5.0 and 22.21.0 for all clients."""
    numbers = [int(part) for part in runtime.removeprefix("Node ").split(".")[:2] if part.isdigit()]
    major, minor = [*numbers, 0, 0][:2]
    return (major, minor) >= (24, 5) or (major == 22 and minor >= 21)
