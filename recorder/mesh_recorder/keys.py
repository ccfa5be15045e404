"""The project's redaction key: from the environment, or a private file made at the first start."""

import hashlib
import logging
import os
import secrets
from collections.abc import Mapping
from pathlib import Path

from mesh_core.errors import ConfigInvalid
from mesh_core.project import REDACT_KEY, redact_key_file
from mesh_store.disk import make_private_folder

logger = logging.getLogger(__name__)

SHORTEST = 16
"""Characters."""


def redact_key(environ: Mapping[str, str], project_dir: Path) -> bytes:
    """The key that tokens are made with.

    Raises:
        ConfigInvalid: the key is too short to be one, or the file is open to others or closed to us.
    """
    given = environ.get(REDACT_KEY)
    if given is not None:
        if len(given) < SHORTEST:
            raise ConfigInvalid(
                f"{REDACT_KEY} is too short to be a key",
                hint=f"give at least {SHORTEST} characters, such as `openssl rand -hex 32`",
            )
        return given.encode()
    path = redact_key_file(project_dir)
    try:
        if not path.exists():
            _make(path)
    except OSError as error:
        # A sidecar may stand where nothing can be written; tokens of this run still fit each other.
        logger.warning(
            "%s cannot be written (%s): values hidden in this run are not comparable with others; set %s",
            path,
            error.strerror,
            REDACT_KEY,
        )
        return secrets.token_bytes(32)
    return _read(path)


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_mode & 0o077:
            raise ConfigInvalid(f"{path} can be read by others", hint=f"chmod 600 {path}")
        key = path.read_bytes().strip()
    except OSError as cause:
        raise ConfigInvalid(
            f"the redaction key {path} cannot be read: {cause.strerror}",
            hint=f"mend that, or set {REDACT_KEY}",
        ) from cause
    if len(key) < SHORTEST:
        raise ConfigInvalid(f"{path} is too short to be a key", hint="remove it; it is made anew")
    return key


def key_id(key: bytes) -> str:
    """Names a key without telling it, 16 hex digits."""
    return hashlib.sha256(b"mesh-replay redaction key\0" + key).hexdigest()[:16]


def _make(path: Path) -> None:
    """Make the key; of several sidecars that start at once, one makes it for all."""
    make_private_folder(path.parent)
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(descriptor, secrets.token_hex(32).encode() + b"\n")
        os.fsync(descriptor)
        os.link(draft, path)  # fails where another was first, and never shows half a key
    except FileExistsError:
        return
    finally:
        os.close(descriptor)
        draft.unlink()
