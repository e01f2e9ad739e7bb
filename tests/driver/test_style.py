import numpy as np
import pytest
import torch

from driver.channels import INDEX, NUM_CHANNELS
from driver.model import STYLE_CLIP
from driver.style import style_code


def clip(frames: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0, 0.5, (frames, NUM_CHANNELS)).astype(np.float32)


def test_the_code_of_four_seconds_is_the_networks(tiny_net):
    frames = clip(STYLE_CLIP)
    with torch.no_grad():
        expected = tiny_net.style_of(torch.from_numpy(frames)[None])[0].numpy()
    np.testing.assert_array_equal(style_code(frames, tiny_net), expected)


def test_the_code_of_a_long_clip_is_the_mean_over_its_stretches(tiny_net):
    frames = clip(2 * STYLE_CLIP)
    stretches = [style_code(frames[start : start + STYLE_CLIP], tiny_net) for start in (0, STYLE_CLIP // 2, STYLE_CLIP)]
    np.testing.assert_allclose(style_code(frames, tiny_net), np.mean(stretches, axis=0), atol=1e-6)


def test_two_ways_of_moving_have_two_codes(tiny_net):
    calm = clip(STYLE_CLIP)
    smiling = calm.copy()
    smiling[:, INDEX["mouthSmileLeft"]] = 1.0
    assert np.abs(style_code(calm, tiny_net) - style_code(smiling, tiny_net)).max() > 1e-4


def test_a_clip_in_which_no_manner_shows_is_refused(tiny_net):
    with pytest.raises(ValueError, match="10 frames shows no manner; give 50"):
        style_code(clip(10), tiny_net)
