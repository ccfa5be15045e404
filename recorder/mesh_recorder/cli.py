"""`mesh-record`: the sidecar, and the doctor that says whether a runtime's calls are seen."""

import os
from pathlib import Path
from typing import Any

import click

from mesh_core.config import Keep, Service
from mesh_core.model import Lane
from mesh_core.project import Project
from mesh_recorder.command import check_there
from mesh_recorder.deploy.commands import COMMANDS
from mesh_recorder.resolve import Options
from mesh_recorder.settings import Durability, TraceHeaders
from mesh_recorder.usage import Program
from mesh_store.command import configure_logging, friendly, project_options, version_option

FILE = click.Path(path_type=Path)


@click.command("mesh-record", cls=Program)
@click.option("--service", metavar="NAME", help="Whose traffic this is.")
@click.option(
    "--app", metavar="ADDRESS", help="Where the service itself listens: HOST:PORT, PORT or https://HOST:PORT."
)
@click.option(
    "--inbound", metavar="ADDRESS", help="Where its callers reach it.  [default: a free port, remembered]"
)
@click.option(
    "--outbound", metavar="ADDRESS", help="A forward proxy for its calls.  [default: a free port, remembered]"
)
@click.option(
    "--upstream",
    "upstreams",
    metavar="NAME=LISTEN=TARGET",
    multiple=True,
    help="A port that stands for one dependency, for clients that know no proxy. Repeatable.",
)
@click.option(
    "--upstream-env",
    metavar="VAR[=URL]",
    multiple=True,
    help="Such a port for the dependency that a variable names; the command gets the variable with our port "
    "in it. Repeatable.",
)
@click.option(
    "--cert", type=FILE, metavar="FILE", help="The inbound listener speaks TLS with this certificate …"
)
@click.option("--key", type=FILE, metavar="FILE", help="… and this key.")
@click.option(
    "--upstream-ca",
    type=FILE,
    metavar="FILE",
    help="Whom to trust besides the system, towards app and upstreams.",
)
@click.option(
    "--intercept",
    metavar="HOST",
    multiple=True,
    help="Look into TLS to this host; others pass as they are. Repeatable; "
    "with a command, all are looked into.",
)
@click.option(
    "--edge", is_flag=True, help="Callers are outside the mesh: drop what they claim of our traces."
)
@click.option(
    "--trace-headers",
    type=click.Choice([choice.value for choice in TraceHeaders]),
    default=TraceHeaders.LINK.value,
    show_default=True,
    help="What may be added to a request: a tracestate member beside a traceparent, and x-request-id "
    "where no context came (link); a traceparent too (always); nothing (never).",
)
@click.option(
    "--lane",
    type=click.Choice(["auto", "wire", "mitmproxy"]),
    default="auto",
    show_default=True,
    help="What carries the bytes: a plain relay that reads a copy (wire), where nothing has to look into "
    "TLS, or mitmproxy; auto takes the first that can.",
)
@click.option(
    "--instance", metavar="NAME", help="Names this instance.  [default: the host's name and the port]"
)
@click.option(
    "--max-body", metavar="SIZE", default="1MiB", show_default=True, help="How much of a body is kept."
)
@click.option(
    "--response-timeout",
    metavar="TIME",
    default="5m",
    show_default=True,
    help="How long a response may take to begin; 0 waits for ever.",
)
@click.option(
    "--keep",
    type=click.Choice([choice.value for choice in Keep]),
    help="What goes to the store: everything (all); what fails here, with the seconds before (failures); "
    "whole traces in which any sidecar saw a failure (trace-failures).  [default: all]",
)
@click.option(
    "--sample", metavar="N%", help="Record this share of traces, the same on all sidecars.  [default: 100%]"
)
@click.option(
    "--durability",
    type=click.Choice([choice.value for choice in Durability]),
    default=Durability.BATCH.value,
    show_default=True,
    help="Sync what is recorded to the disk every 100 ms (batch), or each exchange as it is written (each).",
)
@click.option(
    "--retention-age", metavar="TIME", help="How long the store keeps exchanges, or forever.  [default: 7d]"
)
@click.option(
    "--retention-failures",
    metavar="TIME",
    help="The same for traces with a failure, where it is longer.  [default: 30d]",
)
@click.option(
    "--retention-size",
    metavar="SIZE",
    help="What the store may take, or unlimited; beyond it the oldest go.  [default: 2GiB]",
)
@click.option(
    "--workers",
    type=click.IntRange(0, 64),
    default=0,
    show_default=True,
    metavar="N",
    help="Carry the traffic by this many processes, with a supervisor that replaces one that dies; "
    "0: by this process alone.",
)
@click.option(
    "--admin",
    metavar="ADDRESS",
    help="Where /healthz, /readyz, /metrics and /bypass are, or off.  "
    "[default: MESH_ADMIN, else a free port, remembered]",
)
@click.option("--json", "as_json", is_flag=True, help="Say ready and stopped as JSON, a line each.")
@click.option("--verbose", is_flag=True, help="Log more, to stderr.")
@version_option("mesh-record")
@project_options
@friendly("mesh-record")
def main(
    *,
    project: Project,
    command: tuple[str, ...],
    lane: str,
    as_json: bool,
    verbose: bool,
    trace_headers: str,
    keep: str | None,
    durability: str,
    **options: Any,
) -> None:
    """Record the traffic of a service through a sidecar, until SIGTERM or Ctrl-C.

    Callers reach the service at --inbound; its own calls go through --outbound, a forward proxy, or
    through a port for each dependency. What mesh.toml says need not be said here. With `-- COMMAND`
    the service itself is run as well, with PORT, the proxy and the certificates in its environment,
    and its exit code is ours.

    \b
    Examples:
      mesh-record --service cart                                   # all else is in mesh.toml
      mesh-record --service cart --app 127.0.0.1:7002 --inbound 8002
      mesh-record --service cart --inbound 3000 -- node server.js  # callers stay at 3000
      mesh-record --service cart --upstream inventory=9102=127.0.0.1:8003
      mesh-record --service cart --upstream-env INVENTORY_URL -- ./cart
      mesh-record doctor -- node server.js                         # are its calls seen?
    """
    configure_logging(verbose)
    from mesh_recorder.start import prepare

    chosen = Options(
        trace_headers=TraceHeaders(trace_headers),
        keep=Keep(keep) if keep else None,
        durability=Durability(durability),
        lane=Lane.MITMPROXY if lane == "mitmproxy" else Lane.WIRE,
        with_command=bool(command),
        **options,
    )
    start = prepare(chosen, project, command, os.environ)
    from mesh_recorder.run import run_sidecar  # mitmproxy, which is heavy

    raise SystemExit(run_sidecar(start, as_json=as_json))


