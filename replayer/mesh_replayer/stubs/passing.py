"""Calls that were never recorded, passed on to the real dependency where that is allowed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import httpx

from mesh_core.errors import MeshError
from mesh_replayer.resolve import Route, resolve
from mesh_replayer.stubs.answers import FRAMING
from mesh_replayer.stubs.fields import origin_form
from mesh_replayer.stubs.http import Answer, Asked
from mesh_replayer.target import check_methods, check_production, check_written, parse_target
from mesh_replayer.wire.transport import WireTransport


@dataclass(slots=True)
class Passthrough:
    """Sends calls on, under the rules that hold for a target: what was not allowed gets no packet."""

    allowed: Sequence[str]
    """`allow_targets`."""
    production: Sequence[str]
    """Hosts that are never one."""
    allow_unsafe: bool
    addresses: Mapping[str, str]
    """Where a callee really is, by name, where that is known."""
    timeout: float
    """Seconds for a call."""
    _routes: dict[str, Route] = field(default_factory=dict)

    async def pass_on(self, callee: str, asked: Asked) -> Answer | str:
        """The real answer; or why there is none, in words."""
        address = self.addresses.get(callee) or asked.authority
        if asked.method == "CONNECT":
            return "TLS cannot be looked into"
        try:
            route = await self._route(address, asked.method)
        except MeshError as error:
            return str(error)
        if not route.addresses:
            return route.problem
        transport = WireTransport(route.addresses, context=route.context, server_name=route.target.host)
        request = httpx.Request(
            asked.method,
            "http://passed-on",  # the transport connects to the address that it was given
            headers=_headers(asked),
            content=asked.body,
            extensions={
                "target": origin_form(asked.target).encode("latin-1"),
                "method": asked.method.encode("latin-1"),
                "timeout": {"connect": self.timeout, "read": self.timeout},
            },
        )
        try:
            response = await transport.handle_async_request(request)
            body = b"".join([piece async for piece in response.stream])  # type: ignore[union-attr]  # async
        except httpx.HTTPError as error:
            return f"{address}: {error}"
        finally:
            await transport.aclose()
        headers = tuple(each for each in response.headers.raw if each[0].lower() not in FRAMING)
        return Answer(status=response.status_code, headers=headers, body=body)

    async def _route(self, address: str, method: str) -> Route:
        target = parse_target(address if "://" in address else f"http://{address}")
        check_written(target, self.allowed)
        check_production(target, self.production)
        if not self.allow_unsafe:
            check_methods(target, [method])
        if address not in self._routes:
            self._routes[address] = await resolve(target)
        return self._routes[address]


def _headers(asked: Asked) -> list[tuple[bytes, bytes]]:
    kept = [each for each in asked.headers if each[0].lower() not in FRAMING | {b"proxy-connection"}]
    if asked.body:
        kept.append((b"Content-Length", b"%d" % len(asked.body)))
    return kept
