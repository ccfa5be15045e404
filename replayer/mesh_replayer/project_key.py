"""The project's redaction key, where this machine has it: read, never made."""

from collections.abc import Mapping

from mesh_core.project import REDACT_KEY, Project, project_dir, redact_key_file
from mesh_store.disk import read_file


def project_key(project: Project, environ: Mapping[str, str]) -> bytes | None:
    """The key that the project's sidecars on this machine use, or None."""
    given = environ.get(REDACT_KEY)
    if given:
        return given.encode()
    content = read_file(redact_key_file(project_dir(project.state_dir, project.config.project)))
    return content.strip() or None if content is not None else None
