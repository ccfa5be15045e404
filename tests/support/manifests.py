"""Generated files judged: by the Compose specification, by Kubernetes' schemas, and by Compose itself."""

import io
import json
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft7Validator, Draft202012Validator
from ruamel.yaml import YAML
from ruamel.yaml.comments import TaggedScalar

SCHEMAS = Path(__file__).parents[2] / "fixtures" / "schemas"
KUBERNETES = ("1.29", "1.37")


def documents(text: str) -> list[Any]:
    """Plain values; a tagged value stays what ruamel makes of it."""
    return list(YAML().load_all(io.StringIO(text)))


def plain(value: Any) -> Any:
    return json.loads(json.dumps(value))


@cache
def _schema(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((SCHEMAS / f"{name}.json").read_text())
    return content


def check_kubernetes(text: str) -> list[Any]:
    """The documents, each valid for the oldest and the newest Kubernetes that we claim."""
    objects = [
        thing for document in documents(text) for thing in plain(document).get("items", [plain(document)])
    ]
    for version in KUBERNETES:
        schema = _schema(f"kubernetes-{version}")
        for thing in objects:
            if thing["kind"] in schema["$defs"]:
                Draft202012Validator({**schema, "$ref": f"#/$defs/{thing['kind']}"}).validate(thing)
    return objects


def check_compose(base: str, override: str) -> dict[str, Any]:
    """What Compose makes of both files: checked by the specification's schema, the override alone too."""
    both = [documents(base)[0], documents(override)[0]]
    Draft7Validator(_schema("compose-spec")).validate(plain(_without_resets(both[1])))
    merged: dict[str, Any] = plain(_merged(*both))
    Draft7Validator(_schema("compose-spec")).validate(merged)
    for name, service in merged["services"].items():
        assert not ("networks" in service and "network_mode" in service), f"{name}: Compose refuses both"
        assert set(service.get("depends_on", {})) <= set(merged["services"])
    return merged


def compose_program() -> list[str] | None:
    """Compose itself, where it is installed; `config` needs no daemon."""
    for program in (["docker", "compose"], ["docker-compose"]):
        if (
            shutil.which(program[0])
            and subprocess.run([*program, "version"], capture_output=True).returncode == 0
        ):
            return program
    return None


def _without_resets(value: Any) -> Any:
    if isinstance(value, dict):
        kept = {key: inner for key, inner in value.items() if not _resets(inner)}
        return {key: _without_resets(inner) for key, inner in kept.items()}
    return value


def _resets(value: Any) -> bool:
    return isinstance(value, TaggedScalar) and str(value.tag.value) == "!reset"


def _merged(base: Any, override: Any, key: str = "") -> Any:
    """Compose's rules for merging, as far as our overrides lean on them."""
    if key == "environment" or key == "depends_on":
        base, override = _table(base, key), _table(override, key)
    if isinstance(base, dict) and isinstance(override, dict):
        merged = {name: value for name, value in base.items() if not _resets(override.get(name))}
        for name, value in override.items():
            if not _resets(value):
                merged[name] = (
                    _merged(merged[name], value, name) if name in merged else _without_resets(value)
                )
        return merged
    if isinstance(base, list) and isinstance(override, list):
        return [*base, *override]
    return override


def _table(value: Any, key: str) -> Any:
    if not isinstance(value, list):
        return value
    if key == "depends_on":
        return {name: {"condition": "service_started"} for name in value}
    return {
        name: text if equals else None for name, equals, text in (entry.partition("=") for entry in value)
    }
