"""The panel that shows how a capture was tracked, frame by frame."""

from dataclasses import replace

import numpy as np

from avatar3d.footage import Footage
from avatar3d.gaussians import Gaussians
from avatar3d.motion import Motion
from avatar3d.render.cpu import Workspace
from viewer.live.desk import Desk
from viewer.live.panel_play import PlayPanel, title_of
from viewer.live.tracked_frame import SHOWN, Overlay, frame_at, paint_frame


class CapturePanel:
    """Lays the avatar, its mesh and the landmarks over the frames.

    Args:
        desk: of the workbench.
        footage: the capture.
        play: the panel whose title says what plays.
    """

    def __init__(self, desk: Desk, footage: Footage, play: PlayPanel) -> None:
        self.desk, self.footage, self._play = desk, footage, play
        self._motion = footage.motion
        self._workspace = Workspace()
        self.overlay = Overlay()
        gui = desk.gui
        gui.add_markdown(f"**{footage.name}**, {len(footage.motion)} frames at {float(footage.motion.fps):g} a second, through its own camera.")
        self.shown = gui.add_dropdown("show", SHOWN, initial_value=self.overlay.shown)
        self.opacity = gui.add_slider("avatar's opacity", 0.0, 1.0, 0.05, 1.0)
        self.wireframe = gui.add_checkbox("wireframe", False)
        self.landmarks = gui.add_checkbox("landmarks", False, hint="Green: as detected. Red: the same points of the head as it was tracked.")
        self.frame = gui.add_slider("frame", 0, len(footage.motion) - 1, 1, 0)
        self.step = gui.add_button_group("step", ("−10", "−1", "+1", "+10"))
        self.load = gui.add_button("Play the tracked motion")
        self.shown.on_update(lambda _: self._show(shown=self.shown.value))
        self.opacity.on_update(lambda _: self._show(opacity=float(self.opacity.value)))
        self.wireframe.on_update(lambda _: self._show(wireframe=self.wireframe.value))
        self.landmarks.on_update(lambda _: self._show(landmarks=self.landmarks.value))
        self.frame.on_update(desk.guarded(self._go))
        self.step.on_click(desk.guarded(self._step))
        self.load.on_click(desk.guarded(lambda _: self.begin(play=True)))
        desk.on_load.append(self._loaded)

    def begin(self, *, play: bool = False) -> None:
        """Load the tracked motion, and show it over its frames."""
        self._play.title.content = title_of(self.footage.name, self._motion)
        self.desk.load(self._motion, play=play)
        if self.shown.value == SHOWN[-1]:
            self.shown.value = SHOWN[0]
        self._show()

    def free(self) -> None:
        """Let every browser look from where it is."""
        self.shown.value = SHOWN[-1]

    def follow(self) -> None:
        """Show which frame is seen."""
        if self.desk.player.motion is not self._motion:
            return
        index = frame_at(self.footage, self.desk.player.position)
        if self.frame.value != index:
            self.frame.value = index

    def _loaded(self, motion: Motion) -> None:
        # Another motion has nothing to do with these frames.
        if motion is not self._motion:
            self.free()

    def _show(self, **changes) -> None:
        self.overlay = replace(self.overlay, **changes)
        stage = self.desk.stage
        free = self.overlay.shown == SHOWN[-1]
        stage.painter = None if free else self._paint
        stage.refresh()

    def _paint(self, position: float, frame: Motion, gaussians: Gaussians) -> np.ndarray:
        index = frame_at(self.footage, position)
        stage = self.desk.stage
        return paint_frame(self.footage, index, self.overlay, stage.avatar, frame, gaussians, self._workspace, stage.threads)

    def _go(self, event) -> None:
        if event.client is not None:
            if self.desk.player.motion is not self._motion:
                self.begin()
            self.desk.player.pause()
            self.desk.player.seek(self.frame.value / float(self.footage.motion.fps))
            self.desk.moved()

    def _step(self, _) -> None:
        if self.desk.player.motion is not self._motion:
            self.begin()
        self.desk.player.step({"−10": -10, "−1": -1, "+1": 1, "+10": 10}[self.step.value])
        self.desk.moved()
