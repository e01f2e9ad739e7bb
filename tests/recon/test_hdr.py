"""HDR video in the standard range."""

import numpy as np
import pytest

from recon.hdr import HLG, PQ, linear_table, to_sdr
from recon.video import read_frames
from tests.recon.tiny_video import write_video


def ramp(transfer: int) -> np.ndarray:
    """[1024, 3] what greys become."""
    grey = (np.arange(1024, dtype=np.uint16) << 6)[None, :, None].repeat(3, axis=2)
    return to_sdr(grey, transfer)[0]


@pytest.mark.parametrize("transfer", [HLG, PQ])
def test_greys_stay_grey_and_in_order(transfer):
    shown = ramp(transfer).astype(int)
    assert (np.ptp(shown, axis=1) <= 1).all()
    assert (np.diff(shown[:, 0]) >= 0).all()
    assert shown[0, 0] == 0 and shown[-1, 0] >= 250


def test_transfer_functions_hit_the_levels_of_the_standards():
    # BT.2408: diffuse white of 203 cd/m2 is 58 % of PQ's signal and 75 % of HLG's, whose half signal is 1/12 of its peak.
    assert linear_table(PQ)[round(0.5807 * 1023)] == pytest.approx(1.0, abs=0.02)
    assert linear_table(PQ)[-1] * 203 == pytest.approx(10000, rel=1e-3)
    assert linear_table(HLG)[round(0.75 * 1023)] == pytest.approx(0.2650, abs=0.003)
    assert linear_table(HLG)[round(0.5 * 1023)] == pytest.approx(1 / 12, abs=0.001)


@pytest.mark.parametrize(("transfer", "white"), [(PQ, 0.5807), (HLG, 0.75)])
def test_diffuse_white_is_nearly_white_in_both(transfer, white):
    assert 232 <= ramp(transfer)[round(white * 1023), 0] <= 246


def test_kernel_agrees_with_the_formula():
    rgb = np.random.default_rng(0).integers(0, 40000, (5, 7, 3), dtype=np.uint16)
    scene = linear_table(HLG)[rgb >> 6].astype(np.float64)
    luminance = scene @ [0.2627, 0.678, 0.0593]
    display = scene * (1000 / 203 * luminance**0.2)[..., None]
    matrix = np.array([[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]])
    linear = np.maximum(display @ matrix.T, 0)
    brightest = linear.max(axis=2, keepdims=True)
    excess = np.maximum(brightest - 0.75, 0) / 0.25
    linear *= np.where(brightest > 0.75, (0.75 + 0.25 * excess / (1 + excess)) / np.maximum(brightest, 1e-9), 1)
    assert np.abs(to_sdr(rgb, HLG).astype(int) - 255 * linear ** (1 / 2.4)).max() <= 1.5


def test_hlg_video_is_recognised(tmp_path):
    def setup(stream):
        context = stream.codec_context
        context.color_range, context.colorspace, context.color_primaries, context.color_trc = 1, 9, 9, HLG

    def change(frame):
        frame.colorspace, frame.color_range, frame.color_primaries, frame.color_trc = 9, 1, 9, HLG

    frames = [np.full((48, 64, 3), round(0.75 * 255), np.uint8)] * 2
    video = write_video(tmp_path / "a.mp4", frames, pix_fmt="yuv420p10le", matrix=9, setup=setup, change=change)
    assert 232 <= next(read_frames(video))[20, 20, 0] <= 246
