"""The demo shop's services as processes of a test, without sidecars."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

SHOP = Path(__file__).parents[2] / "fixtures" / "mesh_shop"
NODE_SERVICES = ("inventory", "pricing")


@contextmanager
def service(name: str, *options: str, **environ: str) -> Iterator[str]:
    """Run one service on a free port and give its URL."""
    in_node = name in NODE_SERVICES
    program = ["node", str(SHOP / f"{name}.mjs")] if in_node else [sys.executable, "-m", f"mesh_shop.{name}"]
    with subprocess.Popen(
        [*program, *options], env=clean_environment() | environ, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            listening = re.search(r"listens on (http://\S+)", line)
            assert listening, f"{name} did not start: {line}"
            yield listening[1]
        finally:
            process.terminate()
            process.wait()


@contextmanager
def shop(variant: str = "unfixed", **environ: str) -> Iterator[Mapping[str, str]]:
    """Run all five services, each calling the others directly; gives their URLs."""
    with ExitStack() as running:
        urls: dict[str, str] = {}
        for name in ("inventory", "pricing", "payment", "cart", "gateway"):
            options = ("--variant", variant) if name == "payment" else ()
            others = {f"{other.upper()}_URL": url for other, url in urls.items()}
            urls[name] = running.enter_context(service(name, *options, **others, **environ))
        yield urls


def clean_environment() -> dict[str, str]:
    """The environment without what would change how services call each other."""
    unwanted = re.compile(r"(MESH_|OTEL_|SHOP_|.*_URL$|.*_proxy$)", re.IGNORECASE)
    return {key: value for key, value in os.environ.items() if not unwanted.match(key)}
