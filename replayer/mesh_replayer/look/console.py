"""The terminal: as wide as it is, colour where it has any, and never obeying what was captured."""

import os
from collections.abc import Iterable
from typing import TextIO

from rich.console import Console
from rich.text import Text

_WIDTH_OF_A_FILE = 160
"""Columns where nobody's terminal says how many there are."""


def console(stream: TextIO) -> Console:
    """A console on `stream` that takes no markup and guesses no links."""
    on_terminal = stream.isatty()
    width = None if on_terminal or os.environ.get("COLUMNS", "").isdigit() else _WIDTH_OF_A_FILE
    return Console(file=stream, width=width, markup=False, emoji=False, highlight=False, soft_wrap=False)


def print_lines(to: Console, lines: Iterable[Text]) -> None:
    """Print lines; one that is too long goes on in the next."""
    for line in lines:
        to.print(line, overflow="fold", no_wrap=False)
