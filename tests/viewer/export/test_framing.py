"""Where a head is in its filmed picture, and the soft hem of its torso."""

from dataclasses import replace

import numpy as np
import pytest

from avatar3d.motion import rest_motion
from tests.viewer.bust import solid_bust
from viewer.cameras import front_camera
from viewer.export.framing import framing, with_soft_hem
from viewer.export.web_bundle import pack_avatar


@pytest.fixture(scope="module")
def bust():
    """Solid Gaussians all over the embedded head, of somebody who keeps still."""
    return solid_bust()


def _places(avatar) -> np.ndarray:
    return avatar.pose(rest_motion(avatar.head, 1, shape=avatar.shape.numpy()), 0.0).position.numpy()


def _opacity(avatar) -> np.ndarray:
    return 1 / (1 + np.exp(-avatar.opacity_logit.numpy()))


def test_the_lines_are_those_of_the_head(bust):
    lines, camera = framing(bust), front_camera(bust, 512)
    places = _places(bust) @ camera.T_cam_world[:3, :3].T + camera.T_cam_world[:3, 3]
    tangents = places[:, :2] / places[:, 2:]
    head = tangents[tangents[:, 1] < lines.chin]
    assert lines.top < head[:, 1].min() + 0.02 and lines.left < -0.07 and lines.right > 0.07
    assert ((head[:, 0] > lines.left) & (head[:, 0] < lines.right)).mean() > 0.98
    assert lines.top < lines.chin < lines.hem < camera.height / 2 / camera.fy


def test_a_torso_that_ends_above_the_end_of_the_picture_is_cropped_there(bust):
    camera = front_camera(bust, 512).to_json()
    higher = np.array(camera["T_cam_world"])
    higher[1, 3] -= 0.1
    high = replace(bust, metadata={"camera": camera | {"T_cam_world": higher.tolist()}})
    assert framing(high).hem == pytest.approx(framing(bust).hem - 0.1 / 0.8, abs=0.03)


def test_the_hem_is_soft_and_the_head_is_whole(bust):
    soft = with_soft_hem(bust)
    height, kept = _places(bust)[:, 1], _opacity(soft) / _opacity(bust)
    assert (kept[height > -0.1] == 1).all()
    low = height < np.quantile(height, 0.02)
    assert kept[low].max() < 0.05
    # No step: between whole and gone there is every share.
    assert np.histogram(kept, bins=8, range=(0.01, 0.99))[0].min() > 0
    # From below one sees the back too: it ends no lower.
    back = _places(bust)[:, 2] < -0.05
    assert height[back & (kept > 0.1)].min() > height[~back & (kept > 0.1)].min() - 0.02


def test_a_page_carries_both(bust):
    packed = pack_avatar(bust)
    assert set(packed.header["framing"]) == {"left", "right", "top", "chin", "hem"}
    stored = packed.values("splat_opacity_logit")[:, 0]
    np.testing.assert_allclose(stored, with_soft_hem(bust).opacity_logit.numpy(), atol=1e-3)
    whole = pack_avatar(bust, exact=True).values("splat_opacity_logit")[:, 0]
    np.testing.assert_array_equal(whole, bust.opacity_logit.numpy())
