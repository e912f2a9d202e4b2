"""Progress: a bar on standard error for work that takes longer than a moment."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

PATIENCE_SECONDS = 1.0
"""Shorter work shows no bar."""


def token_progress(
    label: str, total: int, show: bool | None
) -> AbstractContextManager[Callable[[int], None]]:
    """A bar that counts tokens."""
    return progress_bar(label, total, show, unit="tokens")


@contextmanager
def progress_bar(label: str, total: int, show: bool | None, *, unit: str) -> Iterator[Callable[[int], None]]:
    """Yield a function to call with each number of units done.

    ``show=None`` shows the bar if standard error is a terminal.
    """
    if show is None:
        show = sys.stderr.isatty()
    if not show:
        yield lambda done: None
        return

    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn(f"{{task.completed:,.0f}} of {{task.total:,.0f}} {unit}"),
        TimeRemainingColumn(),
    )
    bar = Progress(*columns, console=Console(stderr=True), transient=True)
    task = bar.add_task(label, total=total)
    begun = time.monotonic()

    def advance(done: int) -> None:
        if not bar.live.is_started and time.monotonic() - begun > PATIENCE_SECONDS:
            bar.start()
        bar.advance(task, done)

    try:
        yield advance
    finally:
        bar.stop()
