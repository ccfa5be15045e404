"""The project's redaction key, where this machine has it: read, never made."""

from collections.abc import Mapping

from mesh_core.project import Project, project_dir
from mesh_store.disk import read_file

VARIABLE = "MESH_REDACT_KEY"


def project_key(project: Project, environ: Mapping[str, str]) -> bytes | None:
    """The key that the project's sidecars on this machine use, or None."""
    given = environ.get(VARIABLE)
    if given:
        return given.encode()
    content = read_file(project_dir(project.state_dir, project.config.project) / "redact.key")
    return content.strip() or None if content is not None else None
