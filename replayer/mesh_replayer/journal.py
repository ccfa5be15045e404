"""What was sent that may have changed something, written down before it goes out.

1. A run that is killed leaves its journal; one that ends takes it away.
2. What a stopped run had sent is not sent again by the next one, unless that is asked for.
3. What was sent and has no answer written down has an outcome that nobody knows.
"""

import asyncio
import fcntl
import json
import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mesh_core.errors import ConfigInvalid
from mesh_replayer.target import SAFE_METHODS
from mesh_store.disk import make_private_folder

_SUFFIX = ".jsonl"
_MOST_BYTES = 64 * 1024 * 1024
"""Of one journal that is read."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A request that a stopped run had sent."""

    run_id: str
    answer: str | None
    """What came, in a word; None where that is unknown."""

    @property
    def reason(self) -> str:
        """Why it is not sent again."""
        again = "--allow-repeat sends it again"
        if self.answer is None:
            return f"unknown: run {self.run_id} was stopped while it waited for the answer; {again}"
        return f"run {self.run_id}, which was stopped, had sent it and got {self.answer}; {again}"


@dataclass(slots=True)
class Journal:
    """The journal of one run, and what those of stopped runs say of the same target."""

    folder: Path
    run_id: str
    targets: tuple[str, ...]
    allow_repeat: bool = False
    before: Mapping[str, Sent] = field(default_factory=dict)
    """By the recorded exchange's id."""
    _stopped: list[tuple[Path, frozenset[str]]] = field(default_factory=list)
    _file: int | None = None
    _writing: asyncio.Lock = field(default_factory=asyncio.Lock)

    @classmethod
    def opened(
        cls, folder: Path, run_id: str, targets: Iterable[str], *, allow_repeat: bool = False
    ) -> "Journal":
        """Read what stopped runs left; nothing is written until something is sent.

        Args:
            folder: the user's, where journals are.
            run_id: of the run that begins.
            targets: which service where; a port may be another one each time.
            allow_repeat: whether what a stopped run had sent is sent again.
        """
        journal = cls(folder, run_id, tuple(sorted(set(targets))), allow_repeat)
        found: dict[str, Sent] = {}
        for path in sorted(folder.glob(f"*{_SUFFIX}")) if folder.is_dir() else ():
            lines = list(_left_by_a_stopped_run(path))
            if lines and set(lines[0].get("targets", ())) & set(journal.targets):
                sent = _sent(lines)
                found |= sent
                journal._stopped.append((path, frozenset(sent)))
        journal.before = found
        return journal

    def already(self, exchange_id: str, method: str) -> Sent | None:
        """What a stopped run did of a request that is not to be sent twice; None where it may be sent."""
        if self.allow_repeat or method.upper() in SAFE_METHODS:
            return None
        return self.before.get(exchange_id)

    async def begin(self, exchange_id: str, method: str) -> None:
        """Write down, durably, that a request is about to go out; a safe one leaves no line.

        Raises:
            ConfigInvalid: it cannot be written, so nothing may be sent.
        """
        if method.upper() in SAFE_METHODS:
            return
        async with self._writing:
            try:
                await asyncio.to_thread(self._write, {"sent": exchange_id}, durably=True)
            except OSError as cause:
                problem = f"the journal in {self.folder} cannot be written ({cause.strerror})"
                raise ConfigInvalid(
                    f"{problem}, so {method} is not sent", hint="make room, or check the folder"
                ) from cause

    def ended(self, exchange_id: str, method: str, answer: str) -> None:
        """Write down what came; a loss of it only makes the outcome unknown."""
        if method.upper() not in SAFE_METHODS and self._file is not None:
            try:
                self._write({"answered": exchange_id, "answer": answer})
            except OSError:
                return

    def close(self, shown: Collection[str], *, done: bool) -> None:
        """The run is over; what it showed of stopped ones is known now.

        Args:
            shown: the exchanges that its report has.
            done: whether it came to its end, or the user ended it and needs no care.
        """
        if self._file is not None:
            os.close(self._file)
            self._file = None
        if done:
            self._path.unlink(missing_ok=True)
            for path, sent in self._stopped:
                if sent <= set(shown):
                    path.unlink(missing_ok=True)

    @property
    def _path(self) -> Path:
        return self.folder / f"{self.run_id}{_SUFFIX}"

    def _write(self, line: dict[str, Any], *, durably: bool = False) -> None:
        if self._file is None:
            make_private_folder(self.folder)
            self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # tells a living run from a stopped one
            os.write(self._file, _line({"run_id": self.run_id, "targets": self.targets}))
        os.write(self._file, _line(line))
        if durably:
            os.fsync(self._file)


def _line(content: dict[str, Any]) -> bytes:
    return json.dumps(content).encode() + b"\n"


def _left_by_a_stopped_run(path: Path) -> Iterator[dict[str, Any]]:
    """The lines of a journal that no living run holds; a torn last one is left out."""
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            content = file.read(_MOST_BYTES)
    except OSError:
        return
    for line in content.splitlines():
        try:
            read = json.loads(line)
        except ValueError:
            continue
        if isinstance(read, dict):
            yield read


def _sent(lines: list[dict[str, Any]]) -> dict[str, Sent]:
    run_id = str(lines[0].get("run_id", "?"))
    found: dict[str, Sent] = {}
    for line in lines[1:]:
        if "sent" in line:
            found[str(line["sent"])] = Sent(run_id, None)
        elif "answered" in line:
            found[str(line["answered"])] = Sent(run_id, str(line.get("answer")))
    return found
