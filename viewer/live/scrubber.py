"""A slider that both shows where something is and is dragged to send it elsewhere."""

import threading
from collections.abc import Callable
from typing import Any

import viser


class Scrubber:
    """Keeps a slider where something is, without ever overwriting what was asked for and has not come about yet.

    Viser takes a dragged value into the slider on its event loop and calls back later, from its pool of threads. Whoever wrote the old
    place into the slider in between would be read back in the callback, and the click would be lost. So the value is
    kept aside on the event loop, at once, and the slider follows on the event loop too.

    Args:
        server: viser's.
        slider: of its panel.
        where: the place, as the slider shows it.
        seek: goes to a place that a browser asked for, whose event is its second argument. Called from viser's threads.
        guarded: around a callback, tells the browser of its errors.
    """

    def __init__(
        self,
        server: viser.ViserServer,
        slider: viser.GuiSliderHandle,
        where: Callable[[], float],
        seek: Callable[[float, viser.GuiEvent], None],
        guarded: Callable[[Callable[[Any], None]], Callable[[Any], None]],
    ) -> None:
        self.slider, self._server, self._where, self._seek = slider, server, where, seek
        self._asked: float | None = None
        self._lock, self._going = threading.Lock(), threading.Lock()
        slider.on_update(self._hear)
        slider.on_update(guarded(self._go))

    def follow(self) -> None:
        """Show where it is; may be called from any thread."""
        self._server.get_event_loop().call_soon_threadsafe(self._show)

    def _show(self) -> None:
        place = self._where()
        if self._asked is None and self.slider.value != place:
            self.slider.value = place

    async def _hear(self, event: viser.GuiEvent) -> None:
        # What is written by the workbench itself has no client.
        if event.client is not None:
            with self._lock:
                self._asked = self.slider.value

    def _go(self, event: viser.GuiEvent) -> None:
        if event.client is None:
            return
        # One after the other, so that of several drags in a row the last one is where it ends.
        with self._going:
            with self._lock:
                asked, self._asked = self._asked, None
            if asked is not None:
                self._seek(asked, event)
