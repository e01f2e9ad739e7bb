import copy
import dataclasses
import tracemalloc
from typing import Any

import numpy as np
import pytest
import torch

from avatar3d.errors import UserError
from avatar3d.head.model import head_vertices
from driver.channels import CHANNELS, JAW, NUM_CHANNELS, REGIONS, pack, unpack
from driver.conditions import WIDTHS
from driver.features import RATE, num_frames
from driver.phones import VISEME_INDEX
from driver.sample import BEYOND, NEW, drive, generate


@pytest.mark.parametrize("samples", [1, 640, 641, NEW * 640, NEW * 640 + 1, 3 * NEW * 640 - 5])
def test_any_length(head, tiny_net, babble, samples):
    motion = drive(np.tile(babble, 2)[:samples], RATE, head=head, weights=tiny_net, steps=1)
    assert len(motion) == num_frames(samples)
    assert np.isfinite(motion.expr).all()
    assert motion.sound_rate == RATE
    assert motion.sound is not None
    assert len(motion.sound) == samples


def test_seeds(head, tiny_net, babble):
    one, same, other = (drive(babble, RATE, head=head, weights=tiny_net, steps=2, seed=seed) for seed in (1, 1, 2))
    assert one.expr.tobytes() == same.expr.tobytes()
    assert one.neck_pose.tobytes() == same.neck_pose.tobytes()
    assert not np.array_equal(one.neck_pose, other.neck_pose)


def test_later_sound_leaves_earlier_windows_alone(tiny_net, lips, babble):
    """A window sees its own frames, those it throws away and the look-ahead; what comes after is not needed yet."""
    changed = babble.copy()
    changed[(NEW + BEYOND + 2) * 640 :] = 0
    first, second = (next(iter(generate(sound, tiny_net, lips, steps=2))) for sound in (babble, changed))
    np.testing.assert_allclose(first, second, atol=1e-5)


def test_what_is_asked_for_belongs_to_its_frames(tiny_net, lips):
    """Phones in the second window, over a mouth that stands open otherwise."""
    net = copy.deepcopy(tiny_net)
    net.mean[JAW] = 0.4
    told = np.zeros((2 * NEW, WIDTHS["phones"]), np.float32)
    told[:, VISEME_INDEX["aa"]] = 1
    told[NEW + 20 : NEW + 23] = np.eye(WIDTHS["phones"], dtype=np.float32)[VISEME_INDEX["pbm"]]
    made = np.concatenate(list(generate(np.zeros(2 * NEW * 640, np.float32), net, lips, asked={"phones": told}, steps=1)))
    gap = made @ lips.gap.numpy()
    assert gap[NEW + 20 : NEW + 23].max() < 0.05
    assert np.delete(gap, np.arange(NEW + 19, NEW + 24)).min() > 1


def test_what_cannot_be_asked_for_is_refused(head, tiny_net, babble):
    for asked, match in (
        ({"phones": np.ones((3, WIDTHS["phones"]))}, "phones has shape"), ({"mood": 1.0}, "no slot is called mood"), ({"mouth": np.nan}, "finite"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=match):
            drive(babble, RATE, head=head, weights=tiny_net, asked=asked)
    wrong: tuple[dict[str, Any], ...] = ({"seed": -1}, {"steps": 0}, {"seed": 0.5}, {"steps": 2.5})
    for options in wrong:
        with pytest.raises(ValueError, match="expected"):
            drive(babble, RATE, head=head, weights=tiny_net, **options)


def test_a_recorders_whole_numbers_are_its_fractions(head, tiny_net, babble):
    sound = np.round(np.tile(babble[: RATE // 2, None], 2) * 32768).astype(np.int16)
    whole, real = (drive(given, RATE, head=head, weights=tiny_net) for given in (sound, sound.astype(np.float32) / 32768))
    np.testing.assert_array_equal(whole.sound, real.sound)
    np.testing.assert_array_equal(whole.expr, real.expr)
    with pytest.raises(ValueError, match=r"shape \[2, 8000\], expected .*transpose"):
        drive(sound.T, RATE, head=head, weights=tiny_net)


def test_memory_does_not_grow_with_the_sound(tiny_net, lips):
    def most(minutes: int) -> int:
        """Bytes that numpy holds at most while so much silence is driven."""
        quiet = np.zeros(minutes * 60 * RATE, np.float32)
        tracemalloc.start()
        try:
            for window in generate(quiet, tiny_net, lips, steps=1):
                assert len(window) <= 2 * NEW
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    # The first call fills caches.
    most(1)
    assert most(10) < 1.3 * most(3)


def test_a_head_without_arkit_names_is_driven_through_the_embedded_one(head, tiny_net, babble):
    """A head whose expressions are the embedded ones, unnamed and twice as strong."""
    other = dataclasses.replace(head, name="other", fingerprint="other", expr_names=(), expr_basis=2 * head.expr_basis)
    own, theirs = (drive(babble[: 2 * RATE], RATE, head=each, weights=tiny_net, steps=1) for each in (head, other))
    assert theirs.head_fingerprint == "other"
    np.testing.assert_array_equal(theirs.neck_pose, own.neck_pose)
    ours, made = (posed_vertices(each, motion) for each, motion in ((head, own), (other, theirs)))
    lips = head.regions["lips"]
    assert np.abs(ours[:, lips] - made[:, lips]).mean() < 5e-4


def posed_vertices(head, motion) -> np.ndarray:
    still = torch.zeros(len(motion), 3)
    parts = (torch.from_numpy(value) for value in (motion.expr, motion.jaw_pose, motion.eyes_pose))
    expr, jaw, eyes = parts
    shape = torch.zeros(head.num_shape)
    return head_vertices(head, shape, expr, jaw_pose=jaw, neck_pose=still, eyes_pose=eyes, rotation=still, translation=still).numpy()


def test_empty_sound_is_refused(head, tiny_net):
    with pytest.raises(UserError, match="sound"):
        drive(np.zeros(0, np.float32), RATE, head=head, weights=tiny_net)


def test_channels_go_round(head):
    rng = np.random.default_rng(0)
    frames = rng.normal(size=(7, NUM_CHANNELS)).astype(np.float32)
    np.testing.assert_allclose(pack(unpack(frames, head.jaw_open_angle), head.jaw_open_angle), frames, rtol=1e-6)
    opened = np.zeros((1, NUM_CHANNELS), np.float32)
    opened[0, JAW] = 1
    assert unpack(opened, head.jaw_open_angle)["jaw_pose"][0, 0] == pytest.approx(head.jaw_open_angle)


def test_every_channel_has_one_region():
    assert sorted(np.concatenate(list(REGIONS.values())).tolist()) == list(range(len(CHANNELS)))
