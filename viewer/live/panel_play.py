"""The panel that plays: load, play, pause, scrub, step, speed, loop, and where the sound comes from."""

import viser

from avatar3d.errors import UserError
from avatar3d.motion import Motion, load_motion
from viewer.live.desk import HEARD_IN, Desk
from viewer.live.loudspeaker import sounddevice
from viewer.live.player import SPEEDS
from viewer.live.scrubber import Scrubber


class PlayPanel:
    """Its controls follow the player.

    Args:
        desk: of the workbench.
        title: of what is loaded first.
        nothing: whether nothing is, so that there is nothing to play yet.
    """

    def __init__(self, desk: Desk, title: str, nothing: bool = False) -> None:
        self.desk = desk
        gui, guarded = desk.gui, desk.guarded
        self.title = gui.add_markdown(title)
        self.play = gui.add_button("Play", icon=viser.Icon.PLAYER_PLAY)
        time = gui.add_slider("time, s", 0.0, max(desk.player.end, 0.01), 0.01, 0.0)
        self.scrubber = Scrubber(desk.server, time, self._reached, self._scrub, desk.heed)
        self.step = gui.add_button_group("go to", ("first", "−1", "+1", "last"))
        with gui.add_folder("Speed and sound", expand_by_default=False):
            self.speed = gui.add_dropdown("speed", tuple(f"{speed:g}" for speed in SPEEDS), initial_value="1")
            self.loop = gui.add_checkbox("again and again", False)
            self.heard = gui.add_dropdown("sound from", HEARD_IN, initial_value=desk.heard_in)
            self.delay = gui.add_slider("sound later, s", 0.0, 0.5, 0.01, desk.delay, hint="Until lips and sound go together in this browser.")
        self.upload = gui.add_upload_button("Open a motion (.npz)", mime_type=".npz", icon=viser.Icon.FOLDER_OPEN)
        self._enable(not nothing)
        desk.heed(self.play, self._toggle)
        desk.heed(self.step, self._step)
        desk.heed(self.speed, self._set_speed)
        desk.heed(self.loop, self._set_loop)
        desk.heed(self.heard, self._hear)
        desk.heed(self.delay, self._set_delay)
        self.upload.on_upload(guarded(self._open))
        desk.on_load.append(self._loaded)

    def follow(self) -> None:
        """Show where the player is; called a few times a second."""
        player = self.desk.player
        playing = player.playing
        label = "Pause" if playing else "Play"
        if self.play.label != label:
            self.play.label = label
            self.play.icon = viser.Icon.PLAYER_PAUSE if playing else viser.Icon.PLAYER_PLAY
        self.scrubber.follow()

    def _enable(self, on: bool) -> None:
        self.play.disabled = self.scrubber.slider.disabled = not on

    def _loaded(self, name: str, motion: Motion) -> None:
        if name:
            self.title.content = title_of(name, motion)
        self._enable(True)
        self.scrubber.slider.max = max(round(motion.duration, 2), 0.01)
        self.scrubber.follow()

    def _toggle(self, *_) -> None:
        player = self.desk.player
        (player.pause if player.playing else player.play)()
        self.desk.moved()
        self.follow()

    def _reached(self) -> float:
        return min(round(self.desk.player.position, 2), self.scrubber.slider.max)

    def _scrub(self, position: float, _) -> None:
        self.desk.player.seek(position)
        self.desk.moved()

    def _step(self, where: str, _) -> None:
        player = self.desk.player
        if where in ("first", "last"):
            player.seek(0.0 if where == "first" else player.end)
        else:
            player.step(-1 if where == "−1" else 1)
        self.desk.moved()
        self.follow()

    def _set_speed(self, speed: str, _) -> None:
        self.desk.player.set_speed(float(speed))
        self.desk.moved()

    def _set_loop(self, loop: bool, _) -> None:
        self.desk.player.set_loop(loop)
        self.desk.moved()

    def _hear(self, heard: str, _) -> None:
        if heard == HEARD_IN[1]:
            try:
                sounddevice()
            except UserError:
                self.heard.value = self.desk.heard_in
                raise
        self.desk.heard_in = heard
        self.desk.moved()

    def _set_delay(self, delay: float, _) -> None:
        self.desk.delay = float(delay)
        self.desk.moved()

    def _open(self, _) -> None:
        path, name = self.desk.keep(self.upload.value, (".npz",)), self.upload.value.name
        try:
            motion = load_motion(path, self.desk.avatar.head)
        finally:
            self.desk.drop(path)
        self.desk.load(motion, name, play=True)


def title_of(name: str, motion: Motion) -> str:
    """A line about a motion."""
    sound = "with sound" if motion.sound is not None else "without sound"
    return f"**{name}**, {motion.duration:.1f} s, {sound}"
