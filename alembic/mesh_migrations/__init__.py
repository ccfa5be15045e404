"""How the store's tables come to be and change: alembic's environment and its versions."""

REVISIONS = ("0001", "0002")
"""Every version there is, oldest first; known without importing alembic."""
HEAD = REVISIONS[-1]
VERSION_TABLE = "mesh_schema"
"""Where the version in use is kept; alembic's own name may be taken by another program."""
