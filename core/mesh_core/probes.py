"""Which requests are health probes: asked every few seconds by machines, and no traffic of anybody. Pure.

A rule is a path (`/healthz`, `/internal/health*`), the beginning of a user agent (`agent:kube-probe`),
or `default`, which stands for all of `DEFAULT_PROBES`.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from mesh_core.model import Exchange, header

DEFAULT = "default"
DEFAULT_PROBES = (
    "/health", "/healthz", "/livez", "/readyz", "/health/live", "/health/ready",
    "/actuator/health", "/actuator/health/liveness", "/actuator/health/readiness",
    "/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Watch",
    "agent:kube-probe/", "agent:ELB-HealthChecker/", "agent:GoogleHC/", "agent:Consul Health Check",
    "agent:Amazon-Route53-Health-Check-Service",
)  # fmt: skip
_AGENT = "agent:"
_GRPC = "/grpc."


@dataclass(frozen=True, slots=True)
class Probes:
    """Rules, ready to be asked."""

    paths: frozenset[str]
    prefixes: tuple[str, ...]
    agents: tuple[bytes, ...]

    def match(self, exchange: Exchange) -> bool:
        """Whether an exchange is a probe.

        A path counts for GET and HEAD alone, as a POST changes something; gRPC's own only comes as POST.
        """
        path = exchange.path.partition("?")[0]
        asks = exchange.method in ("GET", "HEAD") or path.startswith(_GRPC)
        if asks and (path in self.paths or path.startswith(self.prefixes)):
            return True
        if not self.agents:
            return False
        agent = header(exchange.request_headers, b"user-agent")
        return agent is not None and agent.startswith(self.agents)


def parse_probes(rules: Iterable[str]) -> Probes:
    """Read rules.

    Raises:
        ValueError: one of them is none, in words.
    """
    paths: set[str] = set()
    prefixes: list[str] = []
    agents: list[bytes] = []
    for rule in rules:
        for each in DEFAULT_PROBES if rule == DEFAULT else (rule,):
            if each.startswith(_AGENT) and len(each) > len(_AGENT):
                agents.append(each.removeprefix(_AGENT).encode())
            elif not each.startswith("/") or "*" in each[:-1] or each == "/*":
                raise ValueError('"/path", "/path*", "agent:BEGINNING" or "default"')
            elif each.endswith("*"):
                prefixes.append(each[:-1])
            else:
                paths.add(each)
    return Probes(frozenset(paths), tuple(prefixes), tuple(agents))
