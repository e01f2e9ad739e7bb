import json

import numpy as np
import pytest

from avatar3d.errors import UserError
from driver.channels import INDEX, NUM_CHANNELS, REGIONS
from driver.pins import Pins, joined_pins, keyframe_pins, no_pins, region_pins, sized, stretch_pins


@pytest.fixture
def written(tmp_path):
    def write(content) -> "Pins":
        (tmp_path / "k.json").write_text(content if isinstance(content, str) else json.dumps(content))
        return keyframe_pins(tmp_path / "k.json", 50, 0.25)

    return write


def test_keyframes_pin_what_they_name_and_nothing_else(written):
    pins = written({"keyframes": [{"time": 1.0, "expr": {"mouthSmileLeft": 0.6}}, {"frame": 3, "neck_pose": [0.1, 0, -0.2]}]})
    assert pins.values[25, INDEX["mouthSmileLeft"]] == np.float32(0.6)
    np.testing.assert_allclose(pins.values[3, [INDEX[f"neck_pose_{axis}"] for axis in range(3)]], [0.1, 0, -0.2])
    assert pins.known.sum() == 4


def test_a_jaw_in_radians_is_pinned_as_a_share_of_its_opening(written):
    pins = written({"keyframes": [{"frame": 3, "jaw_pose": [0.1, 0.02, 0]}]})
    np.testing.assert_allclose(pins.values[3, [INDEX[f"jaw_pose_{axis}"] for axis in range(3)]], [0.4, 0.02, 0])


@pytest.mark.parametrize(
    ("content", "match"),
    [
        ("{", "cannot be read as JSON"),
        ("[" * 100_000, "cannot be read as JSON"),
        ({"keyframes": []}, "holds no keyframes"),
        ({"fps": 30}, "holds no keyframes"),
        ({"fps": 30, "keyframes": [{"time": 1, "expr": {"jawLeft": 0.1}}]}, "has 'fps' beside its keyframes.* 25 a second.*leave it out"),
        ({"loop": True, "keyframes": [{"time": 1, "expr": {"jawLeft": 0.1}}]}, "has 'loop' beside its keyframes, which means nothing here; leave"),
        ('{"keyframes": [{"time": 1, "expr": {"jawLeft": 0.1, "jawLeft": 0.2}}]}', "says 'jawLeft' twice"),
        ('{"keyframes": [{"time": 1, "expr": {"jawLeft": 0.1}, "expr": {"jawRight": 0.1}}]}', "says 'expr' twice"),
        ('{"keyframes": [], "keyframes": [{"time": 1, "expr": {"jawLeft": 0.1}}]}', "says 'keyframes' twice"),
        ({"keyframes": [3]}, "keyframe 1: is no object"),
        ({"keyframes": [{"expr": {"jawLeft": 0.1}}]}, "either a time"),
        ({"keyframes": [{"time": 9, "expr": {"jawLeft": 0.1}}]}, "keyframe 1: time 9 lies outside of the motion, which lasts 2.00 s"),
        ({"keyframes": [{"time": -1, "expr": {"jawLeft": 0.1}}]}, "outside"),
        ({"keyframes": [{"time": 1e400, "expr": {"jawLeft": 0.1}}]}, "no number"),
        ({"keyframes": [{"time": 10**400, "expr": {"jawLeft": 0.1}}]}, "no number"),
        ({"keyframes": [{"time": "1", "expr": {"jawLeft": 0.1}}]}, "no number"),
        ({"keyframes": [{"time": 1}]}, "pins nothing"),
        ({"keyframes": [{"time": 1, "expr": {"jawOpen": 0.1}}]}, "jaw_pose"),
        ({"keyframes": [{"time": 1, "expr": {"smile": 0.1}}]}, "'smile'.*ARKit"),
        ({"keyframes": [{"time": 1, "expr": {"jawLeft": 1.1}}]}, "choose 0 to 1"),
        ({"keyframes": [{"time": 1, "expr": {"jawLeft": True}}]}, "no number"),
        ({"keyframes": [{"time": 1, "neck_pose": [20, 0, 0]}]}, "counts in radians"),
        ({"keyframes": [{"time": 1, "jaw_pose": [-0.3, 0, 0]}]}, "no head does"),
        ({"keyframes": [{"frame": 1.5, "expr": {"jawLeft": 0.1}}]}, "no whole number"),
        ({"keyframes": [{"frame": 1e300, "expr": {"jawLeft": 0.1}}]}, r"frame 1e\+300 lies outside"),
        ({"keyframes": 2 * [{"time": 1, "expr": {"jawLeft": 0.1}}]}, "keyframe 2: is at 1.00 s like another"),
        ({"keyframes": [{"time": 1, "neck_pose": [0, 0]}]}, "needs 3 numbers"),
        ({"keyframes": [{"time": 1, "neck": [0, 0, 0]}]}, "'neck', which means nothing"),
    ],
)
def test_keyframes_that_cannot_be_met_are_one_clear_line(written, content, match):
    with pytest.raises(UserError, match=match):
        written(content)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UserError, match=r"none\.json"):
        keyframe_pins(tmp_path / "none.json", 5, 0.25)


def test_a_region_is_pinned_as_long_as_its_motion_lasts():
    frames = np.ones((30, NUM_CHANNELS), np.float32)
    pins = region_pins(frames, "head", 50)
    assert pins.known[:30, REGIONS["head"]].all() and pins.known.sum() == 30 * len(REGIONS["head"])


def test_a_stretch_leaves_its_frames_free():
    pins = stretch_pins(np.ones((30, NUM_CHANNELS)), 10, 20)
    assert not pins.known[10:20].any() and pins.known[:10].all() and pins.known[20:].all()


def test_what_two_say_at_once_is_a_contradiction():
    one, other = no_pins(10), no_pins(10)
    one.known[2, 3], other.known[3, 3], other.values[3, 3] = True, True, 0.5
    both = joined_pins(one, other, "a and b")
    assert both.known.sum() == 2 and both.values[3, 3] == 0.5
    other.known[2, 3] = True
    with pytest.raises(UserError, match=r"a and b: both say what .* is at 0.08 s"):
        joined_pins(one, other, "a and b")


def test_pins_are_looked_up_by_absolute_frame_and_end():
    pins = region_pins(np.arange(10)[:, None].repeat(NUM_CHANNELS, 1), "brows", 10)
    values, known = pins.pinning(8, 13)
    channel = REGIONS["brows"][0]
    assert values[:, channel].tolist() == [8, 9, 0, 0, 0] and known[:, channel].tolist() == [True, True, False, False, False]
    assert not pins.pinning(20, 25)[1].any()
    assert len(sized(pins, 4)) == 4 and not sized(pins, 14).known[10:].any()
