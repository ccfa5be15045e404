"""What stands around the target for the time of a run: stubs, the service itself, commands for state."""

import dataclasses
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from mesh_core.config import Config
from mesh_core.errors import ConfigInvalid
from mesh_core.model import Bodies, Exchange
from mesh_core.redact import Redactor
from mesh_core.trace import Trace
from mesh_replayer.launch.around import commands_around
from mesh_replayer.launch.environment import (
    StubAddresses,
    authority_of,
    named_dependencies,
    service_environment,
)
from mesh_replayer.launch.listening import connects, until_listening
from mesh_replayer.launch.service import LaunchedService, LaunchFailed
from mesh_replayer.plan import Plan
from mesh_replayer.resolve import resolve
from mesh_replayer.stubs.calls import Stub, callee_of, calls_of, recorded_calls
from mesh_replayer.stubs.dependencies import PROXY, Dependencies
from mesh_replayer.stubs.passing import Passthrough
from mesh_replayer.target import Target
from mesh_store.ports import is_free


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """What was recorded around the plan's requests."""

    traces: Sequence[Trace] = ()
    bodies: Bodies = field(default_factory=dict)
    """Of all their exchanges, by hash."""

    def exchanges(self) -> Iterable[tuple[Exchange, Bodies]]:
        """All exchanges with their bodies."""
        for trace in self.traces:
            for exchange in trace.exchanges:
                refs = (exchange.request_body, exchange.response_body)
                hashes = [ref.hash for ref in refs if ref is not None and ref.hash in self.bodies]
                yield exchange, {digest: self.bodies[digest] for digest in hashes}


NOTHING_AROUND = Recorded()


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is to stand around the target."""

    command: tuple[str, ...] = ()
    """Starts the service; empty where it runs already."""
    env: Mapping[str, str] = field(default_factory=dict)
    start_timeout: float = 60.0
    """Seconds until the service listens."""
    stub: Stub = Stub.NONE
    stub_ports: Mapping[str, int] = field(default_factory=dict)
    """Where stubs listen, by callee; of `proxy` the forward proxy."""
    passthrough: bool = False
    """Whether calls that were never recorded go to the real dependency."""
    allow_unsafe: bool = False
    timeout: float = 30.0
    """Seconds for a call that is passed on."""
    environ: Mapping[str, str]
    folder: Path
    """Where commands run: the configuration's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What stands around the target now."""

    plan: Plan
    """Its target where the service really listens."""
    dependencies: Dependencies | None = None
    service: LaunchedService | None = None
    notes: tuple[str, ...] = ()

    def output(self) -> tuple[str, ...]:
        """The last lines that the service printed."""
        return () if self.service is None else self.service.tail()


@asynccontextmanager
async def surrounded(
    plan: Plan,
    wanted: Wanted,
    config: Config,
    recorded: Recorded,
    redactor: Redactor | None,
    keyed: bool = True,
) -> AsyncIterator[Surroundings]:
    """Set all of it up, and take all of it down, whatever happens in between.

    Raises:
        LaunchFailed: the service did not start, or a command for its state failed.
        ListenFailed: a stub's port is taken.
        ConfigInvalid: what is wanted does not fit together.
    """
    notes: list[str] = []
    async with AsyncExitStack() as stack:
        dependencies = None
        if wanted.stub is not Stub.NONE:
            dependencies = _dependencies(plan, wanted, config, recorded, redactor, keyed)
            stack.push_async_callback(dependencies.stop)
            await dependencies.start(
                _ports(plan, wanted, config), others=_others(plan, wanted, config, dependencies)
            )
            notes.append(_where(dependencies))
        service = None
        if wanted.command:
            plan, service = await _launched(stack, plan, wanted, config, dependencies, notes)
        await stack.enter_async_context(
            commands_around(
                config.replay.before,
                config.replay.after,
                target=plan.choices[0].target.authority,
                recorded=recorded.exchanges(),
                environ=wanted.environ,
                folder=wanted.folder,
            )
        )
        yield Surroundings(plan=plan, dependencies=dependencies, service=service, notes=tuple(notes))


async def _launched(
    stack: AsyncExitStack,
    plan: Plan,
    wanted: Wanted,
    config: Config,
    dependencies: Dependencies | None,
    notes: list[str],
) -> tuple[Plan, LaunchedService]:
    """The plan and the service, once that listens."""
    target = plan.choices[0].target
    if len(plan.choices) > 1 or not target.loopback:
        raise ConfigInvalid(
            "a command starts one service on this machine", hint="give one --target, localhost:PORT, or none"
        )
    addresses = (await resolve(target)).addresses
    if await connects(addresses):
        raise LaunchFailed(
            f"something else listens on {target.text} already", hint="end it, or leave out --target"
        )
    stubs = None if dependencies is None else _addresses(plan, config, dependencies)
    environment = service_environment(wanted.environ, port=target.port, given=wanted.env, stubs=stubs)
    notes.extend(f"the service gets {told}" for told in environment.told)
    service = await LaunchedService.start(wanted.command, environment.variables)
    stack.push_async_callback(service.stop)
    found = await until_listening(service, addresses, limit=wanted.start_timeout)
    if not found.moved:
        return plan, service
    notes.append(f"it listens on {found.host}:{found.port}, not on port {target.port} that PORT told it")
    host = f"[{found.host}]" if ":" in found.host else found.host
    elsewhere = dataclasses.replace(target, text=f"{host}:{found.port}", host=found.host, port=found.port)
    return moved(plan, target, elsewhere), service


