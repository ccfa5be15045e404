"""Hide secrets of an exchange before anything touches a disk. Pure.

`redactor` is the way in; `names`, `forms` and `jwt` know what a secret is; `values`, `layers` and
`json_text` find them; `headers`, `fields`, `markup`, `streams`, `protobuf` and `grpc` know the places;
`bodies` and `messages` choose among these; `tokens` makes what stands for a secret.
"""

from mesh_core.redact.redactor import Redactor
from mesh_core.redact.scan import Leak, Scan, find_secrets
from mesh_core.redact.tokens import TOKEN, is_ours, token_class

__all__ = ["TOKEN", "Leak", "Redactor", "Scan", "find_secrets", "is_ours", "token_class"]
