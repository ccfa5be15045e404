"""How far a long look through a store has come: on a terminal only, and gone when it is over."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


@contextmanager
def looking_through(console: Console, total: int) -> Iterator[Callable[[int], None]]:
    """Gives a function that is told how many more exchanges were looked through.

    Args:
        console: nothing is shown where it is no terminal.
        total: exchanges, as far as is known.
    """
    if not console.is_terminal:
        yield lambda _: None
        return
    columns = (TextColumn("looking through"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=total)
        yield lambda count: bar.advance(task, count)
