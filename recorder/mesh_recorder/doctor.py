"""`mesh-record doctor` without a command: are the calls of this machine's runtimes seen?

Each runtime really makes calls, to servers and through a proxy of ours: with all variables set as
`mesh-record -- COMMAND` sets them, and as the environment at hand stands.
"""

import json
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mesh_core.project import Project, project_dir
from mesh_core.proxies import kept_of_no_proxy
from mesh_recorder.authority import project_ca
from mesh_recorder.doctor_means import means_of
from mesh_recorder.doctor_probe import Probe, Way
from mesh_recorder.doctor_runtimes import Check, Runtime, check_all, find_runtimes
from mesh_recorder.runtimes import TrustFiles, service_environment
from mesh_recorder.settings import Listen, listen
from mesh_recorder.trust import trust_files

PROXY_VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "ALL_PROXY", "all_proxy")
_WORDS = {
    Way.SEEN: "seen",
    Way.DISTRUSTED: "seen as opaque",
    Way.PAST: "not seen",
    Way.NONE: "not made",
}
_JAVA_PROXY = re.compile(r"(-Dhttps?\.proxy(Host|Port)=)\S*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Examination:
    """What was found."""

    checks: Sequence[Check]
    """With all variables set."""
    ready: Mapping[str, str]
    """That environment."""
    environ: Mapping[str, str]
    """The one at hand."""
    here: Sequence[Check] | None
    """As the environment stands; None where nothing in it leads to a proxy."""
    remarks: Sequence[str]
    """On the environment at hand."""
    to_set: Mapping[str, str]
    """All variables with their values, for a sidecar that is started by itself."""


def doctor_report(
    project: Project, environ: Mapping[str, str], *, outbound: str | None, as_json: bool
) -> Iterator[str]:
    """Look at this machine's runtimes; the lines to print.

    Args:
        project: whose certificate authority is to be trusted.
        environ: the environment at hand.
        outbound: where the service's sidecar takes calls, where that is known.
        as_json: one document, for programs.

    Raises:
        MeshError: the certificate authority cannot be used.
    """
    folder = project_dir(project.state_dir, project.config.project)
    ca = project_ca(folder / "ca")
    found = examine(
        find_runtimes(environ),
        environ,
        ca_cert=ca.cert,
        ca_key=ca.key,
        trust=trust_files(ca.cert, folder / "trust" / "doctor", environ),
        outbound=listen(outbound) if outbound else Listen(),
    )
    if as_json:
        yield json.dumps(report_json(found))
    else:
        yield from report_lines(found)


def examine(
    runtimes: Sequence[Runtime],
    environ: Mapping[str, str],
    *,
    ca_cert: Path,
    ca_key: Path,
    trust: TrustFiles,
    outbound: Listen,
) -> Examination:
    """Let every runtime call.

    Args:
        runtimes: those to look at.
        environ: the environment at hand.
        ca_cert: the project's certificate authority,
        ca_key: and its key.
        trust: certificates for the variables.
        outbound: where the sidecar takes calls; port 0 where that is not known.
    """
    with Probe(ca_cert, ca_key) as probe:
        ready = service_environment(environ, proxy=probe.proxy, trust=trust)
        checks = check_all(runtimes, probe, ready)
        here = environment_here(environ, probe.proxy)
        return Examination(
            checks=checks,
            ready=ready,
            environ=environ,
            here=check_all(runtimes, probe, here) if here is not None else None,
            remarks=list(remarks_on(environ)),
            to_set=variables_to_set(environ, outbound, trust),
        )


def environment_here(environ: Mapping[str, str], proxy: Listen) -> dict[str, str] | None:
    """The environment at hand with our probe for the proxy that it names; None where it names none."""
    named = [name for name in PROXY_VARIABLES if environ.get(name)]
    java = environ.get("JAVA_TOOL_OPTIONS", "")
    if not named and not _JAVA_PROXY.search(java):
        return None
    values = {"Host": proxy.host, "Port": str(proxy.port)}
    ours = _JAVA_PROXY.sub(lambda match: match[1] + values[match[2]], java)
    return {
        **environ,
        **dict.fromkeys(named, f"http://{proxy}"),
        **({"JAVA_TOOL_OPTIONS": ours} if java else {}),
    }


def remarks_on(environ: Mapping[str, str]) -> Iterator[str]:
    """What in the environment at hand keeps calls from the sidecar, or will surprise."""
    named = {environ[name].rpartition("@")[2] for name in PROXY_VARIABLES if environ.get(name)}
    if named:
        yield (
            f"a proxy is set here ({', '.join(sorted(named))}): calls are recorded if it is the "
            "sidecar's outbound address; `-- COMMAND` sets the sidecar's in its place"
        )
    lost = _excluded(environ)
    if lost:
        yield (
            f"NO_PROXY keeps calls to {', '.join(lost)} from any proxy: take that out (`-- COMMAND` does so)"
        )
    if environ.get("HTTP_PROXY") and not environ.get("http_proxy"):
        yield "curl reads http_proxy in small letters alone: set that besides HTTP_PROXY"


def report_lines(found: Examination) -> Iterator[str]:
    """The examination for people."""
    yield "Calls as `mesh-record --service NAME -- COMMAND` lets them be made, with every variable set:"
    yield from _table(found.checks, found.ready)
    yield "Calls as the environment here lets them be made:"
    if found.here is None:
        yield "  nothing here leads calls to a proxy"
    else:
        yield from _table(found.here, found.environ)
    yield from (f"  {remark}" for remark in found.remarks)
    yield "To set by hand, for a service that is started by itself:"
    yield from (f"  export {name}={shlex.quote(value)}" for name, value in found.to_set.items())


def report_json(found: Examination) -> dict[str, Any]:
    """The examination for programs."""
    here = {(check.runtime.program, check.client): check for check in found.here or ()}
    return {
        "runtimes": [
            {
                "runtime": check.runtime.kind,
                "version": check.runtime.version,
                "program": check.runtime.program,
                "client": check.client,
                "plain": check.plain,
                "tls": check.tls,
                "error": check.error or None,
                "variables": list(means_of(check.runtime.name, check.client).variables),
                "advice": advice_on(check, found.ready),
                "here": _here_json(here.get((check.runtime.program, check.client)), found.environ),
            }
            for check in found.checks
        ],
        "remarks": list(found.remarks),
        "set": dict(found.to_set),
    }


def advice_on(check: Check, environ: Mapping[str, str]) -> str:
    """What to set, or what to do where nothing helps, for a client that called with `environ`."""
    means = means_of(check.runtime.name, check.client)
    if check.plain is Way.SEEN and check.tls is Way.SEEN:
        return f"by {', '.join(means.variables)}" if means.variables else ""
    if Way.PAST in (check.plain, check.tls):
        missing = [name for name in means.proxy if name not in environ]
        if missing:
            return f"set {', '.join(missing)}"
        if means.proxy and _excluded(environ):
            return f"take {', '.join(_excluded(environ))} out of NO_PROXY"
        return means.otherwise
    if check.tls is Way.DISTRUSTED:
        return f"for TLS to be looked into, set {', '.join(means.trust) or 'whom it trusts'}"
    return f"it could not call: {check.error}" if check.error else "it made no call"


def _excluded(environ: Mapping[str, str]) -> list[str]:
    """What `NO_PROXY` keeps from the sidecar."""
    entries = environ.get("no_proxy") or environ.get("NO_PROXY") or ""
    kept = kept_of_no_proxy(entries)
    return [entry.strip() for entry in entries.split(",") if entry.strip() and entry.strip() not in kept]


def _table(checks: Sequence[Check], environ: Mapping[str, str]) -> Iterator[str]:
    names = [
        check.runtime.name if check.client == "curl" else f"{check.runtime.name} {check.client}"
        for check in checks
    ]
    width = max(map(len, names), default=0)
    for name, check in zip(names, checks, strict=True):
        plain, tls = _WORDS[check.plain], _WORDS[check.tls]
        yield f"  {name:<{width}}  plain {plain:<14}  TLS {tls:<14}  {advice_on(check, environ)}".rstrip()


def _here_json(check: Check | None, environ: Mapping[str, str]) -> dict[str, Any] | None:
    if check is None:
        return None
    return {"plain": check.plain, "tls": check.tls, "advice": advice_on(check, environ)}


def variables_to_set(environ: Mapping[str, str], outbound: Listen, trust: TrustFiles) -> dict[str, str]:
    """What to set by hand, besides what is set already; a port of 0 stands for the one of the ready line."""
    after = service_environment(environ, proxy=outbound, trust=trust)
    changed = {name: value for name, value in sorted(after.items()) if environ.get(name) != value}
    if outbound.port:
        return changed
    return {
        name: value.replace(str(outbound), "OUTBOUND").replace("proxyPort=0", "proxyPort=OUTBOUND-PORT")
        for name, value in changed.items()
    }
