"""What was seen of a command's calls, what was not, and what to do about that. Pure."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mesh_core.model import Direction, Exchange
from mesh_core.outcome import Outcome
from mesh_recorder.doctor_means import PORTS, means_of
from mesh_recorder.doctor_runtimes import CLIENTS, Runtime
from mesh_recorder.settings import host_port

_OTHERS = {
    3306: "MySQL",
    5432: "Postgres",
    5672: "AMQP",
    6379: "Redis",
    9092: "Kafka",
    27017: "MongoDB",
}
"""No HTTP: never recorded, and no fault of the runtime's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Calls:
    """A command's calls, counted by whom they went to."""

    plain: Mapping[str, int]
    tls: Mapping[str, int]
    """Over TLS, and looked into."""
    distrusted: Mapping[str, int]
    """Over TLS, and given up by the client, which does not trust our certificate."""
    opaque: Mapping[str, int]
    """Through the proxy, and not to be read: no HTTP inside, or nothing at all."""
    past: Mapping[str, int]
    """Connections past the sidecar; at least these."""

    @property
    def none(self) -> bool:
        """Whether nothing was called at all."""
        return not any((self.plain, self.tls, self.distrusted, self.opaque, self.past))


def judge(exchanges: Iterable[Exchange], past: Mapping[tuple[str, int], int]) -> Calls:
    """Sort what a sidecar recorded, and what went past it."""
    kinds: dict[str, Counter[str]] = {name: Counter() for name in ("plain", "tls", "distrusted", "opaque")}
    for exchange in exchanges:
        if exchange.direction is Direction.OUTBOUND:
            kinds[_kind(exchange)][exchange.authority] += 1
    # The tunnel that a call went through is no call of its own.
    for authority in [*kinds["plain"], *kinds["tls"]]:
        kinds["opaque"].pop(authority, None)
    return Calls(**kinds, past={_named(*remote): count for remote, count in past.items()})


def calls_lines(
    calls: Calls, said: str, runtimes: Sequence[Runtime], to_set: Mapping[str, str]
) -> Iterator[str]:
    """The result for people; `said` is how the command ended."""
    yield f"mesh-record doctor: {said}"
    if calls.none:
        yield "  no call of it was seen: if it made none, let it do what calls others, and look again"
    for words, found in (
        ("seen, plain", calls.plain),
        ("seen, over TLS", calls.tls),
        ("over TLS, given up by the client, which does not trust our certificate", calls.distrusted),
        ("through the proxy, but not to be read", calls.opaque),
        ("past the sidecar, at least", calls.past),
    ):
        if found:
            yield f"  {words}: {_listed(found)}"
    yield from (f"  -> {sentence}" for sentence in advice(calls, runtimes, to_set))


def calls_json(
    calls: Calls, command: Sequence[str], code: int, runtimes: Sequence[Runtime], to_set: Mapping[str, str]
) -> dict[str, Any]:
    """The result for programs."""
    return {
        "command": list(command),
        "exit_code": code,
        "runtimes": [runtime.name for runtime in runtimes],
        "seen": {"plain": dict(calls.plain), "tls": dict(calls.tls)},
        "distrusted": dict(calls.distrusted),
        "opaque": dict(calls.opaque),
        "past": dict(calls.past),
        "advice": list(advice(calls, runtimes, to_set)),
        "set": dict(to_set),
    }


def advice(calls: Calls, runtimes: Sequence[Runtime], to_set: Mapping[str, str]) -> Iterator[str]:
    """What to set or do, a sentence each."""
    if calls.distrusted:
        names = _trust_variables(runtimes)
        values = " ".join(f"{name}={to_set[name]}" for name in names if name in to_set)
        yield f"the command, or something in it, names its own certificates: let it have {values}"
    if any(not name.endswith(")") for name in calls.past):
        yield from dict.fromkeys(_past_advice(runtimes))
    elif calls.past:
        yield "what is no HTTP is not recorded"
    elif calls.none:
        yield from dict.fromkeys(_blind(runtimes))


def _past_advice(runtimes: Sequence[Runtime]) -> Iterator[str]:
    yield from _blind(runtimes)
    yield f"a client that takes no proxy from the environment needs {PORTS}"


def _blind(runtimes: Sequence[Runtime]) -> Iterator[str]:
    """What to do for clients of these runtimes that no variable helps."""
    for runtime in runtimes:
        if runtime.kind == "Go":
            yield means_of("Go", "net/http").otherwise
            continue
        for client in CLIENTS.get(runtime.kind, ()):
            means = means_of(runtime.name, client)
            if not means.proxy:
                yield means.otherwise if runtime.kind == "Node" else f"{client}: {means.otherwise}"


def _trust_variables(runtimes: Sequence[Runtime]) -> list[str]:
    names = [
        name
        for runtime in runtimes
        for client in CLIENTS.get(runtime.kind, ())
        for name in means_of(runtime.name, client).trust
    ]
    return list(dict.fromkeys(names)) or ["SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS", "JAVA_TOOL_OPTIONS"]


def _kind(exchange: Exchange) -> str:
    if exchange.outcome is Outcome.TLS_FAILED and exchange.method == "CONNECT":
        return "distrusted"
    if exchange.method == "CONNECT":
        return "opaque"
    return "tls" if exchange.scheme == "https" else "plain"


def _named(host: str, port: int) -> str:
    other = _OTHERS.get(port)
    return host_port(host, port) + (f" ({other})" if other else "")


def _listed(found: Mapping[str, int]) -> str:
    most = sorted(found.items(), key=lambda item: (-item[1], item[0]))
    shown = ", ".join(f"{name} {count}" for name, count in most[:8])
    return shown + (f" and {len(most) - 8} more" if len(most) > 8 else "")
