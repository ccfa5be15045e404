"""The environment of a service that is started for a run. Pure.

1. `PORT` is the target's.
2. `--env KEY=dep:NAME` is the address of a dependency's stub; any other value stands for itself.
3. A variable that holds the address of a dependency, as it was recorded or as `mesh.toml` has it, gets the
   stub's instead; all other calls over HTTP meet the stubs' proxy.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mesh_core.errors import ConfigInvalid
from mesh_core.proxies import proxy_variables

_URL = re.compile(r"(?:(https?)://)?(\[[0-9a-fA-F:]+\]|[A-Za-z0-9._-]+)(?::(\d{1,5}))?(/.*)?", re.DOTALL)
_DEPENDENCY = "dep:"


@dataclass(frozen=True, slots=True, kw_only=True)
class StubAddresses:
    """Where the stubs listen."""

    ports: Mapping[str, int]
    """By callee."""
    proxy: int
    """The forward proxy's port."""
    authorities: Mapping[str, str]
    """Callees by every `host:port` under which they are known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceEnvironment:
    """What the service's process gets."""

    variables: Mapping[str, str]
    told: tuple[str, ...] = ()
    """Which variables lead to which stub, in words."""


def parse_env(texts: Sequence[str]) -> dict[str, str]:
    """`--env KEY=VALUE` by key.

    Raises:
        ConfigInvalid: one has no key or no `=`.
    """
    found: dict[str, str] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key or "\0" in text:
            raise ConfigInvalid(
                f"--env {text!r} is not KEY=VALUE", hint="such as --env INVENTORY_URL=dep:inventory"
            )
        found[key] = value
    return found


def service_environment(
    environ: Mapping[str, str], *, port: int, given: Mapping[str, str], stubs: StubAddresses | None
) -> ServiceEnvironment:
    """What the service's process gets.

    Args:
        environ: ours.
        port: the target's.
        given: `--env`.
        stubs: None where the dependencies are live.

    Raises:
        ConfigInvalid: `--env` names a dependency that has no stub.
    """
    variables = {key: value for key, value in environ.items() if not key.startswith("MESH_")}
    told: list[str] = []
    if stubs is not None:
        variables |= proxy_variables(environ, "127.0.0.1", stubs.proxy, callees=_hosts(stubs))
        for key, value in environ.items():
            callee = None if key in given else stubs.authorities.get(authority_of(value) or "")
            if callee is not None and callee in stubs.ports:
                variables[key] = _at(value, stubs.ports[callee])
                told.append(f"{key}={variables[key]} ({callee})")
    for key, value in given.items():
        variables[key] = value
        if value.startswith(_DEPENDENCY):
            variables[key] = _dependency(key, value.removeprefix(_DEPENDENCY), stubs)
            told.append(f"{key}={variables[key]}")
    return ServiceEnvironment(variables={**variables, "PORT": str(port)}, told=tuple(told))


def named_dependencies(given: Mapping[str, str]) -> list[str]:
    """The dependencies that `--env KEY=dep:NAME` names."""
    return [
        value.removeprefix(_DEPENDENCY).partition("/")[0]
        for value in given.values()
        if value.startswith(_DEPENDENCY)
    ]


def authority_of(value: str) -> str | None:
    """`host:port` of a value that is an address or an HTTP URL; None for anything else."""
    match = _URL.fullmatch(value.strip())
    if match is None or (match[1] is None and match[3] is None):
        return None
    port = match[3] or ("443" if match[1] == "https" else "80")
    host = match[2].lower()
    return f"{'127.0.0.1' if host == 'localhost' else host}:{port}"


def _at(value: str, port: int) -> str:
    """An address or URL with the stub's host and port in it."""
    match = _URL.fullmatch(value.strip())
    scheme = "http://" if match is not None and match[1] else ""
    return f"{scheme}127.0.0.1:{port}{(match[4] if match is not None else None) or ''}"


def _dependency(key: str, text: str, stubs: StubAddresses | None) -> str:
    name, slash, path = text.partition("/")
    if stubs is None or name not in stubs.ports:
        known = ", ".join(stubs.ports) if stubs is not None else ""
        raise ConfigInvalid(
            f"--env {key}=dep:{text}: there is no stub of {name}",
            hint=f"there are stubs of {known}" if known else "give --stub rest",
        )
    return f"http://127.0.0.1:{stubs.ports[name]}{slash}{path}"


def _hosts(stubs: StubAddresses) -> frozenset[str]:
    return frozenset(authority.rpartition(":")[0].strip("[]") for authority in stubs.authorities)
