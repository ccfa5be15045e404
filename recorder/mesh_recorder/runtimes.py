"""By which variables each runtime sends its calls through our proxy and trusts our CA. Pure.

The documentation's table (docs/reference/runtimes.md) is measured by tests/e2e/doctor.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mesh_core.proxies import proxy_variables
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
    variables = {
        **proxy_variables(environ, proxy.host, proxy.port, callees=callees),
        "NODE_EXTRA_CA_CERTS": str(trust.extra),
    }
    variables["JAVA_TOOL_OPTIONS"] += (
        f" -Djavax.net.ssl.trustStore={trust.java_store} -Djavax.net.ssl.trustStoreType=PKCS12"
        f" -Djavax.net.ssl.trustStorePassword={JAVA_STORE_PASSWORD}"
    )
    for name in CA_BUNDLE_VARIABLES:
        if name in ALWAYS_SET or name in environ:
            variables[name] = str(trust.bundle)
    if port is not None:
        variables["PORT"] = str(port)
    return {**environ, **variables}
