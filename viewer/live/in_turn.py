"""Callbacks of controls, one after the other, each with the value that its control had then."""

import contextlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import viser

Work = Callable[[Any, viser.GuiEvent], None]
"""What is done with a control's value; what is written by the workbench itself comes in an event without a client."""


class InTurn:
    """Hears of controls.

    Viser sets a control's value on its event loop and calls back later, from a pool of threads. There callbacks overtake one another, and
    find whatever the value is by then: of two quick clicks on a group of buttons the second would be done twice, and a slider's
    older place could be the one that lasts. So the value is kept aside on the event loop, at once, and one thread does
    the work in the order in which it was asked for. What takes long would keep all others waiting and has no place here.

    Args:
        guarded: around the work, tells the browser of its errors.
    """

    def __init__(self, guarded: Callable[[Callable[[Any], None]], Callable[[Any], None]]) -> None:
        self._guarded = guarded
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="controls")

    def heed(self, control: Any, work: Work) -> None:
        """Call `work` for every value that a control takes, or every click on it."""

        async def hear(event: viser.GuiEvent) -> None:
            value = control.value
            # A click while the workbench closes is nobody's any more.
            with contextlib.suppress(RuntimeError):
                self._thread.submit(self._guarded(lambda event: work(value, event)), event)

        next(getattr(control, name) for name in ("on_click", "on_upload", "on_update") if hasattr(control, name))(hear)

    def close(self) -> None:
        """Do no more."""
        self._thread.shutdown(wait=False, cancel_futures=True)
