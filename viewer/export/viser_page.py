"""A page recorded with viser: the performance as splats that change every frame, in one file that any browser plays. It is silent: viser's
recordings hold no sound.

viser sends covariances as 16-bit numbers and leaves out splats that are smaller than half a pixel before the node's scale: in metres a head
would lose its thin Gaussians, or all. So positions are sent in decimetres and scaled back by the node.
"""

import contextlib
import html
import io
import math
from pathlib import Path

import numpy as np
import viser
from scipy.spatial.transform import Rotation

from avatar3d.errors import UserError
from avatar3d.files import atomic_path
from avatar3d.gaussians import SH_C0, Gaussians
from avatar3d.progress import Progress
from viewer.cameras import front_camera, head_centre
from viewer.export.axes import axes_rotation
from viewer.export.frames import Frames
from viewer.export.options import FormatOptions
from viewer.export.provenance import Provenance, provenance

_PER_METRE = 10.0
_BYTES = 32
"""A Gaussian and frame in viser's memory."""
MAX_BYTES = 1 << 30
"""Of a recording, which viser keeps in memory several times over and browsers keep whole."""

_WORKER = """<script>
if (location.protocol === "file:") {
  const texts = new Map(), Plain = Blob, Module = Worker, name = URL.createObjectURL;
  window.Blob = class extends Plain {
    constructor(parts, options) {
      super(parts, options);
      if (/javascript/.test(options?.type)) this.text_ = parts.join("");
    }
  };
  URL.createObjectURL = (blob) => {
    const url = name.call(URL, blob);
    if (blob.text_) texts.set(url, blob.text_);
    return url;
  };
  window.Worker = class extends Module {
    constructor(url, options) {
      super(texts.has(String(url)) ? "data:text/javascript," + encodeURIComponent(texts.get(String(url))) : url, options);
    }
  };
}
</script>"""
"""Opened from disk, browsers refuse the kind of worker in which viser sorts its splats (a module in a blob), and the head would be drawn in no order;
the same worker in a data URL they allow."""


def write_viser_page(frames: Frames, path: Path, options: FormatOptions, progress: Progress) -> str:
    """Write a page; see `formats.Writer`."""
    needed = _BYTES * frames.num_gaussians * len(frames)
    if needed > MAX_BYTES:
        raise UserError(
            f"{path}: {len(frames)} frames of {frames.num_gaussians} Gaussians take {needed / 1e9:.1f} GB of a browser, {MAX_BYTES / 1e9:.1f} is "
            "the most; choose fewer with --start, --end, --every or --max-gaussians, or --format web, whose size hardly grows"
        )
    # The server is needed to record and listens for the time of it, for this machine alone.
    # What it says of itself would stand between the lines of the result.
    with contextlib.redirect_stdout(io.StringIO()):
        server = viser.ViserServer(host="127.0.0.1", port=0, verbose=False)
        try:
            page = _record(server, frames, progress)
        finally:
            server.stop()
    with atomic_path(path) as temporary:
        temporary.write_text(_labelled(page, provenance(frames.avatar, "scene")), encoding="utf-8")
    return f"{path}: {len(frames)} frames, {path.stat().st_size / 1e6:.1f} MB, silent\nnext: open it in a browser"


def _record(server: viser.ViserServer, frames: Frames, progress: Progress) -> str:
    back = frames.factor / _PER_METRE
    server.scene.set_up_direction({"y": "+y", "z": "+z", "-y": "-y"}[frames.up])  # pyright: ignore[reportArgumentType]
    _place_camera(server, frames)
    splats = None
    recorder = server.get_scene_serializer()
    for index in range(len(frames)):
        arrays = viser_arrays(frames.gaussians(index), 1 / back)
        if splats is None:
            splats = server.scene.add_gaussian_splats("/avatar", *arrays, scale=back)
        else:
            splats.set_gaussians(*arrays)
        recorder.insert_sleep(float(1 / frames.fps))
        progress(index + 1, len(frames))
    return recorder.as_html()


def viser_arrays(gaussians: Gaussians, factor: float) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Centres [N, 3], covariances [N, 3, 3], colours [N, 3] and opacities [N, 1] as viser takes them, lengths multiplied by `factor`."""
    turn = Rotation.from_quat(gaussians.rotation.numpy(), scalar_first=True).as_matrix()
    spread = turn * (np.exp(gaussians.log_scale.numpy()) * factor)[:, None, :]
    colour = np.clip(0.5 + SH_C0 * gaussians.sh[:, 0].numpy(), 0, 1)
    opacity = 1 / (1 + np.exp(-gaussians.opacity_logit.numpy()))
    covariance = (spread @ spread.transpose(0, 2, 1)).astype(np.float32)
    return gaussians.position.numpy() * np.float32(factor), covariance, colour.astype(np.float32), opacity[:, None].astype(np.float32)


def _place_camera(server: viser.ViserServer, frames: Frames) -> None:
    """Where the avatar was filmed from."""
    turn, camera = axes_rotation(frames.up) * frames.factor, front_camera(frames.avatar, 512)
    T = camera.T_cam_world
    start = server.initial_camera
    start.position = turn @ (-T[:3, :3].T @ T[:3, 3])
    start.look_at = turn @ head_centre(frames.avatar)
    start.fov = 2 * math.atan(camera.height / (2 * camera.fy))
    start.near, start.far = 0.01 * frames.factor, 100 * frames.factor


def _labelled(page: str, facts: Provenance) -> str:
    """The page with its title, and with what it is in its metadata and on the picture."""
    said = html.escape(facts.sentence)
    fields = "".join(f'<meta name="avatar3d:{name}" content="{html.escape(text)}">' for name, text in facts.fields().items())
    head = f'<title>{html.escape(facts.title)}</title><meta name="description" content="{said}">{fields}'
    label = (
        '<div style="position:fixed;left:8px;bottom:44px;max-width:60%;font:11px sans-serif;color:#444;background:#fffc;padding:2px 6px;'
        f'border-radius:3px;pointer-events:none;z-index:9">{said}</div>'
    )
    at = page.index("<head>") + len("<head>")
    page = page[:at] + head + _WORKER + page[at:].replace("<title>Viser</title>", "", 1)
    at = page.rindex("</body>")
    return page[:at] + label + page[at:]
