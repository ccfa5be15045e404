"""Hide secrets of an exchange before anything touches a disk. Pure."""

from mesh_core.redact.redactor import TOKEN, Redactor

__all__ = ["TOKEN", "Redactor"]
