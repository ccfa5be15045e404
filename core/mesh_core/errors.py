"""Failures that people see, and the exit codes of the command line. Pure."""

from enum import IntEnum


class ExitCode(IntEnum):
    """What a command's exit code means; one meaning each."""

    OK = 0
    """All as it should be, or a command that only looks worked."""
    DIFFERENT = 1
    """The service is wrong: it differs, is broken, or fails as it did."""
    USAGE = 2
    """Wrong usage or configuration."""
    ENVIRONMENT = 3
    """Target or store out of reach, or credentials refused."""
    REFUSED = 4
    """Refused for safety; nothing was sent."""
    NOTHING = 5
    """Nothing was selected, sent or judged."""
    INTERRUPTED = 130
    """Stopped by the user."""


class MeshError(Exception):
    """A failure with its remedy. The command line prints it on one line.

    Raise a subclass where a caller would act on the difference, else this one.
    """

    exit_code = ExitCode.USAGE

    def __init__(self, problem: str, *, hint: str) -> None:
        super().__init__(f"{problem}; {hint}")
        self.problem = problem
        self.hint = hint


class ConfigInvalid(MeshError):
    """A setting, or `mesh.toml`, cannot be used as it stands."""


class QueryInvalid(MeshError):
    """A search cannot be read; `position` is the character it stopped at."""

    def __init__(self, problem: str, *, hint: str, position: int) -> None:
        super().__init__(problem, hint=hint)
        self.position = position


class IdAmbiguous(MeshError):
    """A prefix names more than one thing."""


class CaptureInvalid(MeshError):
    """A capture file, or a file to import, cannot be read."""


class NotRecorded(MeshError):
    """An id, a prefix or a query names nothing in the store."""

    exit_code = ExitCode.NOTHING


class StoreUnreachable(MeshError):
    """The store cannot be opened, reached, or is not ours."""

    exit_code = ExitCode.ENVIRONMENT


class SchemaOutdated(StoreUnreachable):
    """The store's tables are older or newer than this program."""


class ListenFailed(MeshError):
    """An address to listen on is taken or not ours."""

    exit_code = ExitCode.ENVIRONMENT


class TargetNotAllowed(MeshError):
    """A replay was refused before a byte was sent."""

    exit_code = ExitCode.REFUSED


class ConfigUntrusted(MeshError):
    """`mesh.toml` asks for what only a trusted file may ask."""

    exit_code = ExitCode.REFUSED
