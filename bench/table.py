"""Ratios of interleaved rounds, tables in Markdown, and where they were measured."""

import importlib.metadata
import os
import platform
import re
import statistics
from collections.abc import Sequence
from pathlib import Path


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    """Each round's."""
    return [a / b for a, b in zip(ours, theirs, strict=True) if b]


def spread(values: Sequence[float], digits: int = 2) -> str:
    """Median, least and greatest."""
    if not values:
        return "-"
    middle, least, most = (
        f"{each:.{digits}f}" for each in (statistics.median(values), min(values), max(values))
    )
    return middle if len(values) == 1 else f"{middle} ({least} to {most})"


def median(values: Sequence[float], digits: int = 2) -> str:
    """The median alone."""
    return f"{statistics.median(values):,.{digits}f}" if values else "-"


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def machine() -> str:
    """Processor, system and Python."""
    cpuinfo = Path("/proc/cpuinfo")
    model = re.search(r"model name\s*:\s*(.+)", cpuinfo.read_text()) if cpuinfo.exists() else None
    name = model[1] if model else platform.machine()
    return f"{os.cpu_count()} cores ({name}), {platform.system()}, Python {platform.python_version()}"


def version(package: str) -> str | None:
    """Of a Python package; None where it is not installed."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
