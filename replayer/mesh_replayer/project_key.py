"""The project's redaction key, where this machine has it: read, never made."""

from collections.abc import Mapping

from mesh_core.config import RedactMode
from mesh_core.project import REDACT_KEY, Project, project_dir, redact_key_file
from mesh_core.redact import Redactor
from mesh_store.disk import read_file


def project_key(project: Project, environ: Mapping[str, str]) -> bytes | None:
    """The key that the project's sidecars on this machine use, or None."""
    given = environ.get(REDACT_KEY)
    if given:
        return given.encode()
    content = read_file(redact_key_file(project_dir(project.state_dir, project.config.project)))
    return content.strip() or None if content is not None else None


def redactor_of(project: Project, environ: Mapping[str, str]) -> Redactor | None:
    """What hides secrets as the project's sidecars do; None where the project switched that off."""
    mode = project.config.redact.mode
    if mode is RedactMode.OFF:
        return None
    return Redactor(project_key(project, environ), mode, project.config.redact)
