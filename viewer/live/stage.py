"""The stage: one thread that poses the avatar, moment by moment, and shows it to every browser."""

import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import viser

from avatar3d.avatar import Avatar
from avatar3d.motion import Motion
from avatar3d.render.cpu import Workspace
from avatar3d.threads import num_cores
from viewer.cameras import ORBIT_PERIOD, ORBIT_PITCH, ORBIT_YAW, at_rest
from viewer.live.adjustments import Adjustments, adjusted, with_identity
from viewer.live.browser import Browser, View, perhaps_gone
from viewer.live.eyes import front_eye, turned_eye
from viewer.live.look import Look, lit
from viewer.live.player import Player
from viewer.live.scene import Scene

RATE = 30.0
"""Moments a second at most."""
_IDLE = 0.5
"""Seconds after which a stage on which nothing happens looks around once more."""

Onlooker = Callable[[float, Motion], None]
"""Told the player's position and the frame that is shown."""


class Stage:
    """What is shown, and to whom. Its state may be changed from any thread; the pictures follow.

    Args:
        server: viser's.
        avatar: who is shown.
        player: what plays.
        threads: that draw; default all cores.
    """

    def __init__(self, server: viser.ViserServer, avatar: Avatar, player: Player, threads: int | None = None) -> None:
        self.server, self.player = server, player
        self._original = self.avatar = avatar
        self.rest = at_rest(avatar)
        self.adjustments, self.look = Adjustments(), Look()
        self.usual = View()
        """How browsers see that come from now on; each may choose for itself."""
        self.live: Motion | None = None
        """A frame that comes in from a microphone, shown instead of what plays."""
        self.browsers: dict[int, Browser] = {}
        self.onlookers: list[Onlooker] = []
        self.frame = self.rest
        """What is shown, with all adjustments."""
        self.threads = threads or num_cores()
        self._lock = threading.RLock()
        self._woken, self._stopped = threading.Event(), threading.Event()
        self._revision = 0
        self._posed: tuple | None = None
        self.scene: Scene | None = None
        """What was shown last."""
        self._last_browser: int | None = None
        self._workspace = Workspace()
        self._thread = threading.Thread(target=self._run, name="stage", daemon=True)

    def start(self) -> None:
        """Begin to show."""
        self._thread.start()

    def stop(self) -> None:
        """Show no more; returns when the thread has ended."""
        self._stopped.set()
        self._woken.set()
        self._thread.join()

    def wake(self) -> None:
        """Something has changed."""
        with self._lock:
            self._revision += 1
        self._woken.set()

    def adjust(self, **changes) -> None:
        """Replace fields of the adjustments."""
        with self._lock:
            if "shape" in changes and changes["shape"] != self.adjustments.shape:
                self.avatar = with_identity(self._original, changes["shape"])
            self.adjustments = replace(self.adjustments, **changes)
        self.wake()

    def recast(self, avatar: Avatar) -> None:
        """Show another avatar of the same head, or the same one as it has become."""
        with self._lock:
            self._original, self.avatar = avatar, with_identity(avatar, self.adjustments.shape)
        self.wake()

    def relight(self, **changes) -> None:
        """Replace fields of the look."""
        with self._lock:
            self.look = replace(self.look, **changes)
        self.wake()

    def choose(self, browser: Browser | None, **changes) -> None:
        """Replace fields of a browser's view; with None of everybody's, those who come later included."""
        with self._lock:
            if browser is None:
                self.usual = replace(self.usual, **changes)
            for each in list(self.browsers.values()) if browser is None else [browser]:
                each.view = replace(each.view, **changes)
                each.forget()
        self.wake()

    def show_live(self, frame: Motion | None) -> None:
        """A frame as it comes in; None when no more comes."""
        self.live = frame
        self.wake()

    def welcome(self, client: viser.ClientHandle) -> Browser:
        """A browser has come."""
        with self._lock:
            browser = Browser(client, RATE, self.usual)
            self.browsers[client.client_id] = browser
            self._last_browser = client.client_id

        @client.camera.on_update
        def _(_: viser.CameraHandle) -> None:
            self._last_browser = client.client_id
            self._woken.set()

        self.wake()
        return browser

    def dismiss(self, client: viser.ClientHandle) -> None:
        """A browser has gone."""
        with self._lock:
            self.browsers.pop(client.client_id, None)

    def _moment(self, eye: np.ndarray | None, whole: bool) -> tuple[float, Motion]:
        """The player's position and the frame to show, with all adjustments; `eye` is where the onlooker is, `whole` keeps to whole frames."""
        position, live, by = self.player.position, self.live, self.adjustments
        if whole:
            fps = float(self.player.motion.fps)
            position = min(int(position * fps + 1e-3), len(self.player.motion) - 1) / fps
        base = live if live is not None else self.player.motion.at(position)
        return position, adjusted(base, by, self.avatar, eye)

    def _onlooker(self) -> np.ndarray:
        """[3] where the camera is that was moved last."""
        browser = self.browsers.get(self._last_browser or 0) or next(iter(self.browsers.values()), None)
        camera = None if browser is None else browser.camera()
        return front_eye(self.avatar).position if camera is None else -camera.T_cam_world[:3, :3].T @ camera.T_cam_world[:3, 3]

    def _run(self) -> None:
        while not self._stopped.is_set():
            began = time.monotonic()
            self._woken.clear()
            try:
                moving = self.tick()
            except Exception:
                # One moment that fails must not end the show; what failed is for whoever started it to see.
                traceback.print_exc()
                moving = False
            if not moving:
                self._woken.wait(_IDLE)
            # What wakes a stage at rest is shown at once; a slider that is dragged wakes it with every pixel.
            self._stopped.wait(max(began + 1 / RATE - time.monotonic(), 0.001))

    def tick(self) -> bool:
        """Show one moment to everybody; returns whether the next one follows without anything being changed."""
        playing = self.player.playing or self.live is not None
        # What is sent to one that has gone is kept for nobody; its going is told only later.
        here = self.server.get_clients()
        with self._lock:
            for number in self.browsers.keys() - here.keys():
                del self.browsers[number]
            browsers = list(self.browsers.values())
        for browser in browsers:
            self._swing(browser)
        turning = any(browser.turning is not None for browser in browsers)
        if not browsers and not self.onlookers:
            return False
        revision = self._revision
        eye = self._onlooker() if self.adjustments.follow else None
        position, frame = self._moment(eye, any(browser.view.painter is not None for browser in browsers))
        state = (revision, position, None if eye is None else eye.tobytes())
        if state != self._posed or self.scene is None:
            self.frame, avatar, look = frame, self.avatar, self.look
            gaussians = lit(avatar.pose(frame, 0.0), look, avatar, frame)
            number = 0 if self.scene is None else self.scene.number + 1
            self._posed, self.scene = state, Scene(number, position, avatar, frame, gaussians, look.background)
        for onlooker in list(self.onlookers):
            onlooker(position, frame)
        more = False
        for browser in browsers:
            with perhaps_gone():
                more = browser.show(self.scene, self._workspace, self.threads) or more
        return playing or more or turning or bool(self.onlookers)

    def _swing(self, browser: Browser) -> None:
        # Otherwise a camera that was just put somewhere would be swung on from where it was.
        with browser.steering, perhaps_gone():
            if browser.turning is None:
                return
            phase = 2 * np.pi * (time.monotonic() - browser.turning) / ORBIT_PERIOD
            browser.look_from(turned_eye(self._original, ORBIT_YAW * np.sin(phase), ORBIT_PITCH * np.sin(2 * phase), aspect=browser.aspect))
