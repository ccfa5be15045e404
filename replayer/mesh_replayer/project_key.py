"""The project's redaction key, where this machine has it: read, never made."""

import re
from collections.abc import Mapping

from mesh_core.project import Project
from mesh_store.disk import read_file

VARIABLE = "MESH_REDACT_KEY"


def project_key(project: Project, environ: Mapping[str, str]) -> bytes | None:
    """The key that the project's sidecars on this machine use, or None."""
    given = environ.get(VARIABLE)
    if given:
        return given.encode()
    # Where `mesh-record` keeps it.
    name = re.sub(r"[^A-Za-z0-9_.-]", "_", project.config.project).lstrip(".") or "_"
    content = read_file(project.state_dir / "projects" / name / "redact.key")
    return content.strip() or None if content is not None else None
