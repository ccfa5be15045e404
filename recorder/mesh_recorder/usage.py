"""How mesh-record's command line is read: commands of its own by name, `-- COMMAND`, mistakes on one line."""

import sys
from collections.abc import Sequence
from typing import IO, Any

import click

from mesh_core.errors import ExitCode


class WrongUsage(click.ClickException):
    """A mistake on the command line, said on one line."""

    exit_code = ExitCode.USAGE

    def __init__(self, program: str, message: str) -> None:
        super().__init__(message)
        self.program = program

    def show(self, file: IO[Any] | None = None) -> None:
        """Say what is wrong and where help is."""
        text = " ".join(self.message.split()).rstrip(".")
        click.echo(f"{self.program}: {text}; `{self.program} --help` shows how", err=True, file=file)


class Program(click.Command):
    """A command that may be followed by `-- COMMAND…`, and has other commands by their first word."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.others: dict[str, click.Command] = {}

    def main(self, args: Sequence[str] | None = None, *rest: Any, **extra: Any) -> Any:
        """Run as a program; the first word may name one of the other commands."""
        extra["prog_name"] = self.name  # however it was started
        words = list(sys.argv[1:] if args is None else args)
        other = self.others.get(words[0]) if words else None
        if other is not None:
            return other.main(words[1:], *rest, **extra)
        return super().main(words, *rest, **extra)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read options up to `--`; what follows is the command to run."""
        options, command = args, []
        if "--" in args:
            at = args.index("--")
            options, command = args[:at], args[at + 1 :]
            if not command:
                raise WrongUsage(ctx.command_path, "no command follows --")
        try:
            super().parse_args(ctx, options)
        except click.UsageError as error:
            message = error.format_message()
            if message.startswith("Got unexpected extra argument"):
                message = f"{message.rstrip('.')}: a command to run goes behind --"
            raise WrongUsage(ctx.command_path, message) from error
        ctx.params["command"] = tuple(command)
        return []

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The other commands."""
        super().format_epilog(ctx, formatter)
        if self.others:
            with formatter.section("Commands"):
                formatter.write_dl(
                    [(name, other.get_short_help_str(80)) for name, other in sorted(self.others.items())]
                )

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        """Options, then the command."""
        return [*super().collect_usage_pieces(ctx), "[-- COMMAND...]"]
