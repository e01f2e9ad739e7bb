"""The panel that shows how a capture was tracked, frame by frame."""

from dataclasses import replace

from avatar3d.footage import Footage
from avatar3d.motion import Motion
from viewer.live.browser import Browser, perhaps_gone
from viewer.live.desk import Desk
from viewer.live.scrubber import Scrubber
from viewer.live.tracked_frame import SHOWN, Overlay, Tracked, frame_at


class CapturePanel:
    """Goes through the frames, for all browsers at once.

    Args:
        desk: of the workbench.
        footage: the capture.
    """

    def __init__(self, desk: Desk, footage: Footage) -> None:
        self.desk, self.footage = desk, footage
        self.motion = footage.motion
        self.own: dict[int, OwnOverlay] = {}
        self.first = SHOWN[-1]
        """What browsers see that come from now on."""
        gui = desk.gui
        size = f"{len(self.motion)} frames at {float(self.motion.fps):g} a second"
        gui.add_markdown(f"**{footage.name}**, {size}, through its own camera. To look from elsewhere, show “{SHOWN[-1]}”.", order=-9.0)
        if footage.caution:
            gui.add_markdown(f"**Mind:** {footage.caution}", order=-8.5)
        frame = gui.add_slider("frame", 0, len(self.motion) - 1, 1, 0)
        self.frame = Scrubber(desk.server, frame, self._seen, self._go, desk.heed)
        self.step = gui.add_button_group("step", ("−10", "−1", "+1", "+10"))
        self.load = gui.add_button("Play the tracked motion")
        desk.heed(self.step, self._step)
        desk.heed(self.load, lambda _, event: self.begin(event.client_id, play=True))
        desk.on_load.append(self._loaded)

    @property
    def plays(self) -> bool:
        """Whether the tracked motion is what plays."""
        return self.desk.player.motion is self.motion

    def begin(self, client_id: int | None = None, *, play: bool = False) -> None:
        """Load the tracked motion; the browser that asked for it sees it over its frames."""
        self.desk.load(self.motion, self.footage.name, play=play)
        self.first = SHOWN[0]
        asked = self.own.get(-1 if client_id is None else client_id)
        if asked is not None and asked.shown.value == SHOWN[-1]:
            asked.choose(SHOWN[0])

    def free(self) -> None:
        """Let every browser look from where it is, now and later."""
        self.first = SHOWN[-1]
        for own in list(self.own.values()):
            own.choose(SHOWN[-1])

    def follow(self) -> None:
        """Show which frame is seen."""
        if self.plays:
            self.frame.follow()

    def _loaded(self, _: str, motion: Motion) -> None:
        # Another motion has nothing to do with these frames.
        if motion is not self.motion:
            self.free()

    def _seen(self) -> int:
        return frame_at(self.footage, self.desk.player.position)

    def _go(self, frame: float, event) -> None:
        if not self.plays:
            self.begin(event.client_id)
        self.desk.player.pause()
        self.desk.player.seek(frame / float(self.footage.motion.fps))
        self.desk.moved()

    def _step(self, frames: str, event) -> None:
        if not self.plays:
            self.begin(event.client_id)
        self.desk.player.step({"−10": -10, "−1": -1, "+1": 1, "+10": 10}[frames])
        self.desk.moved()


class OwnOverlay:
    """What one browser sees of the capture, chosen in its page alone: avatar, mesh and landmarks over the frames.

    Args:
        panel: of the capture.
        browser: whose.
    """

    def __init__(self, panel: CapturePanel, browser: Browser) -> None:
        self.panel, self.browser = panel, browser
        self.overlay = Overlay(shown=panel.first)
        gui = browser.client.gui
        self.shown = gui.add_dropdown("show", SHOWN, initial_value=self.overlay.shown, order=-8.0)
        self.opacity = gui.add_slider("avatar's opacity", 0.0, 1.0, 0.05, 1.0, order=-7.0)
        self.wireframe = gui.add_checkbox("wireframe", False, order=-6.0)
        hint = "Green: as detected. Pink, larger: the same points of the head as it was tracked."
        self.landmarks = gui.add_checkbox("landmarks", False, hint=hint, order=-5.0)
        for name in ("shown", "opacity", "wireframe", "landmarks"):
            panel.desk.heed(getattr(self, name), lambda value, _, name=name: self._show(**{name: value}))
        self._show()

    def choose(self, shown: str) -> None:
        """Choose in its stead what is seen."""
        with perhaps_gone():
            self.shown.value = shown

    def _show(self, **changes) -> None:
        self.overlay = replace(self.overlay, **changes)
        painter = None if self.overlay.shown == SHOWN[-1] else Tracked(self.panel.footage, self.overlay)
        self.panel.desk.stage.choose(self.browser, painter=painter)
