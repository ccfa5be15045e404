"""The plugin that pytest loads wherever mesh-replay is installed: it costs next to nothing.

1. Everything heavy is imported where it is used, never here.
2. `@pytest.mark.mesh_trace(FILE)` with the fixture `mesh_replay` replays a capture file from a test.
3. `--mesh-traces=DIR` makes a test of every capture file below DIR, without any Python.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from mesh_replayer.testing import Replayer

_SUFFIXES = (".har", ".har.gz", ".har.zst")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add our options."""
    group = parser.getgroup("mesh-replay")
    group.addoption(
        "--mesh-traces", type=Path, metavar="DIR", help="make a test of every capture file in DIR"
    )
    group.addoption(
        "--mesh-target", action="append", default=[], metavar="[SERVICE=]HOST:PORT",
        help="where --mesh-traces, and tests that name no target, send what was recorded",
    )  # fmt: skip
    group.addoption(
        "--mesh-accept", action="store_true",
        help="take different answers of --mesh-traces as what is expected, unless they break callers",
    )  # fmt: skip


def pytest_configure(config: pytest.Config) -> None:
    """Register our marker, so that `--strict-markers` accepts it."""
    config.addinivalue_line(
        "markers",
        "mesh_trace(file, *options): the capture file, relative to the test's, that the fixture mesh_replay"
        " replays, with options of `mesh-replay run`",
    )


def pytest_collection(session: pytest.Session) -> None:
    """Collect the folder of --mesh-traces besides what else is asked for."""
    config = session.config
    folder: Path | None = config.getoption("--mesh-traces")
    if folder is None:
        return
    if not _targets(config):
        raise pytest.UsageError("--mesh-traces needs --mesh-target [SERVICE=]HOST:PORT")
    if not folder.is_dir():
        raise pytest.UsageError(f"--mesh-traces {folder}: there is no such folder")
    asked = [Path(word.partition("::")[0]).absolute() for word in config.args]
    if not any(folder.absolute().is_relative_to(path) for path in asked):
        config.args.append(str(folder))


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """A capture file below --mesh-traces."""
    folder: Path | None = parent.config.getoption("--mesh-traces")
    if folder is None or not file_path.name.endswith(_SUFFIXES):
        return None
    if not file_path.is_relative_to(folder.resolve()):
        return None
    return CaptureFile.from_parent(parent, path=file_path)


class CaptureFile(pytest.File):
    """A capture file, which is one test."""

    def collect(self) -> Iterator[pytest.Item]:
        """Its only test."""
        yield CaptureItem.from_parent(self, name="replay")


class CaptureItem(pytest.Item):
    """Replays a capture file; passes as `mesh-replay run` would."""

    def runtest(self) -> None:
        """Replay, or with --mesh-accept replay and keep."""
        from mesh_replayer.testing import Replayer, ReplayFailed

        replayer = Replayer(self.path, _targets(self.config), self.config.rootpath)
        run = replayer.run(accept=bool(self.config.getoption("--mesh-accept")))
        if not run.ok:
            raise ReplayFailed(run.explain())

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> str:
        """What did not pass, without our own lines of code where nothing of ours is wrong."""
        from mesh_core.errors import MeshError
        from mesh_replayer.testing import ReplayFailed

        if isinstance(excinfo.value, ReplayFailed | MeshError):
            return str(excinfo.value)
        return str(super().repr_failure(excinfo, style))

    def reportinfo(self) -> tuple[Path, None, str]:
        """Named by its file."""
        return self.path, None, self.path.name


@pytest.fixture
def mesh_replay(request: pytest.FixtureRequest) -> Iterator[Replayer]:
    """Replays the capture file of the test's `mesh_trace` mark.

    A run that the test did not look at (`ok`, `explain()`) fails the test in the end if it did not pass.
    """
    from mesh_replayer.testing import Replayer

    mark = request.node.get_closest_marker("mesh_trace")
    if mark is None or not mark.args:
        pytest.fail("mark the test with @pytest.mark.mesh_trace(FILE) to say what is replayed", pytrace=False)
    file = request.path.parent / mark.args[0]
    if not file.exists():
        pytest.fail(f"there is no capture file {file}; mesh-replay save makes one", pytrace=False)
    config = request.config
    replayer = Replayer(file, _targets(config), config.rootpath, tuple(mark.args[1:]))
    yield replayer
    unseen = [run for run in replayer.runs if not run.looked_at and not run.ok]
    if unseen:
        pytest.fail("\n".join(run.explain() for run in unseen), pytrace=False)


def _targets(config: pytest.Config) -> list[str]:
    return list(config.getoption("--mesh-target") or ())
