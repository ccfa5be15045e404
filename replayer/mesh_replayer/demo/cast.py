"""Who takes part in the demo, and how each is started. Pure."""

import sys
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from mesh_core.config import Config, split_address

CALLS = {
    "gateway": ("cart",),
    "cart": ("inventory", "pricing", "payment"),
    "inventory": (),
    "payment": (),
    "pricing": ("inventory",),
}
"""Whom each service of the shop calls at a checkout."""
NODE_SERVICES = ("inventory", "pricing")
_COMMANDS = {"mesh-record": "mesh_recorder.cli", "mesh-replay": "mesh_replayer.cli"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One process to start."""

    name: str
    command: list[str]
    environ: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cast:
    """The services that can be started here, and those that do without a sidecar."""

    config: Config
    shop: Path
    """Where the shop's services are installed."""
    node: str | None
    """The Node to run; None leaves its services out."""
    bare: frozenset[str] = frozenset()
    """Services that are called directly and call directly: nobody will start their sidecar."""

    @property
    def services(self) -> list[str]:
        """Those that take part."""
        return [name for name in CALLS if self.node or name not in NODE_SERVICES]

    @property
    def hops(self) -> list[tuple[str, str]]:
        """Caller and callee of each call that a checkout makes."""
        here = self.services
        return [(caller, callee) for caller in here for callee in CALLS[caller] if callee in here]

    def parts(self, payments: Mapping[str, int], without_sidecar: Collection[str]) -> Iterator[Part]:
        """Everything to start: services, their sidecars, and payment's variants on their ports."""
        for name in self.services:
            yield self.service(name)
            if name not in without_sidecar:
                yield self.sidecar(name)
        for variant, port in payments.items():
            yield self.payment(variant, port)

    def service(self, name: str) -> Part:
        """A service of the shop, calling the others through the sidecars."""
        port = str(split_address(self.config.services[name].app or "")[2])
        return Part(
            name=name,
            command=[*self._program(name), "--port", port],
            environ=dict(self._addresses(name)),
        )

    def sidecar(self, name: str) -> Part:
        """Its sidecar, which finds everything in `mesh.toml`."""
        return Part(
            name=f"mesh-record-{name}",
            command=[*program("mesh-record"), "--service", name, "--json"],
            environ={},
        )

    def payment(self, variant: str, port: int) -> Part:
        """A payment service to replay against."""
        command = [sys.executable, "-m", "mesh_shop.payment", "--variant", variant, "--port", str(port)]
        return Part(name=f"payment-{variant}", command=command, environ={})

    def entry(self) -> str:
        """Where customers come in: the gateway's URL."""
        return self._url_of("gateway")

    def _program(self, name: str) -> list[str]:
        if name in NODE_SERVICES:
            return [self.node or "node", str(self.shop / f"{name}.mjs")]
        return [sys.executable, "-m", f"mesh_shop.{name}"]

    def _addresses(self, name: str) -> Iterator[tuple[str, str]]:
        service = self.config.services[name]
        for callee in CALLS[name]:
            if callee in self.services:
                own_port = service.upstreams.get(callee) if name not in self.bare else None
                url = f"http://{own_port.listen}" if own_port else self._url_of(callee)
                yield f"{callee.upper()}_URL", url
        if service.outbound and name not in self.bare:
            yield "HTTP_PROXY", f"http://{service.outbound}"

    def _url_of(self, name: str) -> str:
        service = self.config.services[name]
        return f"http://{service.app if name in self.bare else service.inbound}"


def program(name: str) -> list[str]:
    """One of our own commands: the script beside this Python, or the module behind it."""
    script = Path(sys.executable).with_name(name)
    if script.exists():
        return [str(script)]
    return [sys.executable, "-c", f"from {_COMMANDS[name]} import main; main()"]
