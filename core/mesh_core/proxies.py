"""By which variables each runtime sends its calls through a proxy of ours. Pure."""

from collections.abc import Mapping

_EXCLUDING = ("127.", "localhost", "::1", "[::1]", "0.0.0.0")  # noqa: S104  # compared, not bound


def proxy_variables(
    environ: Mapping[str, str], host: str, port: int, *, callees: frozenset[str] = frozenset()
) -> dict[str, str]:
    """What sends a service's calls through the proxy at `host:port`.

    An empty `http.nonProxyHosts` takes back Java's own exclusion of localhost.

    Args:
        environ: what the service would get without us; its `NO_PROXY` and `JAVA_TOOL_OPTIONS` are kept.
        host: the proxy's, an IPv6 address in brackets or not.
        port: the proxy's.
        callees: hosts whose exclusion by `NO_PROXY` is taken back, besides loopback.
    """
    bare = host.strip("[]")
    url = f"http://[{bare}]:{port}" if ":" in bare else f"http://{bare}:{port}"
    no_proxy = ",".join(kept_of_no_proxy(environ.get("no_proxy") or environ.get("NO_PROXY") or "", callees))
    java = [
        f"-D{scheme}.{name}={value}"
        for scheme in ("http", "https")
        for name, value in (("proxyHost", bare), ("proxyPort", port))
    ]
    before = environ.get("JAVA_TOOL_OPTIONS", "")
    return {
        "HTTP_PROXY": url,
        "HTTPS_PROXY": url,
        "http_proxy": url,
        "https_proxy": url,
        "NO_PROXY": no_proxy,
        "no_proxy": no_proxy,
        "NODE_USE_ENV_PROXY": "1",
        "JAVA_TOOL_OPTIONS": " ".join([*([before] if before else []), *java, "-Dhttp.nonProxyHosts="]),
    }


def kept_of_no_proxy(value: str, callees: frozenset[str] = frozenset()) -> list[str]:
    """The entries of `NO_PROXY` that exclude neither loopback nor one of `callees`."""
    entries = [entry.strip() for entry in value.split(",")]
    return [entry for entry in entries if entry and not _excludes(entry.lower(), callees)]


def _excludes(entry: str, callees: frozenset[str]) -> bool:
    host = entry.rsplit(":", 1)[0] if entry.count(":") == 1 else entry
    if host == "*" or host.startswith(_EXCLUDING):
        return True
    domain = host.lstrip("*").lstrip(".")
    return any(callee == domain or callee.endswith(f".{domain}") for callee in callees)
