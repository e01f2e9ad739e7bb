"""One line of progress for long work: live on a terminal, plain lines elsewhere."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

_PLAIN_INTERVAL = 5.0
"""Seconds between plain lines."""


class Progress(Protocol):
    """Called by long work as it advances."""

    def __call__(self, done: int, total: int, **figures: float) -> None:
        """`done` of `total` steps are finished; figures are shown beside it, for instance loss or PSNR."""


def silent(done: int, total: int, **figures: float) -> None:
    """Progress that nobody watches."""


def stretch(progress: Progress, first: int, whole: int) -> Progress:
    """Progress of work whose steps are the ones after `first` of `whole`."""

    def update(done: int, total: int, **figures: float) -> None:
        del total
        progress(first + done, whole, **figures)

    return update


@contextmanager
def console(stage: str) -> Iterator[Progress]:
    """Progress on standard error under the name `stage`, with rate and time left."""
    if sys.stderr.isatty():
        yield from _live(stage)
    else:
        yield from _plain(stage)


def _live(stage: str) -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[figures]}"), TimeRemainingColumn())
    with Bars(*columns, console=Console(stderr=True)) as bars:
        task = bars.add_task(stage, total=None, figures="")
        start = time.monotonic()

        def update(done: int, total: int, **figures: float) -> None:
            bars.update(task, completed=done, total=total or None, figures=_figures(done, start, figures))

        yield update


def _plain(stage: str) -> Iterator[Progress]:
    start = time.monotonic()
    last = start

    def update(done: int, total: int, **figures: float) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last < _PLAIN_INTERVAL and done != total:
            return
        last = now
        left = (now - start) / max(done, 1) * max(total - done, 0)
        share = f"{done}/{total}" if total else str(done)
        print(f"{stage}: {share} {_figures(done, start, figures)} {left:.0f} s left", file=sys.stderr, flush=True)

    yield update


def _figures(done: int, start: float, figures: dict[str, float]) -> str:
    rate = done / max(time.monotonic() - start, 1e-6)
    return " ".join([f"{rate:.1f}/s", *(f"{name} {value:.3g}" if abs(value) < 1 else f"{name} {value:.2f}" for name, value in figures.items())])
