"""By which variables each runtime sends its calls through our proxy and trusts our CA. Pure.

The documentation's table (docs/reference/runtimes.md) is measured by tests/e2e/doctor.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mesh_recorder.settings import Listen

CA_BUNDLE_VARIABLES = (
    "SSL_CERT_FILE",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "AWS_CA_BUNDLE",
    "GIT_SSL_CAINFO",
    "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH",
    "HTTPLIB2_CA_CERTS",
    "PIP_CERT",
)
"""Each names one file of certificates in PEM, which replaces the system's."""
ALWAYS_SET = CA_BUNDLE_VARIABLES[:3]
"""The others are set only where they are set already, as they would hide our CA."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustFiles:
    """Whom to trust, in the forms that runtimes read."""

    bundle: Path
    """PEM: the system's certificates and ours."""
    extra: Path
    """PEM: ours, for runtimes that add to their own."""
    java_store: Path
    """PKCS12: as the bundle."""


JAVA_STORE_PASSWORD = "changeit"  # noqa: S105  # Java's own default; the store holds public certificates alone


def service_environment(
    environ: Mapping[str, str],
    *,
    proxy: Listen,
    trust: TrustFiles,
    port: int | None = None,
    callees: frozenset[str] = frozenset(),
) -> dict[str, str]:
    """The environment of a service whose calls are to be seen.

    Args:
        environ: what it would get without us.
        proxy: the sidecar's outbound listener.
        trust: certificates.
        port: where the service is to listen; None leaves `PORT` alone.
        callees: hosts whose exclusion by `NO_PROXY` is taken back, besides loopback.
    """
    url = f"http://{proxy}"
    no_proxy = ",".join(kept_of_no_proxy(environ.get("no_proxy") or environ.get("NO_PROXY") or "", callees))
    variables = {
        "HTTP_PROXY": url,
        "HTTPS_PROXY": url,
        "http_proxy": url,
        "https_proxy": url,
        "NO_PROXY": no_proxy,
        "no_proxy": no_proxy,
        "NODE_USE_ENV_PROXY": "1",
        "NODE_EXTRA_CA_CERTS": str(trust.extra),
        "JAVA_TOOL_OPTIONS": _java_options(environ.get("JAVA_TOOL_OPTIONS", ""), proxy, trust.java_store),
    }
    for name in CA_BUNDLE_VARIABLES:
        if name in ALWAYS_SET or name in environ:
            variables[name] = str(trust.bundle)
    if port is not None:
        variables["PORT"] = str(port)
    return {**environ, **variables}


def kept_of_no_proxy(value: str, callees: frozenset[str] = frozenset()) -> list[str]:
    """The entries of `NO_PROXY` that exclude neither loopback nor one of `callees`."""
    entries = [entry.strip() for entry in value.split(",")]
    return [entry for entry in entries if entry and not _excludes(entry.lower(), callees)]


def _excludes(entry: str, callees: frozenset[str]) -> bool:
    host = entry.rsplit(":", 1)[0] if entry.count(":") == 1 else entry
    if host == "*" or host.startswith(("127.", "localhost", "::1", "[::1]", "0.0.0.0")):  # noqa: S104  # compared, not bound
        return True
    domain = host.lstrip("*").lstrip(".")
    return any(callee == domain or callee.endswith(f".{domain}") for callee in callees)


def _java_options(before: str, proxy: Listen, store: Path) -> str:
    """`JAVA_TOOL_OPTIONS` with ours behind those that are there.

    An empty `http.nonProxyHosts` takes back Java's own exclusion of localhost.
    """
    host = proxy.host.strip("[]")
    ours = [
        f"-D{scheme}.{name}={value}"
        for scheme in ("http", "https")
        for name, value in (("proxyHost", host), ("proxyPort", proxy.port))
    ]
    ours += [
        "-Dhttp.nonProxyHosts=",
        f"-Djavax.net.ssl.trustStore={store}",
        "-Djavax.net.ssl.trustStoreType=PKCS12",
        f"-Djavax.net.ssl.trustStorePassword={JAVA_STORE_PASSWORD}",
    ]
    return " ".join([*([before] if before else []), *ours])
