"""Small files of the project and the user: read where they are, written whole and for the user alone."""

import contextlib
import os
import secrets
from pathlib import Path

from mesh_core.errors import ConfigInvalid


def read_file(path: Path) -> bytes | None:
    """The file's bytes; None where there is no such file.

    What lies in a folder that may not be looked into counts as not there.

    Raises:
        ConfigInvalid: there is one, and it cannot be read.
    """
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return None
    except PermissionError as cause:
        if not os.path.exists(path):  # noqa: PTH110  # Path.exists raises where this gives False
            return None
        raise ConfigInvalid(f"{path} cannot be read", hint="is it yours? check its permissions") from cause
    except OSError as cause:
        raise ConfigInvalid(f"{path} cannot be read: {cause.strerror}", hint="check the path") from cause


def write_private(path: Path, content: bytes) -> None:
    """Write a file that only its user may read: the whole of it or nothing, also after a loss of power.

    Folders that are missing are made, for the user alone too.

    Raises:
        OSError: it was not written; what was there before still is.
    """
    make_private_folder(path.parent)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    with contextlib.suppress(OSError):  # not every file system can
        _sync_folder(path.parent)


def make_private_folder(folder: Path) -> None:
    """Make a folder and those missing above it, for the user alone; one that is there stays as it is."""
    for missing in reversed([path for path in (folder, *folder.parents) if not path.exists()]):
        missing.mkdir(mode=0o700, exist_ok=True)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
