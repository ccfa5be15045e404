"""What a process takes of its machine, as Prometheus' own clients tell it.

Where there is no /proc, what only /proc tells is left at 0, and not told.
"""

import contextlib
import os
import resource
import time
from dataclasses import dataclass
from pathlib import Path

_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """Of one process, or of several together."""

    cpu_seconds: float = 0.0
    memory_bytes: int = 0
    """Resident; what processes share counts for each."""
    virtual_bytes: int = 0
    open_files: int = 0
    most_files: int = 0


def used(process: Path = Path("/proc/self")) -> Resources:
    """What this process takes now."""
    virtual = resident = files = 0
    with contextlib.suppress(OSError, ValueError):
        virtual, resident = (int(pages) * _PAGE for pages in (process / "statm").read_text().split()[:2])
        files = sum(1 for _ in os.scandir(process / "fd"))
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return Resources(
        cpu_seconds=time.process_time(),
        memory_bytes=resident,
        virtual_bytes=virtual,
        open_files=files,
        most_files=0 if most == resource.RLIM_INFINITY else most,
    )
