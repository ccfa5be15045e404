"""Whether manifests are shaped as Kubernetes has them, as far as we look at them. Pure.

Checked once at the door, so that nobody checks it later; a mistake is told with its line.
"""

from typing import Any

from ruamel.yaml.comments import CommentedMap, CommentedSeq

from mesh_core.errors import MeshError

TEXT, NUMBER, TARGET = "a text", "a number", "a number or a name"
TABLE: dict[str, Any] = {}

_METADATA = {"name": TEXT, "namespace": TEXT, "labels": TABLE, "annotations": TABLE}
_CONTAINER = {
    "name": TEXT,
    "ports": [{"name": TEXT, "containerPort": NUMBER}],
    "env": [{"name": TEXT}],
    "volumeMounts": [{"name": TEXT}],
}
_POD = {
    "containers": [_CONTAINER],
    "initContainers": [_CONTAINER],
    "volumes": [{"name": TEXT}],
    "terminationGracePeriodSeconds": NUMBER,
}
SHAPES: dict[str, Any] = {
    "Deployment": {
        "metadata": _METADATA,
        "spec": {"template": {"metadata": _METADATA, "spec": _POD}},
    },
    "Service": {
        "metadata": _METADATA,
        "spec": {"selector": TABLE, "ports": [{"name": TEXT, "port": NUMBER, "targetPort": TARGET}]},
    },
    "Namespace": {"metadata": _METADATA},
}
"""By kind: tables with the keys that we look at, lists of one shape, and what a value has to be."""


def check_shape(thing: CommentedMap, where: str) -> None:
    """Check an object by its kind; other kinds are nobody's business here.

    Raises:
        MeshError: a value is of the wrong kind.
    """
    shape = SHAPES.get(str(thing.get("kind")))
    if shape is not None:
        _check(thing, shape, str(thing["kind"]), where)


def _check(value: Any, shape: Any, path: str, where: str) -> None:
    """`value` is of the right kind itself; what it has without a value counts as left out."""
    if isinstance(shape, dict):
        for key in shape:
            if value.get(key) is not None:
                _check_at(value, key, shape[key], f"{path}.{key}", where)
    elif isinstance(shape, list):
        for number in range(len(value)):
            _check_at(value, number, shape[0], f"{path}[{number}]", where)


def _check_at(parent: Any, key: Any, shape: Any, path: str, where: str) -> None:
    value = parent[key]
    if not _fits(value, shape):
        line = parent.lc.data[key][0] + 1 if parent.lc.data and key in parent.lc.data else 0
        raise MeshError(
            f"{where}{f':{line}' if line else ''}: {path} is wrong", hint=f"expected {_words(shape)}"
        )
    _check(value, shape, path, where)


def _fits(value: Any, shape: Any) -> bool:
    if isinstance(shape, dict):
        return isinstance(value, CommentedMap)
    if isinstance(shape, list):
        return isinstance(value, CommentedSeq)
    is_text = isinstance(value, str)
    is_number = isinstance(value, int) and not isinstance(value, bool) and value >= 0
    return {TEXT: is_text, NUMBER: is_number, TARGET: is_text or is_number}[shape]


def _words(shape: Any) -> str:
    if isinstance(shape, dict):
        return "a table"
    return "a list" if isinstance(shape, list) else str(shape)
