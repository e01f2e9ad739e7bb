"""The panel that records what a browser sees, and hands it out as a film or as a motion."""

import contextlib
import threading
import time
from collections.abc import Sequence
from datetime import datetime, timedelta

import viser

from avatar3d.errors import UserError
from avatar3d.motion import Motion, save_motion
from viewer.cameras import front_camera
from viewer.live.browser import Browser, perhaps_gone
from viewer.live.desk import Desk
from viewer.live.take import LONGEST, Moment, film_take, motion_of_take

_HEIGHTS = ("256", "512", "720", "1080")


class RecordPanel:
    """One browser's recorder: every browser has its own.

    Args:
        desk: of the workbench.
        browser: whose view is recorded, and in whose page the panel is.
        left: a take of a browser that has gone before this one came.
    """

    def __init__(self, desk: Desk, browser: Browser, left: Sequence[Moment] = ()) -> None:
        self.desk, self.browser, gui = desk, browser, browser.client.gui
        gui.add_markdown("Records what this browser sees: pose, camera, light, sound. The film is drawn afterwards, exactly and in step.")
        self.record = gui.add_button("Record", icon=viser.Icon.PLAYER_RECORD, color="red")
        self.length = gui.add_markdown("nothing recorded yet")
        self.height = gui.add_dropdown("height of the film", _HEIGHTS, initial_value="512")
        self.film = gui.add_button("Save as film (MP4)", icon=viser.Icon.MOVIE, disabled=not left)
        self.motion = gui.add_button("Save as motion (.npz)", icon=viser.Icon.DOWNLOAD, disabled=not left)
        self.moments, self._left = list(left), bool(left)
        self._lock, self._saving, self._gone = threading.Lock(), threading.Lock(), False
        desk.heed(self.record, self._toggle)
        self.film.on_click(desk.guarded(self._save_film))
        self.motion.on_click(desk.guarded(self._save_motion))

    @property
    def recording(self) -> bool:
        """Whether moments are being kept."""
        return self._keep in self.desk.stage.onlookers

    def follow(self) -> None:
        """Say how long the take is."""
        if not self.moments:
            return
        seconds = self.moments[-1].time - self.moments[0].time
        line = f"recording, {seconds:.0f} s" if self.recording else f"recorded {seconds:.1f} s" + self._left * ", before the page was loaded"
        with perhaps_gone():
            if self.length.content != line:
                self.length.content = line
        if self.recording and seconds > LONGEST:
            self._stop()

    def leave(self) -> list[Moment]:
        """The browser has gone: the take ends, and is returned."""
        with self._lock:
            self._gone = True
            self._end()
        return self.moments

    def _end(self) -> None:
        # The longest take, a click and the browser's going may end it at the same time.
        with contextlib.suppress(ValueError):
            self.desk.stage.onlookers.remove(self._keep)

    def _toggle(self, *_) -> None:
        if self.recording:
            self._stop()
            return
        with self._lock:
            # A click may come about after the browser has gone; nobody would end that take.
            if self._gone:
                return
            self.moments, self._left = [], False
            self.desk.stage.onlookers.append(self._keep)
        with perhaps_gone():
            self.record.label, self.record.icon = "Stop", viser.Icon.PLAYER_STOP
            self.film.disabled = self.motion.disabled = True
        self.desk.stage.wake()

    def _stop(self) -> None:
        self._end()
        with perhaps_gone():
            self.record.label, self.record.icon = "Record", viser.Icon.PLAYER_RECORD
            self.film.disabled = self.motion.disabled = False
        self.follow()

    def _keep(self, position: float, frame: Motion) -> None:
        stage, player = self.desk.stage, self.desk.player
        speed = player.speed if player.playing and stage.live is None else 0.0
        painter = self.browser.view.painter
        moment = Moment(time.monotonic(), frame, self.browser.camera(), stage.avatar, stage.look, player.motion, position, speed, painter)
        with self._lock:
            self.moments.append(moment)

    def _save_film(self, event) -> None:
        moments = list(self.moments)
        motion = motion_of_take(moments)
        path = self.desk.scratch / f"{take_name(self.desk.name, moments)}.mp4"
        with self.desk.job("drawing the film") as told:
            height, began = int(self.height.value), time.monotonic()
            last = began

            def progress(done: int, total: int, **_: float) -> None:
                nonlocal last
                if time.monotonic() - last > 0.5:
                    last = time.monotonic()
                    told(f"{100 * done // total} %, {seconds_left(last - began, done, total)}")

            fallback, threads = front_camera(self.desk.avatar, height), self.desk.stage.threads
            film_take(moments, motion, path, height=height, fallback=fallback, threads=threads, progress=progress)
            self._hand_out(event, path)

    def _save_motion(self, event) -> None:
        moments = list(self.moments)
        motion = motion_of_take(moments)
        path = self.desk.scratch / f"{take_name(self.desk.name, moments)}.npz"
        # Of two quick clicks the second one's file has the name of the first one's.
        with self._saving:
            save_motion(motion, path)
            self._hand_out(event, path)

    def _hand_out(self, event, path) -> None:
        if event.client is None:
            raise UserError(f"{path.name}: nobody is there to take it")
        event.client.send_file_download(path.name, path.read_bytes(), save_immediately=True)
        path.unlink()


def take_name(name: str, moments: Sequence[Moment]) -> str:
    """Stem of a take's files: whose it is, and when it was begun. Its film and its motion have the same, and no other take has."""
    began = datetime.now() - timedelta(seconds=time.monotonic() - moments[0].time)
    return f"{name}-{began:%Y-%m-%d-%H%M%S}"


def seconds_left(passed: float, done: int, total: int) -> str:
    """How long the rest of `total` frames will take, when `done` took `passed` seconds."""
    return f"about {max(round(passed * (total - done) / max(done, 1)), 1)} s left"
