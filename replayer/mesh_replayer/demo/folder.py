"""The folder that a demo works in: its own `mesh.toml`, store, state and logs."""

import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from mesh_core.config import Config, parse_config
from mesh_core.errors import MeshError
from mesh_store.ports import claim_any, is_free

_PORT = re.compile(r"(?<=127\.0\.0\.1:)\d+")
_LEAKS = re.compile(r"(MESH_|OTEL_|SHOP_|(GATEWAY|CART|INVENTORY|PAYMENT|PRICING)_URL$|.*_PROXY$)")


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkFolder:
    """A fresh folder; nothing of the user's is read or written."""

    path: Path
    config: Config
    payments: Mapping[str, int]
    """Ports of the payment services that a trace is replayed against, by variant."""
    moved: int
    """How many addresses are not the shop's usual ones, since those are taken."""

    @property
    def logs(self) -> Path:
        """Where each process's output goes."""
        return self.path / "logs"


def make_folder(payments: Mapping[str, int], *, usual_ports: bool) -> WorkFolder:
    """A temporary folder with the shop's `mesh.toml`.

    Args:
        payments: the usual port of each variant of payment, 0 for any free one.
        usual_ports: keep the ports as the file has them where they are free.
    """
    path = Path(tempfile.mkdtemp(prefix="mesh-replay-demo-")).resolve()
    text = (shop_folder() / "mesh.toml").read_text()
    wanted = {int(port) for port in _PORT.findall(text)} | set(payments.values()) - {0}
    keep = {port for port in wanted if usual_ports and is_free(port)}
    moved = sorted(wanted - keep)
    chosen = dict(zip(moved, claim_any(len(moved), taken=keep), strict=True)) | {port: port for port in keep}
    spare = iter(claim_any(len(payments), taken=chosen.values()))
    text = _PORT.sub(lambda match: str(chosen[int(match[0])]), text)
    (path / "mesh.toml").write_text(text)
    (path / "logs").mkdir()
    return WorkFolder(
        path=path,
        config=parse_config(text, where=str(path / "mesh.toml")),
        payments={name: chosen[port] if port else next(spare) for name, port in payments.items()},
        moved=len(moved) if usual_ports else 0,
    )


def clean_environment(environ: Mapping[str, str], folder: Path) -> dict[str, str]:
    """The environment of the demo's processes: no setting of the user's gets in, no state gets out."""
    kept = {name: value for name, value in environ.items() if not _LEAKS.match(name.upper())}
    return kept | {"XDG_STATE_HOME": str(folder / "state"), "XDG_DATA_HOME": str(folder / "data")}


def shop_folder() -> Path:
    """Where the shop's services and its `mesh.toml` are installed.

    Raises:
        MeshError: they are not.
    """
    spec = find_spec("mesh_shop")
    if spec is None or spec.origin is None:
        raise MeshError("the demo shop is not installed", hint="install mesh-replay again")
    return Path(spec.origin).parent
