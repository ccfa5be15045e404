"""`mesh-record compose`, `kube` and `trust-files`: they print or write files, and start nothing."""

import os
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click

from mesh_core.errors import ConfigInvalid, MeshError
from mesh_core.project import Project, load_project
from mesh_recorder.usage import WrongUsage
from mesh_store.command import friendly, version_option
from mesh_store.disk import read_file

COMPOSE_FILES = ("compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml")
"""As Compose looks for them, in its order."""
FILE = click.Path(path_type=Path)


class Printer(click.Command):
    """A command of mesh-record's own; mistakes are said on one line."""

    def main(self, *args: Any, **extra: Any) -> Any:
        """Run under its full name."""
        extra["prog_name"] = self.name
        return super().main(*args, **extra)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read options."""
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            raise WrongUsage(ctx.command_path, error.format_message()) from error


def _options(*options: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def add(command: Any) -> Any:
        for option in reversed(options):
            command = option(command)
        return command

    return add


_config_options = _options(
    click.option(
        "--config",
        "config_file",
        metavar="FILE",
        type=FILE,
        help="The mesh.toml of the sidecar.  [default: the nearest, here or above; it may be missing]",
    ),
    click.option("--trust-config", is_flag=True, help="Use mesh.toml without having trusted it (for CI)."),
)
_sidecar_options = _options(
    click.option("--image", metavar="NAME", help="The sidecar's image.  [default: mesh-replay:VERSION]"),
    click.option(
        "--intercept",
        metavar="HOST",
        multiple=True,
        help="Look into TLS to this host; the service then trusts the project's CA. Repeatable.",
    ),
    click.option(
        "--edge", is_flag=True, help="Callers are outside the mesh: drop what they claim of our traces."
    ),
    click.option(
        "--java", is_flag=True, help="Set JAVA_TOOL_OPTIONS too, in place of what the image says there."
    ),
    _config_options,
)


@click.command("mesh-record compose", cls=Printer)
@click.argument("service")
@click.option(
    "--file",
    "file",
    metavar="FILE",
    type=FILE,
    help="The Compose file; - reads it from stdin.  [default: as Compose finds it, here]",
)
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    help="Where the service listens.  [default: the one port that the file names]",
)
@_sidecar_options
@version_option("mesh-record")
@friendly("mesh-record compose")
def compose(
    *,
    service: str,
    file: Path | None,
    port: int | None,
    image: str | None,
    edge: bool,
    java: bool,
    **rest: Any,
) -> None:
    """Print a Compose override with a sidecar beside SERVICE.

    Callers change nothing, and neither does the service. The way back, and what stays unseen, are in its
    comments.

    \b
    Examples:
      mesh-record compose cart > compose.mesh-cart.yaml
      docker compose -f compose.yaml -f compose.mesh-cart.yaml up -d
      mesh-record compose cart --port 3000 --intercept api.stripe.com
      docker compose config | mesh-record compose cart --file -
    """
    from mesh_recorder.deploy.compose import ComposeWish, compose_override

    project, hosts = _project(service, **rest)
    path = file or _compose_file()
    folder = Path.cwd() if str(path) == "-" else path.absolute().parent
    wish = ComposeWish(
        service=service,
        file=str(path),
        image=image or _image(),
        port=port,
        intercept=hosts,
        edge=edge,
        java=java,
        config=_relative(project.config_path, folder) if project.config_path else None,
    )
    click.echo(compose_override(_text(path), wish), nl=False)


@click.command("mesh-record kube", cls=Printer)
@click.argument("service")
@click.option(
    "--port", metavar="PORT", help="Name or number of the Service's port.  [default: its only one of HTTP]"
)
@click.option(
    "--container", metavar="NAME", help="The service's container.  [default: the one with that port]"
)
@click.option(
    "--part",
    type=click.Choice(["all", "deployment", "service"]),
    default="all",
    show_default=True,
    help="What to print; the Deployment is applied first, the Service once its pods are there.",
)
@_sidecar_options
@version_option("mesh-record")
@friendly("mesh-record kube")
def kube(*, service: str, part: str, image: str | None, edge: bool, java: bool, **rest: Any) -> None:
    """Print a Deployment and its Service, from stdin, with a sidecar.

    Callers change nothing, and neither does the service; what else is in the manifests is printed as it
    was. On stderr: the order to apply them in, the way back, and what stays unseen.

    \b
    Examples:
      mesh-record kube cart < cart.yaml > cart-recorded.yaml
      kubectl get deployment/cart service/cart -o yaml | mesh-record kube cart > cart-recorded.yaml
      mesh-record kube cart --port grpc --intercept api.stripe.com < cart.yaml
    """
    from mesh_recorder.deploy.kube import KubeWish, Part, kube_manifests

    port, container = rest.pop("port"), rest.pop("container")
    project, hosts = _project(service, **rest)
    wish = KubeWish(
        service=service,
        image=image or _image(),
        port=port,
        container=container,
        intercept=hosts,
        edge=edge,
        java=java,
        config=project.config_path is not None,
        part=Part(part),
    )
    manifests = kube_manifests(_text(Path("-")), wish)
    click.echo(manifests.text, nl=False)
    for note in manifests.notes:
        click.echo(note, err=True)


@click.command("mesh-record trust-files", cls=Printer)
@click.argument("folder", type=FILE)
@_config_options
@version_option("mesh-record")
@friendly("mesh-record trust-files")
def trust_files(*, folder: Path, **rest: Any) -> None:
    """Write the certificates that a service is to trust into FOLDER.

    The system's and the project's own, in the forms that runtimes read: bundle.pem, extra.pem and
    truststore.p12, for everybody to read. The CA's key stays where it is.
    """
    project, _ = _project("", intercept=(), **rest)
    from mesh_core.project import project_dir
    from mesh_recorder.authority import project_ca  # cryptography, which is heavy
    from mesh_recorder.trust import trust_files as write

    ca = project_ca(project_dir(project.state_dir, project.config.project) / "ca")
    is_new = not folder.exists()
    try:
        files = write(ca.cert, folder, os.environ)
        if is_new:
            folder.chmod(0o755)
        for path in (files.bundle, files.extra, files.java_store):
            path.chmod(0o644)  # certificates are public, and the service is another user
            click.echo(str(path))
    except OSError as cause:
        raise ConfigInvalid(
            f"{folder} cannot be written to: {cause.strerror}", hint="name a folder that is yours"
        ) from cause


COMMANDS = {"compose": compose, "kube": kube, "trust-files": trust_files}
"""By the word that follows `mesh-record`."""


def _project(
    service: str, *, config_file: Path | None, trust_config: bool, intercept: tuple[str, ...]
) -> tuple[Project, tuple[str, ...]]:
    """The settings, and the hosts that the service's calls are looked into for."""
    project = load_project(
        cwd=Path.cwd(),
        environ=os.environ,
        read=read_file,
        config_file=config_file,
        trust_config=trust_config,
    )
    known = project.config.services.get(service)
    return project, tuple(dict.fromkeys([*(known.intercept if known else ()), *intercept]))


def _image() -> str:
    return f"mesh-replay:{version('mesh-replay')}"


def _compose_file() -> Path:
    found = next((Path(name) for name in COMPOSE_FILES if Path(name).is_file()), None)
    if found is None:
        raise MeshError(
            "there is no Compose file here",
            hint="give it by --file, or `docker compose config | mesh-record compose SERVICE --file -`",
        )
    return found


def _relative(path: Path, folder: Path) -> str:
    """`path` as a Compose file in `folder` names it."""
    relative = os.path.relpath(path, folder)
    return relative if relative.startswith("..") else f"./{relative}"


def _text(path: Path) -> str:
    """What is in the file; `-` is stdin."""
    if str(path) == "-":
        if sys.stdin.isatty():
            raise MeshError("nothing is given on stdin", hint="add `< FILE`, or pipe it in")
        content: bytes | None = sys.stdin.buffer.read()
    else:
        content = read_file(path)
    if content is None:
        raise MeshError(f"there is no file {path}", hint="check the path")
    try:
        return content.decode()
    except UnicodeDecodeError as cause:
        raise MeshError(f"{path} is not UTF-8 (byte {cause.start})", hint="save it as UTF-8") from cause
