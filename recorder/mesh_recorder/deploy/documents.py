"""YAML in and out. Pure.

By ruamel.yaml, which mitmproxy brings along: it keeps comments, order and quotes, so that what is
printed can be compared with what came in, and it knows the line of a mistake.
"""

import io
import re
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from mesh_core.errors import MeshError

_LIST_IN_MAP = re.compile(r"^(?P<key> *)(?:- )?[^\s#-][^\n]*:[ \t]*\n(?P<item> *)- ", re.MULTILINE)


def read_documents(text: str, where: str) -> list[Any]:
    """The documents in `text`; empty ones left out.

    Raises:
        MeshError: it is not YAML; with the line.
    """
    try:
        return [document for document in _yaml().load_all(text) if document is not None]
    except MarkedYAMLError as cause:
        line = f":{cause.problem_mark.line + 1}" if cause.problem_mark is not None else ""
        problem = (cause.problem or "cannot be read").split("\n")[0]
        raise MeshError(f"{where}{line}: broken YAML: {problem}", hint="correct that line") from cause
    except (YAMLError, ValueError) as cause:
        problem = str(cause).split("\n")[0]
        raise MeshError(f"{where}: broken YAML: {problem}", hint="correct it") from cause


def write_documents(documents: list[Any], *, like: str = "") -> str:
    """The text of `documents`, lists indented as they are in `like`."""
    yaml = _yaml()
    found = _LIST_IN_MAP.search(like)
    if found and len(found["item"]) > len(found["key"]):
        yaml.indent(mapping=2, sequence=4, offset=2)
    out = io.StringIO()
    yaml.dump_all(documents, out)
    return out.getvalue()


def tree(value: Any) -> Any:
    """Plain dicts and lists as nodes that can be written, and can carry comments."""
    if isinstance(value, dict):
        return CommentedMap((key, tree(inner)) for key, inner in value.items())
    if isinstance(value, list | tuple):
        return CommentedSeq(tree(inner) for inner in value)
    return value


def put(table: CommentedMap, key: str, value: Any, *, at: int | None = None) -> None:
    """Set a key, and leave it as it stands, comments and all, where it says so already."""
    if key in table:
        if table[key] != value:
            table[key] = tree(value)
    elif at is None:
        table[key] = tree(value)
    else:
        table.insert(at, key, tree(value))


def put_named(items: CommentedSeq, item: dict[str, Any]) -> None:
    """Set the item of that name in a list; a new one stands first, as comments below the last are not its."""
    for there in items:
        if isinstance(there, CommentedMap) and there.get("name") == item["name"]:
            for key in [key for key in there if key not in item]:
                del there[key]
            for key, value in item.items():
                put(there, key, value)
            return
    items.insert(0, tree(item))


def drop_named(items: CommentedSeq, name: str) -> None:
    """Remove the item of that name from a list, where it is there."""
    for number in reversed(range(len(items))):
        if isinstance(items[number], dict) and items[number].get("name") == name:
            del items[number]


def _yaml() -> YAML:
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 4096
    return yaml
