"""What a sidecar in a container does not see, in words. Pure."""

from mesh_recorder.deploy.variables import AppVariables


def unseen(name: str, variables: AppVariables, intercept: tuple[str, ...]) -> list[str]:
    """A sentence for each kind of traffic that is not recorded, as the service is started now."""
    lines = ["databases, message brokers and whatever else is not HTTP"]
    if variables.foreign is not None:
        lines.append(f"calls by {name}: it has {variables.foreign} already, which was left as it is")
        return lines
    java = "" if "JAVA_TOOL_OPTIONS" in variables.values else "Java (give --java), "
    lines.append(
        f"calls by {name} where its runtime heeds no proxy variables: {java}Node before 24, clients with "
        "settings of their own; `mesh-record doctor -- COMMAND` tells"
    )
    looked = f" but to {', '.join(intercept)}" if intercept else " (--intercept HOST looks into some)"
    lines.append(f"what is inside of HTTPS calls by {name}{looked}; host, time and size are")
    return lines
