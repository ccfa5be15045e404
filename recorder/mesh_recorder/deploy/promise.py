"""What our image promises to the files that start it; deploy/Dockerfile keeps it, as a test knows. Pure."""

from dataclasses import dataclass

UID = 10001
"""User and group that the sidecar runs as."""
FOLDER = "/var/lib/mesh-replay"
"""The one place it writes to: CA, keys, spool, and the store where none is named."""
CONFIG = f"{FOLDER}/mesh.toml"
"""Where a `mesh.toml` is found, as that is its working directory too; a store that it names by a relative
path, or not at all, is then on the volume."""
TRUST_FOLDER = "/mesh-trust"
"""Certificates for the service to read."""
HEALTHY = ("python", "-I", "-m", "mesh_recorder.deploy.healthy")
"""Succeeds while the sidecar takes traffic; where its admin listener is, is `MESH_ADMIN` or said after."""
ADMIN = 14079
"""Where the admin listener is in the image, on loopback, if nobody says otherwise."""
DRAIN = 25
"""Seconds from SIGTERM until requests are answered and the spool is shipped, at most."""
PORTS = range(14080, 14180)
"""Where the sidecar listens in another's network; clear of Istio's 15000 to 15090."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sidecar:
    """How a sidecar is started beside one service."""

    service: str
    app: str
    inbound: str
    outbound: str
    instance: str
    admin: str
    intercept: tuple[str, ...] = ()
    edge: bool = False

    def arguments(self) -> list[str]:
        """Its command line."""
        return [
            f"--service={self.service}",
            f"--app={self.app}",
            f"--inbound={self.inbound}",
            f"--outbound={self.outbound}",
            f"--instance={self.instance}",
            f"--admin={self.admin}",
            *(f"--intercept={host}" for host in self.intercept),
            *(["--edge"] if self.edge else []),
        ]


def free_port(taken: set[int], ports: range = PORTS) -> int:
    """The first port that nobody has; always the same for the same `taken`."""
    return next(port for port in ports if port not in taken)
