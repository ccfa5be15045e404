"""The variables by which a service in a container sends its calls through its sidecar. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mesh_core.proxies import kept_of_no_proxy
from mesh_recorder.deploy.promise import PORTS, TRUST_FOLDER
from mesh_recorder.runtimes import ALWAYS_SET, CA_BUNDLE_VARIABLES, JAVA_STORE_PASSWORD
from mesh_recorder.settings import Listen

PROXY_VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy")
LOOPBACK = ("localhost", "127.0.0.1", "::1")
CREDENTIALS = ("169.254.169.254", "169.254.170.2", "169.254.170.23", "metadata.google.internal")
"""Where clouds hand out credentials: these calls are nobody's to record."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AppVariables:
    """What is added to a service's environment."""

    values: Mapping[str, str]
    foreign: str | None = None
    """A proxy variable that it has already; its calls stay as they are then."""


def app_variables(
    present: Mapping[str, str | None],
    *,
    proxy: Listen,
    direct: Sequence[str] = (),
    callees: frozenset[str] = frozenset(),
    trust: bool = False,
    java: bool = False,
) -> AppVariables:
    """The variables for a service that has `present` already.

    A proxy of its own is left alone: its way out may lead through it.

    Args:
        present: its environment, as far as it is known; None where a value is not.
        proxy: the sidecar's outbound listener, as the service reaches it.
        direct: hosts that are not to be asked through the sidecar, besides loopback and
            those that hand out credentials.
        callees: hosts whose exclusion by `NO_PROXY` is taken back.
        trust: whether it is to trust the project's CA.
        java: whether to set `JAVA_TOOL_OPTIONS`, which replaces what its image may say.
    """
    url = f"http://{proxy}"
    foreign = next(
        (name for name in PROXY_VARIABLES if name in present and not _ours(present[name], proxy)), None
    )
    if foreign is not None:
        return AppVariables(values={}, foreign=foreign)
    unproxied = [*LOOPBACK, *CREDENTIALS, *direct]
    before = present.get("no_proxy") or present.get("NO_PROXY") or ""
    kept = [entry for entry in kept_of_no_proxy(before, callees) if entry not in unproxied]
    values: dict[str, str] = dict.fromkeys(PROXY_VARIABLES, url)
    values |= dict.fromkeys(("NO_PROXY", "no_proxy"), ",".join([*unproxied, *kept]))
    values["NODE_USE_ENV_PROXY"] = "1"
    if trust:
        bundles = [name for name in CA_BUNDLE_VARIABLES if name in ALWAYS_SET or name in present]
        values |= dict.fromkeys(bundles, f"{TRUST_FOLDER}/bundle.pem")
        values["NODE_EXTRA_CA_CERTS"] = f"{TRUST_FOLDER}/extra.pem"
    if java:
        before = without_java_options(present.get("JAVA_TOOL_OPTIONS") or "")
        values["JAVA_TOOL_OPTIONS"] = " ".join(
            [before, *_java_options(proxy, unproxied, trust=trust)]
        ).strip()
    return AppVariables(values=values)


def without_java_options(text: str) -> str:
    """`JAVA_TOOL_OPTIONS` without what an earlier run added at its end."""
    return text.partition(_JAVA_MARK)[0].strip()


_JAVA_MARK = "-Dmesh.record=1"
"""Stands before our options; Java itself does not know it."""


def _ours(value: str | None, proxy: Listen) -> bool:
    """Whether a proxy variable was set by us, now or at an earlier run."""
    host, _, port = (value or "").removeprefix("http://").rpartition(":")
    return host == proxy.host and port.isdigit() and int(port) in PORTS


def _java_options(proxy: Listen, unproxied: Sequence[str], *, trust: bool) -> list[str]:
    ours = [
        f"-D{scheme}.{name}={value}"
        for scheme in ("http", "https")
        for name, value in (("proxyHost", proxy.host), ("proxyPort", proxy.port))
    ]
    hosts = [f"[{host}]" if ":" in host else host for host in unproxied]  # as Java writes IPv6
    ours.append(f"-Dhttp.nonProxyHosts={'|'.join(hosts)}")
    if trust:
        ours += [
            f"-Djavax.net.ssl.trustStore={TRUST_FOLDER}/truststore.p12",
            "-Djavax.net.ssl.trustStoreType=PKCS12",
            f"-Djavax.net.ssl.trustStorePassword={JAVA_STORE_PASSWORD}",
        ]
    return [_JAVA_MARK, *ours]
