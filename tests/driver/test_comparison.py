"""Who does what the truth does is found perfect, who does something else is not."""

import numpy as np
import pytest

from driver.channels import JAW
from driver.coarticulation import articulate
from driver.comparison import OURS, Judged, compare, figures, parts_of, table_lines
from driver.features import FPS, RATE
from driver.phones import Segment


def _clip(seed: int, length: float = 0.12) -> Judged:
    rng = np.random.default_rng(seed)
    names = ["sil", *rng.choice(["aa", "pbm", "ow", "td", "ae", "kg", "uw", "iy"], 36).tolist(), "sil"]
    said = [Segment(name, length * k, length * (k + 1), 1.0) for k, name in enumerate(names)]
    T = round(said[-1].end * FPS)
    mouth = articulate(said, T)
    sound = np.full(T * RATE // FPS, seed, np.float32)
    return Judged(sound, mouth.frames, mouth.viseme, mouth.closed, True)


@pytest.fixture(scope="module")
def clips() -> list[Judged]:
    return [_clip(seed) for seed in (1, 2, 3, 4)]


def _knowing(clips: list[Judged]):
    """A driver that knows the truth by the sound's first sample."""
    by_sound = {float(clip.sound[0]): clip.truth for clip in clips}
    return lambda sound: by_sound[float(sound[0])]


def test_the_truth_is_perfect(clips, head, lips):
    found = figures(clips[0], clips[0].truth, parts_of(head), lips)
    for name in ("lve_mm", "lve_m2", "mod_mm", "mtm_s", "fdd_mm2"):
        assert found[name] == 0, name
    for name in ("jaw_r", "rounding_r", "mouth_spread", "mouth_velocity"):
        assert found[name] == pytest.approx(1), name


def test_a_table_tells_a_driver_that_listens_from_one_that_does_not(clips, head, lips):
    still = np.zeros_like(clips[0].truth)
    still[:, JAW] = 0.1
    table = compare(clips, {OURS: _knowing(clips), "still": lambda sound: still}, head, lips)
    assert table[OURS]["lve_mm"][0] == 0 and table[OURS]["closure_recall"][0] == 1
    assert table["still"]["lve_mm"][0] > 1 and np.isnan(table["still"]["closure_recall"][0])
    assert table["driver, other sound"]["jaw_r"][0] < 0.5
    assert len(table_lines(table)) == 1 + len(table[OURS])


def test_a_louder_mouth_has_a_larger_spread_and_the_same_correlation(clips, head, lips):
    wider = clips[0].truth * 1.3
    found = figures(clips[0], wider, parts_of(head), lips)
    assert found["mouth_spread"] > 1.1 and found["jaw_r"] == pytest.approx(1, abs=1e-3) and found["lve_mm"] > 0.2
