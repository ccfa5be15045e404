"""Which providers a run uses, and whether its targets may get their secrets. Pure."""

from collections.abc import Mapping, Sequence

from mesh_core.config import is_loopback, split_address
from mesh_core.errors import ConfigInvalid, TargetNotAllowed
from mesh_core.replay_config import Auth, AuthKind
from mesh_replayer.target import Target

FROM_OPTION = "--auth-env"


def chosen(names: Sequence[str], variables: Sequence[str], known: Mapping[str, Auth]) -> list[Auth]:
    """The providers that `--auth NAME` and `--auth-env VARIABLE` name.

    Raises:
        ConfigInvalid: there is no such provider.
    """
    for name in names:
        if name not in known:
            there = f"there are {', '.join(known)}" if known else f"write [auth.{name}] into mesh.toml"
            raise ConfigInvalid(f"there is no auth.{name}", hint=there)
    given = [
        Auth(
            name=f"{FROM_OPTION} {each}",
            kind=AuthKind.ENVIRONMENT,
            targets=(),
            variable=each,
            value="{secret}",
        )
        for each in variables
    ]
    return [*(known[name] for name in names), *given]


def check_targets(auths: Sequence[Auth], targets: Sequence[Target]) -> None:
    """Refuse to send a provider's secret to a target that it does not name.

    Raises:
        TargetNotAllowed: one would get there.
    """
    for auth in auths:
        for target in targets:
            if not auth.name.startswith(FROM_OPTION) and not may_get(auth, target):
                raise TargetNotAllowed(
                    f"auth.{auth.name} is for {', '.join(auth.targets)}, and not for {target.text}",
                    hint=f"add {target.host}:{target.port} to its targets if that may have its secret",
                )


def may_get(auth: Auth, target: Target) -> bool:
    """Whether a target may get a provider's secret; `localhost` stands for all of this machine."""
    for entry in auth.targets:
        if entry == "localhost":
            if target.loopback:
                return True
            continue
        scheme, host, port = split_address(entry)
        same_host = host.lower() == target.host.lower() or (is_loopback(entry) and target.loopback)
        if same_host and port == target.port and ("://" not in entry or scheme == target.scheme):
            return True
    return False


def told(auth: Auth) -> str:
    """What a provider does, without any secret."""
    what = [] if auth.kind is None else [f"{auth.header} by {_NAMES[auth.kind]}"]
    what += [f"{place} out of {variable}" for place, variable in auth.restore.items()]
    name = auth.name if auth.name.startswith(FROM_OPTION) else f"auth.{auth.name}"
    return f"credentials of {name}: {', '.join(what)}"


_NAMES = {
    AuthKind.ENVIRONMENT: "a variable",
    AuthKind.COMMAND: "a command",
    AuthKind.OAUTH2: "OAuth2 client credentials",
    AuthKind.JWT: "a JWT signed anew",
    AuthKind.HMAC: "an HMAC signature",
}
