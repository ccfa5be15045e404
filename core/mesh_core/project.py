"""Where a project's settings, store and state live. Pure: the caller reads the files.

Order: command line, then `MESH_…` in the environment, then `mesh.toml`, then the default.
"""

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mesh_core.config import Config, parse_config, trust_reasons
from mesh_core.errors import ConfigInvalid, ConfigUntrusted
from mesh_core.retention import KEYS, Retention, with_text

type ReadFile = Callable[[Path], bytes | None]
"""Gives a file's bytes, or None where there is no such file."""

CONFIG_NAME = "mesh.toml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """The settings in force for one run of a command."""

    config: Config
    config_path: Path | None
    """The `mesh.toml` in use; None where there is none."""
    store: str
    """URL of the store: `sqlite:///…`, `postgresql://…` or `https://…`."""
    state_dir: Path
    """The user's private state: CA, keys, tokens, trust, remembered ports."""
    retention: Retention = field(default_factory=Retention)
    """How long whoever writes to the store keeps what is there."""


def load_project(
    *,
    cwd: Path,
    environ: Mapping[str, str],
    read: ReadFile,
    store: str | None = None,
    config_file: Path | None = None,
    trust_config: bool = False,
) -> Project:
    """Resolve the settings of a command.

    Args:
        cwd: where the search for `mesh.toml` begins; it goes on upwards.
        environ: the environment; `MESH_STORE`, `MESH_CONFIG`, `MESH_TRUST_CONFIG`, `MESH_RETENTION_*`,
            `XDG_*`.
        read: reads a file.
        store: `--store`, over everything else.
        config_file: `--config`.
        trust_config: `--trust-config`: use the file without the user's word for it (CI).

    Raises:
        ConfigInvalid: the file is broken, or a file that was named does not exist.
        ConfigUntrusted: it asks for what only a trusted file may ask.
    """
    state = state_dir(environ)
    named = config_file or (Path(environ["MESH_CONFIG"]) if environ.get("MESH_CONFIG") else None)
    path = named.absolute() if named else find_config(cwd, read)
    config = Config()
    elsewhere = store or environ.get("MESH_STORE")
    if path is not None:
        config = _read_config(path, read)
        if not (trust_config or environ.get("MESH_TRUST_CONFIG") == "1"):
            _check_trust(path, config, state, read, own_store=not elsewhere)
    url = elsewhere or config.store
    return Project(
        config=config,
        config_path=path,
        store=_absolute_store(url, path, cwd, explicit=url is not config.store)
        if url
        else _default_store(path, environ),
        state_dir=state,
        retention=_retention(config.retention, environ),
    )


def find_config(cwd: Path, read: ReadFile) -> Path | None:
    """The nearest `mesh.toml` in `cwd` or above."""
    folders = [cwd, *cwd.parents]
    return next((folder / CONFIG_NAME for folder in folders if read(folder / CONFIG_NAME) is not None), None)


def state_dir(environ: Mapping[str, str]) -> Path:
    """The user's state folder; XDG Base Directory Specification."""
    base = environ.get("XDG_STATE_HOME")
    return (Path(base) if base else _home(environ) / ".local" / "state") / "mesh-replay"


def data_dir(environ: Mapping[str, str]) -> Path:
    """The user's data folder; XDG Base Directory Specification."""
    base = environ.get("XDG_DATA_HOME")
    return (Path(base) if base else _home(environ) / ".local" / "share") / "mesh-replay"


def file_name(text: str) -> str:
    """`text` as the name of one file or folder: nothing in it can leave the folder it is put in."""
    return re.sub(r"[^A-Za-z0-9_.-]", "_", text).lstrip(".") or "_"


def project_dir(state: Path, project: str) -> Path:
    """The project's part of the state folder: CA, redaction key, spools, remembered ports."""
    return state / "projects" / file_name(project)


REDACT_KEY = "MESH_REDACT_KEY"
"""The variable that holds the project's redaction key, where no file is to."""


def redact_key_file(folder: Path) -> Path:
    """Where the redaction key lies in a project's folder."""
    return folder / "redact.key"


def trust_file(state: Path) -> Path:
    """Where the user's word for configuration files is kept: JSON, path to SHA-256."""
    return state / "trusted.json"


def fingerprint_of(content: bytes) -> str:
    """What is remembered of a trusted file: a change to it asks again."""
    return hashlib.sha256(content).hexdigest()


def trusted_with(path: Path, content: bytes, remembered: bytes | None) -> bytes:
    """The trust file's new content once `path` is trusted as it stands."""
    trusted = json.loads(remembered) if remembered else {}
    trusted[str(path.absolute())] = fingerprint_of(content)
    return json.dumps(trusted, indent=2, sort_keys=True).encode()


def _read_config(path: Path, read: ReadFile) -> Config:
    content = read(path)
    if content is None:
        raise ConfigInvalid(f"there is no {path}", hint="give --config a file that exists")
    try:
        return parse_config(content.decode(), where=str(path))
    except UnicodeDecodeError as cause:
        raise ConfigInvalid(f"{path} is not UTF-8 (byte {cause.start})", hint="save it as UTF-8") from cause


def _check_trust(path: Path, config: Config, state: Path, read: ReadFile, *, own_store: bool) -> None:
    reasons = trust_reasons(config)
    if config.retention.eager and not own_store:
        reasons.append("a retention that erases earlier than by default, for a store that it does not name")
    if not reasons:
        return
    remembered = read(trust_file(state))
    trusted = json.loads(remembered) if remembered else {}
    if trusted.get(str(path)) == fingerprint_of(read(path) or b""):
        return
    raise ConfigUntrusted(
        f"{path} is not trusted and has {reasons[0]}",
        hint=f"read it, then `mesh-replay trust {path}` (in CI: --trust-config)",
    )


def _retention(retention: Retention, environ: Mapping[str, str]) -> Retention:
    for key, (_, _, written) in KEYS.items():
        name = f"MESH_RETENTION_{key.upper()}"
        try:
            retention = with_text(retention, key, environ.get(name) or None)
        except ValueError as cause:
            raise ConfigInvalid(f"{name}: {cause}", hint=f"write it like {written}") from cause
    return retention


def _default_store(path: Path | None, environ: Mapping[str, str]) -> str:
    folder = path.parent if path else data_dir(environ)
    return f"sqlite:///{folder / 'mesh.db'}"


def _absolute_store(url: str, path: Path | None, cwd: Path, *, explicit: bool) -> str:
    """A relative SQLite path stands relative to what named it: the file, or the command's folder."""
    if not url.startswith("sqlite:///"):
        return url
    base = cwd if explicit or path is None else path.parent
    return f"sqlite:///{base / url.removeprefix('sqlite:///')}"


def _home(environ: Mapping[str, str]) -> Path:
    return Path(environ.get("HOME", "~")).expanduser()
