"""The web player beside Python, on an avatar of one's own: `python -m tests.bench.web ME.avatar MOTION.npz`."""

import gzip
import tempfile
import time
from pathlib import Path

import numpy as np
import tyro
from tyro.conf import Positional

from avatar3d.avatar import Avatar
from avatar3d.camera import orbit
from avatar3d.cli.common import open_avatar
from avatar3d.drawing import draw
from avatar3d.errors import UserError
from avatar3d.motion import Motion, load_motion, rest_motion
from tests.chromium import find_chromium, launched
from tests.viewer.web.shown import Shown, differences, opened, served
from viewer.cameras import front_camera, head_centre
from viewer.export.framing import with_soft_hem
from viewer.export.motion_track import unpack_motion
from viewer.export.packed import Packed, read_packed
from viewer.export.web import export_web
from viewer.export.web_bundle import unpack_avatar

HEAD = 0.25
"""Metres."""
_BACKGROUND = np.array([0xD8, 0xDC, 0xE2], np.float32) / 255
_FRAME_TIMES = """(async () => {
  player.stop();
  const taken = [];
  for (let i = 0; i < 300; i++) {
    const before = performance.now();
    player.splats.pose(player.performance.exactly((i * 0.037) % player.clock.duration));
    taken.push(performance.now() - before);
  }
  player.run();
  return taken.slice(50);
})()"""


def bench(avatar: Positional[Path], motion: Positional[Path], /, moments: int = 100, views: int = 20, seed: int = 0) -> None:
    """Print how near the page's Gaussians and pictures are to Python's, and how fast and how large it is.

    Args:
        avatar: the .avatar file.
        motion: the motion (.npz) that it performs.
        moments: random frames that are posed: a quarter beyond what was seen of each channel.
        views: of the performance, up to 34 degrees aside.
        seed: of all of it.
    """
    path = find_chromium()
    if path is None:
        raise UserError("no Chromium; install the packages chromium and libgl1-mesa-dri")
    person = open_avatar(avatar)
    performed = load_motion(motion, person.head)
    rng = np.random.default_rng(seed)
    with tempfile.TemporaryDirectory() as name, launched(path) as browser:
        folder = Path(name)
        export_web(person, random_motion(person, moments, rng), folder / "random")
        with served(folder / "random") as address:
            posing(opened(browser, f"{address}/index.html"), folder / "random", rng)
        sizes = export_web(person, performed, folder / "page")
        print("bytes:", ", ".join(f"{part} {size}" for part, size in sizes.items()))
        print(f"a second of motion and sound: {(sizes['motion'] + sizes.get('sound', 0)) / performed.duration:.0f} bytes")
        with served(folder / "page") as address:
            shown = opened(browser, f"{address}/index.html", size=(512, 512))
            print(f"from opening the page to the head: {shown.page.evaluate('window.avatar3d.loaded'):.0f} ms")
            pictures(shown, with_soft_hem(person), performed, views, rng)
            for size in ((200, 150), (512, 512)):
                speed(opened(browser, f"{address}/index.html?loop=1", size=size), size)


def random_motion(person: Avatar, frames: int, rng: np.random.Generator) -> Motion:
    """Frames that have nothing to do with one another, each channel within what was seen and a quarter beyond."""
    motion, statistics = rest_motion(person.head, frames), person.statistics
    for name, low in statistics.low.items():
        track, high = getattr(motion, name), statistics.high[name]
        if track is not None:
            track[:] = low + (high - low) * rng.uniform(-0.25, 1.25, track.shape)
    return motion


def posing(shown: Shown, folder: Path, rng: np.random.Generator) -> None:
    def packed(name: str) -> Packed:
        return read_packed(gzip.decompress((folder / f"{name}.bin").read_bytes()))

    avatar, motion = unpack_avatar(packed("avatar")), unpack_motion(packed("motion"))
    worst: dict[str, float] = {}
    for moment in rng.uniform(0, motion.duration, len(motion)):
        off = differences(shown.posed(float(moment)), avatar.pose(motion, float(moment)))
        worst = {name: max(worst.get(name, 0.0), float(values.max())) for name, values in off.items()}
    print(f"worst of {len(motion)} random moments: centres {worst['position'] / HEAD:.1e} of a head,", end=" ")
    print(f"rotations {worst['rotation']:.1e} rad, log-scales {worst['log_scale']:.1e}, colours {worst['colour']:.1e}")


def pictures(shown: Shown, person: Avatar, motion: Motion, views: int, rng: np.random.Generator) -> None:
    front, pivot = front_camera(person, 512), head_centre(person)
    decibels = []
    for _ in range(views):
        camera = orbit(front, pivot, float(rng.uniform(-0.6, 0.6)), float(rng.uniform(-0.25, 0.25)))
        moment = float(rng.uniform(0, motion.duration))
        expected = np.clip(draw(person, motion, moment, camera, _BACKGROUND).rgb, 0, 1)
        decibels.append(-10 * np.log10(np.square(shown.picture(moment, camera) / 255 - expected).mean()))
    print(f"pictures beside our rasterizer's, {views} views: worst {min(decibels):.1f}, median {np.median(decibels):.1f} dB")


def speed(shown: Shown, size: tuple[int, int], seconds: float = 6.0) -> None:
    taken = shown.evaluate(_FRAME_TIMES)
    shown.evaluate("player.clock.play()")
    time.sleep(1)
    first, began = shown.evaluate("[player.frames, performance.now()]")
    time.sleep(seconds)
    last, ended = shown.evaluate("[player.frames, performance.now()]")
    print(f"{size[0]}x{size[1]}: posing in the script {np.median(taken):.1f} ms a frame, 95 % {np.quantile(taken, 0.95):.1f};", end=" ")
    print(f"{1000 * (last - first) / (ended - began):.1f} frames a second while it speaks")


if __name__ == "__main__":
    tyro.cli(bench)
