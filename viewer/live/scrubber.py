"""A slider that both shows where something is and is dragged to send it elsewhere."""

from collections.abc import Callable

import viser

from viewer.live.in_turn import Work


class Scrubber:
    """Keeps a slider where something is, without ever overwriting what was asked for and has not come about yet.

    A drag is first heard on viser's event loop, and done later (`InTurn`). A slider that followed in between would go back to the old
    place under the user's hand. So drags on their way are counted, and the slider follows while there are none; all of that happens on the
    event loop, and needs no lock.

    Args:
        server: viser's.
        slider: of its panel.
        where: the place, as the slider shows it.
        seek: goes to a place that a browser asked for, whose event is its second argument.
        heed: has a control's values worked on in their order, as `InTurn.heed`.
    """

    def __init__(
        self,
        server: viser.ViserServer,
        slider: viser.GuiSliderHandle,
        where: Callable[[], float],
        seek: Work,
        heed: Callable[[viser.GuiSliderHandle, Work], None],
    ) -> None:
        self.slider, self._where, self._seek = slider, where, seek
        self._loop, self._on_their_way = server.get_event_loop(), 0
        slider.on_update(self._hear)
        heed(slider, self._go)

    def follow(self) -> None:
        """Show where it is; may be called from any thread."""
        self._loop.call_soon_threadsafe(self._show)

    def _show(self) -> None:
        if not self._on_their_way and self.slider.value != (place := self._where()):
            self.slider.value = place

    async def _hear(self, event: viser.GuiEvent) -> None:
        # What is written by the workbench itself has no client.
        if event.client is not None:
            self._on_their_way += 1

    def _go(self, place: float, event: viser.GuiEvent) -> None:
        if event.client is None:
            return
        try:
            self._seek(place, event)
        finally:
            self._loop.call_soon_threadsafe(self._arrived)

    def _arrived(self) -> None:
        self._on_their_way -= 1
