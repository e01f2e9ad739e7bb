"""One browser that looks: its camera, its picture, and how fast pictures reach it."""

import time
from collections import deque

import numpy as np
import viser

from avatar3d.camera import Camera
from avatar3d.drawing import draw_gaussians
from avatar3d.gaussians import Gaussians
from avatar3d.render.cpu import Workspace
from viewer.live.eyes import Eye, camera_of
from viewer.live.resolution import Resolution

SETTLED = 0.25
"""Seconds without change after which a picture is drawn as large as it is shown."""
_QUALITY = 90
_MOVING_QUALITY = 80
"""Of JPEG, at rest and while things move."""


class Browser:
    """Draws for one client.

    Args:
        client: viser's handle.
        rate: pictures a second to keep while things move.
    """

    def __init__(self, client: viser.ClientHandle, rate: float) -> None:
        self.client = client
        self.resolution = Resolution(1 / rate)
        self.turning: float | None = None
        """When its camera began to swing around the head, on the stage's clock."""
        self._workspace = Workspace()
        self._seen: tuple | None = None
        self._changed = 0.0
        self._sharp = False
        self._times: deque[float] = deque(maxlen=60)
        self.size = (0, 0)
        """(width, height) of the last picture."""
        self.milliseconds = 0.0
        """That it took."""

    def camera(self) -> Camera | None:
        """From where it looks, the canvas in pixels; None while that is not known."""
        view = self.client.camera
        try:
            return camera_of(view.wxyz, view.position, view.fov, (view.image_width, view.image_height))
        except (AssertionError, ValueError):
            return None

    def look_from(self, eye: Eye) -> None:
        """Put its camera somewhere."""
        with self.client.atomic():
            self.client.camera.up_direction = (0.0, 1.0, 0.0)
            self.client.camera.position = eye.position
            self.client.camera.look_at = eye.look_at
            self.client.camera.fov = eye.fov

    @property
    def rate(self) -> float:
        """Pictures a second, of the last second."""
        now = time.monotonic()
        recent = [moment for moment in self._times if now - moment < 1.0]
        return float(len(recent))

    def forget(self) -> None:
        """What was shown is not there any more."""
        self._seen = None

    def show(self, gaussians: Gaussians, scene: int, background: np.ndarray, highest: int, threads: int) -> bool:
        """Send it a picture, where anything has changed; returns whether more is to come without further change.

        Args:
            gaussians: posed.
            scene: another number, another scene.
            background: [3] float32.
            highest: pixels of a picture's height.
            threads: that draw.
        """
        camera = self.camera()
        if camera is None:
            return True
        now = time.monotonic()
        seen = (scene, camera.width, camera.height, camera.fx, camera.T_cam_world.tobytes(), highest)
        if seen != self._seen:
            self._seen, self._changed, self._sharp = seen, now, False
        elif self._sharp:
            return False
        elif now - self._changed < SETTLED:
            return True
        still = now - self._changed >= SETTLED
        largest = min(1.0, highest / camera.height)
        share = largest if still else min(largest, self.resolution.share)
        drawn = camera.resized(max(int(camera.width * share), 1), max(int(camera.height * share), 1))
        picture = draw_gaussians(gaussians, drawn, background, threads=threads, workspace=self._workspace)
        self.send(picture.rgb, still)
        spent = time.monotonic() - now
        if not still:
            self.resolution.took(share, spent)
        self._sharp = share == largest
        self.size, self.milliseconds = (drawn.width, drawn.height), 1e3 * spent
        return not self._sharp

    def paint(self, rgb: np.ndarray, scene: int) -> None:
        """Send it a picture [H, W, 3] uint8 that is the same for all, on a grey of its canvas's shape; nothing where it has that already."""
        camera = self.camera()
        if camera is None:
            return
        seen = (scene, camera.width, camera.height)
        if seen == self._seen:
            return
        self._seen = seen
        began = time.monotonic()
        whole = framed(rgb, camera.width / camera.height)
        self.send(whole, still=True)
        self.size, self.milliseconds = (whole.shape[1], whole.shape[0]), 1e3 * (time.monotonic() - began)

    def count(self) -> None:
        """It was sent something to see."""
        self._times.append(time.monotonic())

    def send(self, rgb: np.ndarray, still: bool = False) -> None:
        """A picture [H, W, 3], float32 0..1 or uint8, to fill its canvas."""
        if rgb.dtype != np.uint8:
            rgb = (np.clip(rgb, 0, 1) * np.float32(255) + np.float32(0.5)).astype(np.uint8)
        self.client.scene.set_background_image(rgb, format="jpeg", jpeg_quality=_QUALITY if still else _MOVING_QUALITY)
        self.count()


def framed(rgb: np.ndarray, aspect: float) -> np.ndarray:
    """A picture [H, W, 3] uint8 with grey beside or above it, so that its width is `aspect` times its height."""
    height, width = rgb.shape[:2]
    wide, high = max(width, round(height * aspect)), max(height, round(width / aspect))
    if (wide, high) == (width, height):
        return rgb
    out = np.full((high, wide, 3), 40, np.uint8)
    top, left = (high - height) // 2, (wide - width) // 2
    out[top : top + height, left : left + width] = rgb
    return out