@click.command("mesh-record doctor", cls=Program)
@click.option("--service", metavar="NAME", help="Whose sidecar is meant, by its name in mesh.toml.")
@click.option("--json", "as_json", is_flag=True, help="The result as one JSON document.")
@click.option("--verbose", is_flag=True, help="Log more, to stderr.")
@version_option("mesh-record")
@project_options
@friendly("mesh-record doctor")
def doctor(
    *, project: Project, command: tuple[str, ...], service: str | None, as_json: bool, verbose: bool
) -> None:
    """Say whether a runtime's calls are seen, and which variable to set where they are not.

    Without a command, the runtimes of this machine (curl, Python, Node, Java) really make calls, plain
    and over TLS. With `-- COMMAND`, the command is run as `mesh-record -- COMMAND` would run it, nothing
    is recorded, and what was seen of its calls is said once it ends or Ctrl-C ends it.

    \b
    Examples:
      mesh-record doctor
      mesh-record doctor --service cart          # with the addresses that mesh.toml gives cart
      mesh-record doctor -- node server.js       # then use it, then Ctrl-C
      mesh-record doctor --json -- ./gradlew run
    """
    configure_logging(verbose)
    if command:
        check_there(command, os.environ)
        from mesh_recorder.doctor_command import watch_command  # mitmproxy

        raise SystemExit(watch_command(command, project, os.environ, service=service, as_json=as_json))
    from mesh_recorder.doctor import doctor_report

    known = project.config.services.get(service or "", Service(name=service or ""))
    for line in doctor_report(project, os.environ, outbound=known.outbound, as_json=as_json):
        click.echo(line)


main.others |= {"doctor": doctor, **COMMANDS}
