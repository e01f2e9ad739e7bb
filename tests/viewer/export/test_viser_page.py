"""Pages recorded with viser: covariances that survive its 16 bits, and a head that is drawn in the right order, opened from disk."""

import io
import time
from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from PIL import Image

from avatar3d.errors import UserError
from avatar3d.gaussians import Gaussians, rgb_to_sh
from avatar3d.progress import silent
from tests.viewer.export.performance import performance
from tests.viewer.export.scenes import random_gaussians
from viewer.export import viser_page
from viewer.export.frames import Frames
from viewer.export.options import FormatOptions
from viewer.export.viser_page import viser_arrays, write_viser_page


class Walls(Frames):
    """Frames in which a green wall stands before a red one, but comes first in the file."""

    def gaussians(self, index: int) -> Gaussians:
        wall = np.stack(np.meshgrid(np.linspace(-0.1, 0.1, 12), np.linspace(-0.1, 0.1, 12)), -1).reshape(-1, 2)
        position = np.concatenate([np.c_[wall, np.full(144, depth)] for depth in (0.1, -0.1)]).astype(np.float32)
        colour = torch.tensor([[0.0, 1, 0]] * 144 + [[1.0, 0, 0]] * 144)
        turn, size = torch.tensor([[1.0, 0, 0, 0]] * 288), torch.full((288, 3), np.log(0.012), dtype=torch.float32)
        return Gaussians(torch.from_numpy(position), turn, size, torch.full((288,), 4.0), rgb_to_sh(colour))


def flat(count: int = 400) -> Gaussians:
    """Thin Gaussians as large as those of a head, turned anyhow."""
    generator = torch.Generator().manual_seed(0)
    scale = torch.tensor([0.004, 0.002, 0.0002]).log().expand(count, 3).contiguous()
    rotation = torch.nn.functional.normalize(torch.randn(count, 4, generator=generator), dim=1)
    return Gaussians(torch.zeros(count, 3), rotation, scale, torch.zeros(count), rgb_to_sh(torch.rand(count, 3, generator=generator)))


def test_covariances_survive_sixteen_bits():
    covariance = viser_arrays(flat(), 10.0)[1].astype(np.float16).astype(np.float64)
    least = np.sqrt(np.linalg.eigvalsh(covariance)[:, 0].clip(0))
    assert (least > 0).all() and np.median(np.abs(least / 0.002 - 1)) < 0.05


def test_the_page_says_what_it_is(tmp_path):
    write_viser_page(performance(3), tmp_path / "a.html", FormatOptions(), silent)
    page = (tmp_path / "a.html").read_text()
    assert page.count("<title>") == 1 and "<title>avatar3d: nobody</title>" in page
    assert 'name="avatar3d:consent"' in page and page.count("this is not a recording of the person") >= 2


def test_too_much_for_a_browser_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(viser_page, "MAX_BYTES", 1000)
    with pytest.raises(UserError, match="--max-gaussians"):
        write_viser_page(performance(3), tmp_path / "a.html", FormatOptions(), silent)
    assert not list(tmp_path.iterdir())


def test_a_prop_counts_as_what_a_browser_must_hold(tmp_path, monkeypatch):
    frames = performance(3)
    monkeypatch.setattr(viser_page, "MAX_BYTES", 32 * 3 * len(frames.avatar))
    with pytest.raises(UserError, match=f"{len(frames.avatar) + 40} Gaussians"):
        write_viser_page(replace(frames, prop=random_gaussians(40)), tmp_path / "a.html", FormatOptions(), silent)


def test_opened_from_disk_near_hides_far(browser, tmp_path):
    frames = performance(2, sound=False)
    walls = Walls(**{field.name: getattr(frames, field.name) for field in fields(Frames)})
    write_viser_page(walls, tmp_path / "a.html", FormatOptions(), silent)
    # So large that what viser says of drawing without a graphics card does not lie over the middle.
    page = browser.new_page(viewport={"width": 640, "height": 640})
    try:
        page.goto((tmp_path / "a.html").as_uri())
        end = time.monotonic() + 60
        while time.monotonic() < end:
            page.wait_for_timeout(500)
            shot = _picture(page.screenshot())
            red, green, _ = shot[280:360, 280:360].mean(axis=(0, 1))
            if green > 150 and red < 90:
                return
        raise AssertionError(f"the middle of the page is {shot[280:360, 280:360].mean(axis=(0, 1))}")
    finally:
        page.close()


def _picture(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))
