"""What a Compose override says to people, as comments. Pure."""

from collections.abc import Sequence

from mesh_recorder.deploy.unseen import unseen
from mesh_recorder.deploy.variables import AppVariables


def heading(
    name: str,
    port: int,
    others: Sequence[int],
    variables: AppVariables,
    file: str,
    intercept: tuple[str, ...],
) -> str:
    """The comment that the override begins with."""
    base = "compose.yaml" if file == "-" else file
    mine = f"compose.mesh-{name}.yaml"
    lines = [
        f"A sidecar beside {name}, made by `mesh-record compose {name}`. Needs Compose 2.24.4 or newer.",
        "",
        f"  docker compose -f {base} -f {mine} up -d",
        f"  docker compose -f {base} -f {mine} exec {name}-mesh mesh-replay failures",
        "",
        f"Callers reach {name}:{port} as before, and meet the sidecar; {name}-net:{port} is the service.",
        *(f"Other services reach port {other} of {name} at {name}-net:{other} now." for other in others),
        "The store is a file in the volume mesh-replay; MESH_STORE=postgresql://… in .env names another.",
        f"Whoever is on the networks of {name} can use its sidecar as a proxy.",
        "",
        "The way back: leave this file out.",
        f"  docker compose -f {base} up -d --remove-orphans",
        "",
        "What stays unseen:",
        *(f"- {line}" for line in unseen(name, variables, intercept)),
    ]
    return "".join(f"# {line}".rstrip() + "\n" for line in lines)
