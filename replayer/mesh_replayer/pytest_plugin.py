"""The plugin that pytest loads wherever mesh-replay is installed: it costs next to nothing.

Everything heavy is imported where it is used, never here.
"""

from typing import Protocol


class _Config(Protocol):
    def addinivalue_line(self, name: str, line: str) -> None: ...


def pytest_configure(config: _Config) -> None:
    """Register our marker, so that `--strict-markers` accepts it."""
    config.addinivalue_line("markers", "mesh_trace(file): replay the capture file of a trace")