def moved(plan: Plan, target: Target, elsewhere: Target) -> Plan:
    """The plan with another target in place of one."""
    return dataclasses.replace(
        plan,
        choices=tuple(
            dataclasses.replace(choice, target=elsewhere) if choice.target == target else choice
            for choice in plan.choices
        ),
        steps=tuple(
            dataclasses.replace(step, target=elsewhere) if step.target == target else step
            for step in plan.steps
        ),
    )


def stubbed(plan: Plan, wanted: Wanted, recorded: Recorded) -> list[str] | None:
    """The dependencies that would be stubs; None where all are live."""
    if wanted.stub is Stub.NONE:
        return None
    callees = dict.fromkeys(callee_of(call) for _, call, _ in calls_of(recorded.traces, plan))
    return [callee for callee in callees if callee not in _live(plan, wanted)]


def _live(plan: Plan, wanted: Wanted) -> list[str]:
    return [choice.service for choice in plan.choices] if wanted.stub is Stub.REST else []


def _dependencies(
    plan: Plan,
    wanted: Wanted,
    config: Config,
    recorded: Recorded,
    redactor: Redactor | None,
    keyed: bool = True,
) -> Dependencies:
    calls = recorded_calls(calls_of(recorded.traces, plan), recorded.bodies, live=_live(plan, wanted))
    passing = None
    if wanted.passthrough:
        real = {
            name: upstream.target
            for choice in plan.choices
            if (service := config.services.get(choice.service)) is not None
            for name, upstream in service.upstreams.items()
        }
        inbound = {name: service.inbound for name, service in config.services.items() if service.inbound}
        passing = Passthrough(
            allowed=config.allow_targets,
            production=config.replay.production,
            allow_unsafe=wanted.allow_unsafe,
            addresses={call.callee: call.exchange.authority for call in calls} | inbound | real,
            timeout=wanted.timeout,
        )
    return Dependencies(
        calls=calls,
        bodies=recorded.bodies,
        service=plan.choices[0].service,
        names=_names(plan, config),
        redactor=redactor,
        keyed=keyed,
        passing=passing,
    )


def _names(plan: Plan, config: Config) -> dict[str, str]:
    """Services by every address that the configuration gives them."""
    found: dict[str, str] = {}
    for name, service in config.services.items():
        found |= {_normal(address): name for address in (service.app, service.inbound) if address}
    for choice in plan.choices:
        known = config.services.get(choice.service)
        for name, upstream in known.upstreams.items() if known is not None else ():
            found |= {_normal(upstream.listen): name, _normal(upstream.target): name}
    return found


def _addresses(plan: Plan, config: Config, dependencies: Dependencies) -> StubAddresses:
    ports = dict(dependencies.ports)
    proxy = ports.pop(PROXY)
    recorded = {_normal(call.exchange.authority): call.callee for call in dependencies.calls}
    return StubAddresses(ports=ports, proxy=proxy, authorities={**_names(plan, config), **recorded})


def _ports(plan: Plan, wanted: Wanted, config: Config) -> dict[str, int]:
    """Ports that stubs take: those of the sidecar, where a service that runs already knows no other."""
    usual: dict[str, int] = {}
    service = config.services.get(plan.choices[0].service)
    if service is not None and not wanted.command:
        usual = {name: _port(upstream.listen) for name, upstream in service.upstreams.items()}
        usual |= {PROXY: _port(service.outbound)} if service.outbound else {}
    return {name: port for name, port in usual.items() if port and is_free(port)} | dict(wanted.stub_ports)


def _others(plan: Plan, wanted: Wanted, config: Config, dependencies: Dependencies) -> list[str]:
    """Dependencies that the service has, and did not call when it was recorded."""
    known = config.services.get(plan.choices[0].service)
    configured = known.upstreams if known is not None else {}
    named = [*configured, *named_dependencies(wanted.env), *wanted.stub_ports]
    return [name for name in named if name != PROXY and name not in dependencies.callees]


def _where(dependencies: Dependencies) -> str:
    places = ", ".join(f"{name} http://127.0.0.1:{port}" for name, port in dependencies.ports.items())
    return f"stubs: {places}"


def _normal(address: str) -> str:
    return authority_of(address if "://" in address else f"http://{address}") or address


def _port(address: str) -> int:
    _, _, port = _normal(address).rpartition(":")
    return int(port) if port.isdigit() else 0
