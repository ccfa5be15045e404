"""What every command line of ours does the same way: errors, settings, version, logging.

Only click and the core are imported here, so that `--help` is quick.
"""

import logging
import os
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import click

from mesh_core.errors import ExitCode, MeshError
from mesh_core.project import load_project
from mesh_store.disk import read_file

CLOSED_PIPE = 141
"""What shells give for a program that a closed pipe ended."""


def friendly[**P, R](program: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Print a MeshError as `PROGRAM: problem; hint` on one line of stderr and exit by its code.

    Ctrl-C exits by 130, a closed pipe by 141 without a word. Anything else is a bug, and shows.
    """

    def decorate(command: Callable[P, R]) -> Callable[P, R]:
        @wraps(command)
        def run(*args: P.args, **kwargs: P.kwargs) -> R:
            try:
                return command(*args, **kwargs)
            except MeshError as error:
                click.echo(f"{program}: {one_line(str(error))}", err=True)
                raise SystemExit(error.exit_code) from None
            except (KeyboardInterrupt, click.Abort):
                raise SystemExit(ExitCode.INTERRUPTED) from None
            except BrokenPipeError:
                # What is still buffered goes nowhere, else the interpreter complains at its end.
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
                raise SystemExit(CLOSED_PIPE) from None

        run.__dict__["mesh_program"] = program
        return run

    return decorate


def project_options[R](command: Callable[..., R]) -> Callable[..., R]:
    """Add `--store`, `--config` and `--trust-config`; the command gets `project`, a `Project`.

    Stands beside `friendly`, in either order.
    """

    @wraps(command)
    def run(*args: Any, store: str | None, config_file: Path | None, trust_config: bool, **kwargs: Any) -> R:
        project = load_project(
            cwd=Path.cwd(),
            environ=os.environ,
            read=read_file,
            store=store,
            config_file=config_file,
            trust_config=trust_config,
        )
        return command(*args, project=project, **kwargs)

    program: str | None = getattr(command, "mesh_program", None)
    resolved: Callable[..., R] = friendly(program)(run) if program else run
    for option in reversed(_PROJECT_OPTIONS):
        resolved = option(resolved)
    return resolved


_PROJECT_OPTIONS: tuple[Callable[[Callable[..., Any]], Callable[..., Any]], ...] = (
    click.option(
        "--store",
        metavar="URL",
        help="Where exchanges are kept: sqlite:///FILE or postgresql://… "
        "[default: MESH_STORE, else mesh.toml, else mesh.db beside it]",
    ),
    click.option(
        "--config",
        "config_file",
        metavar="FILE",
        type=click.Path(path_type=Path),
        help="The mesh.toml to use. [default: the nearest, here or above]",
    ),
    click.option("--trust-config", is_flag=True, help="Use mesh.toml without having trusted it (for CI)."),
)


def version_option[F: Callable[..., Any]](program: str) -> Callable[[F], F]:
    """Add `--version`: `PROGRAM, version 0.1.0`."""
    return click.version_option(package_name="mesh-replay", prog_name=program)


def configure_logging(verbose: bool) -> None:
    """Send log messages to stderr: warnings, and with `verbose` more."""
    logging.basicConfig(
        level=logging.INFO if verbose else logging.WARNING,
        format="%(levelname)s: %(message)s",
        stream=sys.stderr,
    )


def one_line(text: str) -> str:
    """Text without line ends and control characters, which a terminal would obey."""
    return "".join(character if character.isprintable() else " " for character in text)
