"""One browser that looks: its camera, how it wants to see, its picture, and how fast pictures reach it."""

import contextlib
import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import viser

from avatar3d.camera import Camera
from avatar3d.drawing import as_bytes, draw_gaussians
from avatar3d.render.cpu import Workspace
from viewer.live.eyes import Eye, camera_of
from viewer.live.resolution import Resolution
from viewer.live.scene import Painter, Scene
from viewer.live.splats import SCALE
from viewer.live.tracked_frame import skin_faces

SETTLED = 0.25
"""Seconds without change after which a picture is drawn as large as it is shown."""
_QUALITY = 90
_MOVING_QUALITY = 80
"""Of JPEG, at rest and while things move."""


@contextlib.contextmanager
def perhaps_gone() -> Iterator[None]:
    """What is changed in the page of a browser that is just leaving is lost: viser has removed it all before it says so."""
    try:
        yield
    except RuntimeError as error:
        if "removed" not in str(error):
            raise


@dataclass(frozen=True)
class View:
    """How a browser wants to see what is shown."""

    splats: bool = False
    """Draw splats itself instead of being sent pictures."""
    highest: int = 1080
    """Pixels of a picture's height."""
    wireframe: bool = False
    """The head's mesh as lines, over whichever drawing."""
    painter: Painter | None = None
    """Paints it something else than the view of its own camera: a capture's frames. Then the player's position is that of a frame."""


class Browser:
    """Shows scenes to one client.

    Args:
        client: viser's handle.
        rate: pictures a second to keep while things move.
        view: how it sees at first.
    """

    def __init__(self, client: viser.ClientHandle, rate: float, view: View = View()) -> None:
        self.client, self.view = client, view
        self.resolution = Resolution(1 / rate)
        self.turning: float | None = None
        """When its camera began to swing around the head, on the stage's clock."""
        self.steering = threading.Lock()
        """Held by whoever lets it swing, or not, and puts its camera somewhere on the strength of that."""
        self._workspace = Workspace()
        self._seen: tuple | None = None
        self._changed = 0.0
        self._sharp = False
        self._times: deque[float] = deque(maxlen=60)
        self.size = (0, 0)
        """(width, height) of the last picture."""
        self.milliseconds = 0.0
        """That it took."""
        self._splats: viser.GaussianSplatHandle | None = None
        self._behind: tuple[int, int, int] | None = None
        self._wire: viser.MeshHandle | None = None
        self._wired = -1

    def camera(self) -> Camera | None:
        """From where it looks, the canvas in pixels; None while that is not known."""
        view = self.client.camera
        try:
            return camera_of(view.wxyz, view.position, view.fov, (view.image_width, view.image_height))
        except (AssertionError, ValueError):
            return None

    @property
    def aspect(self) -> float:
        """Width of its canvas by the height; 1 while that is not known."""
        camera = self.camera()
        return 1.0 if camera is None else camera.width / camera.height

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
        self._seen = self._behind = None

    def show(self, scene: Scene, workspace: Workspace, threads: int) -> bool:
        """Show it a scene in its own way, where anything has changed; returns whether more is to come without further change.

        Args:
            scene: the moment.
            workspace: of the rasterizer, for what is painted for several browsers at once.
            threads: that draw.
        """
        view, more = self.view, False
        self._show_wire(scene, view.wireframe and view.painter is None)
        if view.splats and view.painter is None:
            self._send_splats(scene)
            return False
        splats = self._splats if self._splats is not None and self._splats.visible else None
        if splats is not None:
            self.forget()
        if view.painter is not None:
            self._paint(scene, view.painter, workspace, threads)
        else:
            more = self._draw(scene, threads)
        if splats is not None and self._seen is not None:
            # Not before the picture is there to be seen instead.
            splats.visible = False
        return more

    def _draw(self, scene: Scene, threads: int) -> bool:
        """A picture by its own camera: small ones while things move, a whole one when they have come to rest."""
        camera, highest = self.camera(), self.view.highest
        if camera is None:
            return True
        now = time.monotonic()
        seen = (scene.number, camera.width, camera.height, camera.fx, camera.T_cam_world.tobytes(), highest)
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
        picture = draw_gaussians(scene.gaussians, drawn, scene.backdrop, threads=threads, workspace=self._workspace)
        self.send(picture.rgb, still)
        spent = time.monotonic() - now
        if not still:
            self.resolution.took(share, spent)
        self._sharp = share == largest
        self.size, self.milliseconds = (drawn.width, drawn.height), 1e3 * spent
        return not self._sharp

    def _paint(self, scene: Scene, painter: Painter, workspace: Workspace, threads: int) -> None:
        """A picture that hangs on no camera, on a grey of its canvas's shape."""
        camera = self.camera()
        if camera is None:
            return
        seen = (scene.number, camera.width, camera.height)
        if seen == self._seen:
            return
        self._seen = seen
        began = time.monotonic()
        whole = framed(scene.painted(painter, workspace, threads), camera.width / camera.height)
        self.send(whole, still=True)
        self.size, self.milliseconds = (whole.shape[1], whole.shape[0]), 1e3 * (time.monotonic() - began)

    def _send_splats(self, scene: Scene) -> None:
        seen = (scene.number,)
        if seen == self._seen:
            return
        self._seen = seen
        if scene.background != self._behind:
            self._behind = scene.background
            self.send(np.full((8, 8, 3), scene.background, np.uint8), still=True)
        splats = scene.splats
        arrays = (splats.centers, splats.covariances, splats.rgbs, splats.opacities)
        if self._splats is None:
            self._splats = self.client.scene.add_gaussian_splats("/avatar", *arrays, scale=SCALE)
        else:
            self._splats.set_gaussians(*arrays)
            if not self._splats.visible:
                self._splats.visible = True
        self.count()

    def _show_wire(self, scene: Scene, shown: bool) -> None:
        if not shown:
            if self._wire is not None and self._wire.visible:
                self._wire.visible = False
            return
        if self._wire is None:
            faces = skin_faces(scene.avatar.head)
            self._wire = self.client.scene.add_mesh_simple("/wireframe", scene.vertices, faces, color=(20, 90, 160), wireframe=True, opacity=0.4)
        elif self._wired != scene.number:
            self._wire.vertices = scene.vertices
        if not self._wire.visible:
            self._wire.visible = True
        self._wired = scene.number

    def count(self) -> None:
        """It was sent something to see."""
        self._times.append(time.monotonic())

    def send(self, rgb: np.ndarray, still: bool = False) -> None:
        """A picture [H, W, 3], float32 0..1 or uint8, to fill its canvas."""
        if rgb.dtype != np.uint8:
            rgb = as_bytes(rgb)
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
