"""Which requests a replay sends, where, and why there. Pure.

1. A target stands for one service: the one that is named, else the one whose configured `app` it is, else
   the culprit's of a failed trace, else the trace's entry.
2. What is sent are the inbound exchanges of that service, in recorded order.
3. What cannot be sent is in the plan too, with the reason.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mesh_core.config import Service, is_loopback, split_address
from mesh_core.culprit import culprit
from mesh_core.errors import ConfigInvalid, NotRecorded
from mesh_core.model import Direction, Exchange
from mesh_core.trace import Trace
from mesh_replayer.correlate import Link
from mesh_replayer.schedule import Timing
from mesh_replayer.spoken import asks_for_websocket, speaks_http2
from mesh_replayer.target import Target
from mesh_replayer.verdict import skip_reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Whom a target stands for."""

    target: Target
    service: str
    reason: str
    """Words that follow the service's name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One request."""

    exchange: Exchange
    target: Target
    session: str | None = None
    """Requests of one session keep their recorded order; None where the trace is the session."""
    after: tuple[int, ...] = ()
    """Earlier steps, by their place in the plan, whose answers it uses."""
    skip: str | None = None
    """Why it is not sent; None where it is."""

    @property
    def lane(self) -> tuple[str, str]:
        """Steps of one lane share a connection, as they did when they were recorded."""
        shared = self.exchange.connection is not None and not self._alone
        return self.target.text, f"{self.exchange.connection}" if shared else self.exchange.id

    @property
    def _alone(self) -> bool:
        """Whether it needs a connection of its own: HTTP/1 carries one at a time, and upgrades stay."""
        http2 = self.exchange.http_version == "HTTP/2"
        return (http2 and not speaks_http2(self.exchange)) or asks_for_websocket(self.exchange)

    @property
    def timing(self) -> Timing:
        """What the schedule has to know of it."""
        return Timing(
            start=self.exchange.started_at,
            end=self.exchange.ended_at,
            session=self.session or self.exchange.trace_id,
            lane=(self.lane, self.exchange.id) if speaks_http2(self.exchange) else self.lane,
            after=self.after,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Some requests out of many."""

    found: int
    """How many there are."""
    looked_at: int
    """The newest of them, which the choice was made from."""
    chosen: int
    kinds: int
    """Routes and outcomes among those that were looked at."""
    seed: int
    """Makes the same choice again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a run sends, in order."""

    choices: tuple[Choice, ...]
    steps: tuple[Step, ...]
    trace_id: str | None = None
    links: tuple[Link, ...] = ()
    """Values that flow from an answer to a later request."""
    selection: Selection | None = None
    """How the steps were chosen, where there were more."""
    old_failures: bool = False
    """Whether a recorded failure that fails as before is only counted: nobody is looking into it."""

    @property
    def sent(self) -> tuple[Step, ...]:
        """The steps that are not skipped."""
        return tuple(step for step in self.steps if step.skip is None)


def plan_trace(
    trace: Trace, targets: Sequence[Target], *, service: str | None, services: Mapping[str, Service]
) -> Plan:
    """Plan the replay of a trace.

    Args:
        trace: recorded.
        targets: at most one that says no service.
        service: `--service`, whom the one without a name stands for.
        services: as configured.

    Raises:
        NotRecorded: the trace has no request to that service.
        ConfigInvalid: the targets do not tell which is which.
    """
    _check_targets(targets, service)
    choices = tuple(_choose(trace, target, target.service or service, services) for target in targets)
    by_service = _by_service(choices)
    inbound = [e for e in trace.exchanges if e.direction is Direction.INBOUND and e.service in by_service]
    for choice in choices:
        if not any(exchange.service == choice.service for exchange in inbound):
            known = ", ".join(
                dict.fromkeys(e.service for e in trace.exchanges if e.direction is Direction.INBOUND)
            )
            raise NotRecorded(
                f"trace {trace.trace_id} has no request to {choice.service} ({choice.reason})",
                hint=f"it has requests to {known}: --service NAME"
                if known
                else "its callers' side alone was recorded",
            )
    steps = tuple(_step(exchange, by_service[exchange.service].target) for exchange in inbound)
    return Plan(choices=choices, steps=steps, trace_id=trace.trace_id)


def plan_exchange(exchange: Exchange, target: Target) -> Plan:
    """Plan the replay of one exchange: of an outbound one, the target stands for the peer.

    Raises:
        ConfigInvalid: the target is named as another service's.
    """
    inbound = exchange.direction is Direction.INBOUND
    service = exchange.service if inbound else exchange.peer or exchange.authority
    if target.service not in (None, service):
        raise ConfigInvalid(
            f"exchange {exchange.id} is a request to {service}, not to {target.service}",
            hint=f"--target {target.text}",
        )
    reason = "the exchange was sent to it" if inbound else f"{exchange.service} called it"
    choice = Choice(target=target, service=service, reason=reason)
    return Plan(choices=(choice,), steps=(_step(exchange, target),), trace_id=exchange.trace_id)


def plan_requests(
    exchanges: Sequence[Exchange],
    targets: Sequence[Target],
    *,
    service: str | None,
    services: Mapping[str, Service],
) -> Plan:
    """Plan the replay of inbound exchanges, of whatever traces.

    Args:
        exchanges: at least one, in any order.
        targets: at most one that says no service.
        service: `--service`, whom the one without a name stands for.
        services: as configured.

    Raises:
        NotRecorded: a target stands for a service that got none of them.
        ConfigInvalid: the targets do not tell which is which.
    """
    _check_targets(targets, service)
    called = tuple(dict.fromkeys(exchange.service for exchange in exchanges))
    choices = tuple(_choose_of(called, target, target.service or service, services) for target in targets)
    by_service = _by_service(choices)
    for choice in choices:
        if choice.service not in called:
            raise NotRecorded(
                f"none of these requests went to {choice.service} ({choice.reason})",
                hint=f"they went to {', '.join(called)}: --service NAME",
            )
    ordered = sorted(exchanges, key=lambda each: (each.started_at, each.id))
    steps = tuple(
        _step(each, by_service[each.service].target) for each in ordered if each.service in by_service
    )
    return Plan(choices=choices, steps=steps)


def service_of(target: Target, service: str | None, services: Mapping[str, Service]) -> str | None:
    """Whom a target stands for, where that can be told without looking at what was recorded."""
    if target.service or service:
        return target.service or service
    return next((name for name, known in services.items() if _is_app(target, known)), None)


def _choose_of(
    called: Sequence[str], target: Target, named: str | None, services: Mapping[str, Service]
) -> Choice:
    if named is not None:
        return Choice(target=target, service=named, reason="as you say")
    configured = service_of(target, None, services)
    if configured is not None:
        return Choice(target=target, service=configured, reason="it is its app in mesh.toml")
    if len(called) > 1:
        raise ConfigInvalid(
            f"these requests went to {', '.join(called)}",
            hint="say whom the target stands for: --service NAME, or --target NAME=HOST:PORT for each",
        )
    return Choice(target=target, service=called[0], reason="all of these requests went to it")


def _by_service(choices: Sequence[Choice]) -> dict[str, Choice]:
    by_service = {choice.service: choice for choice in choices}
    if len(by_service) < len(choices):
        raise ConfigInvalid(
            f"two targets stand for {choices[-1].service}",
            hint="name their services: --target SERVICE=HOST:PORT",
        )
    return by_service


def _check_targets(targets: Sequence[Target], service: str | None) -> None:
    unnamed = [target for target in targets if target.service is None]
    if len(unnamed) > 1:
        raise ConfigInvalid(
            "two targets without a service's name", hint="name them: --target SERVICE=HOST:PORT"
        )
    if service is not None and not unnamed:
        raise ConfigInvalid(
            f"--service {service} has no target to stand for it", hint=f"--target {service}=HOST:PORT"
        )


def _choose(trace: Trace, target: Target, named: str | None, services: Mapping[str, Service]) -> Choice:
    if named is not None:
        return Choice(target=target, service=named, reason="as you say")
    configured = service_of(target, None, services)
    if configured is not None:
        return Choice(target=target, service=configured, reason="it is its app in mesh.toml")
    guilty = culprit(trace)
    if guilty is not None and guilty.direction is Direction.INBOUND:
        return Choice(target=target, service=guilty.service, reason="the culprit of this trace")
    return Choice(target=target, service=trace.entry.service, reason="where this trace began")


def _is_app(target: Target, service: Service) -> bool:
    if service.app is None:
        return False
    _, host, port = split_address(service.app)
    same_host = host.lower() == target.host.lower() or (is_loopback(service.app) and target.loopback)
    return port == target.port and same_host


def _step(exchange: Exchange, target: Target) -> Step:
    return Step(exchange=exchange, target=target, skip=skip_reason(exchange))
