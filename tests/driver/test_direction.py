import numpy as np
import pytest

from driver.channels import EXPR, INDEX, NUM_CHANNELS, REGIONS
from driver.conditions import conditions
from driver.direction import Direction, exaggerated, levels, manner_of, slots, usual_blinks
from driver.features import RATE
from driver.pins import no_pins, region_pins, stretch_pins
from driver.sample import perform
from driver.turned import looking


def test_nothing_asked_is_the_usual():
    from driver.conditions import USUAL

    asked = slots(Direction())
    assert {name: list(np.atleast_1d(asked[name])) for name in USUAL} == {name: list(value) for name, value in USUAL.items()}


def test_what_is_asked_for_fits_its_slots():
    asked = slots(Direction(emotion={"happy": 0.5, "sad": 0.2}, gaze=(10, 5), mode="listen", blinks=34.6, head=0.5))
    rows = conditions(3, asked)
    assert rows.isfinite().all()
    # The face of a mood is put on afterwards; sad people move less.
    assert (
        not any(asked["emotion"])
        and asked["head"] == pytest.approx(-1, abs=0.1)
        and -0.2 < asked["brows"] < 0.2
        and asked["blinks"] == pytest.approx(0.9)
    )
    assert slots(Direction(emotion={"sad": 1.0}))["brows"] < -0.5 and slots(Direction(emotion={"sad": 1.0}))["mouth"] == 0
    down, left = np.degrees(np.array(asked["gaze"]) * 0.25)
    assert -5 < down < -3 and 8 < left < 10


def test_who_listens_for_a_while_blinks_as_a_listener_meanwhile(tiny_net, lips, babble):
    rows = np.repeat(np.eye(3, dtype=np.float32), 20, axis=0)
    octaves = usual_blinks(rows)
    for frame, mode in ((0, "speak"), (20, "listen"), (40, "idle")):
        assert octaves[frame, 0] == np.float32(slots(Direction(mode=mode))["blinks"])
    asked, sound = {"mode": rows}, babble[: 60 * RATE // 25]
    made = perform(sound, tiny_net, lips, Direction(), steps=1, asked=asked)
    np.testing.assert_array_equal(made, perform(sound, tiny_net, lips, Direction(), steps=1, asked={**asked, "blinks": octaves}))
    assert np.abs(made - perform(sound, tiny_net, lips, Direction(), steps=1, asked={**asked, "blinks": 0.0})).max() > 1e-4


def test_emotions_together_are_no_stronger_than_one():
    assert sum(levels(Direction(emotion={"happy": 0.9, "angry": 0.9}))) == pytest.approx(1)


@pytest.mark.parametrize(
    ("emotion", "match"),
    [(np.full((25, 8), np.nan), "no intensities"), (np.full((1, 8), 5), "no intensities"), (np.zeros((7, 8)), "fit"), (np.zeros(3), "fit")],
)
def test_moods_that_are_none_are_refused(tiny_net, lips, babble, emotion, match):
    with pytest.raises(ValueError, match=match):
        perform(babble[:RATE], tiny_net, lips, Direction(), asked={"emotion": emotion})


def test_two_ways_to_ask_for_a_mood_contradict_each_other(tiny_net, lips, babble):
    with pytest.raises(ValueError, match="both name an emotion"):
        perform(babble[:RATE], tiny_net, lips, Direction(emotion={"sad": 1.0}), asked={"emotion": np.zeros(8)})


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"emotion": {"cheerful": 1}}, "no emotion is called 'cheerful'; there are happy"),
        ({"emotion": {"happy": 1.5}}, "choose 0 to 1"),
        ({"head": 3.0}, "amount of the head is 3"),
        ({"mouth": float("nan")}, "amount of the mouth"),
        ({"blinks": -1.0}, "blinks a minute"),
        ({"gaze": (40.0, 0.0)}, "gaze 40,0"),
        ({"gaze": (float("nan"), 0.0)}, "gaze"),
        ({"gaze": "camera"}, "gaze is 'camera', expected two angles"),
        ({"gaze": (1.0, 2.0, 3.0)}, "gaze is .* expected two angles"),
        ({"gaze": ("a", 0.0)}, "gaze to the right is 'a', expected a number"),
        ({"head": "much"}, "head is 'much', expected a number"),
        ({"emotion": ("happy",)}, "emotion is .* by name"),
        ({"mode": "sing"}, "no mode"),
        ({"style": "calm"}, "no code of 16 numbers"),
        ({"style": np.zeros(5)}, "no code of 16 numbers"),
        ({"pins": "k.json"}, "pins are str"),
    ],
)
def test_what_nobody_can_do_is_refused(options, match):
    with pytest.raises(ValueError, match=match):
        Direction(**options)


def test_no_amount_is_no_motion_and_no_blinks_are_open_eyes():
    rng = np.random.default_rng(0)
    frames = rng.uniform(0, 0.2, (100, NUM_CHANNELS)).astype(np.float32)
    frames[40:46, INDEX["eyeBlinkLeft"]] = 1.0
    made = exaggerated(frames, Direction(head=0, brows=0, mouth=0, blinks=0))
    assert np.ptp(made[:, REGIONS["head"]], axis=0).max() < 1e-6 and np.ptp(made[:, REGIONS["brows"]], axis=0).max() < 1e-6
    assert not made[:, REGIONS["mouth"]].any()
    assert made[:, INDEX["eyeBlinkLeft"]].max() < 0.2
    np.testing.assert_array_equal(exaggerated(frames, Direction()), frames)


def test_what_is_exaggerated_is_an_expression_still():
    frames = np.full((40, NUM_CHANNELS), 0.8, np.float32)
    made = exaggerated(frames, Direction(mouth=2.0))
    assert made[:, EXPR].max() == 1.0 and made[0, INDEX["jaw_pose_0"]] > 0.9


@pytest.mark.parametrize("asked", [{"mouth": 2.0}, {"brows": 0.5}, {"head": 0.0}, {"mouth": 0.5, "head": 2.0}])
@pytest.mark.parametrize("loop", [False, True])
def test_an_amount_changes_its_own_regions_alone(tiny_net, lips, babble, asked, loop):
    """Blinks, glances and all else are to the last bit what they are without it."""
    sound = np.tile(babble, 2)[: 130 * 640]
    made, plain = (perform(sound, tiny_net, lips, Direction(**amounts, loop=loop), seed=2, steps=2) for amounts in (asked, {}))
    for region, rows in REGIONS.items():
        assert np.array_equal(made[:, rows], plain[:, rows]) == (region not in asked), region


def test_an_amount_holds_beside_a_keyframe_and_comes_in_gradually_beside_a_stretch(tiny_net, lips, babble):
    sound, nod = babble[: 6 * RATE], INDEX["neck_pose_0"]
    usual = perform(sound, tiny_net, lips, Direction(), seed=1, steps=1)
    key = no_pins(len(usual))
    key.known[70, nod], key.values[70, nod] = True, 0.2
    still = perform(sound, tiny_net, lips, Direction(head=0.0, pins=key), seed=1, steps=1)[:, nod]
    assert still[70] == key.values[70, nod] and np.ptp(still[:35]) < 1e-6 and np.ptp(usual[:35, nod]) > 1e-3
    pins = stretch_pins(usual, 30, 110)
    made, plain = (perform(sound, tiny_net, lips, Direction(head=amount, pins=pins), seed=2, steps=1)[30:110, nod] for amount in (0.0, 1.0))
    assert np.ptp(made[20:60]) < 0.1 * np.ptp(plain[20:60])
    np.testing.assert_allclose(made[[0, -1]], plain[[0, -1]], atol=0.2 * np.ptp(plain))


def test_a_keyframe_of_a_smile_takes_nothing_off_a_smiling_mood_around_it(tiny_net, lips, babble):
    sound, smile = babble[: 4 * RATE], INDEX["mouthSmileLeft"]
    plain = perform(sound, tiny_net, lips, Direction(), seed=1, steps=1)
    pins = region_pins(plain, "brows", len(plain))
    pins.known[50, smile], pins.values[50, smile] = True, 0.9
    made = perform(sound, tiny_net, lips, Direction(emotion={"happy": 1.0}, pins=pins), seed=1, steps=1)[:, smile]
    assert made[50] == np.float32(0.9) and made[35:66].min() > made[[20, 80]].min() - 0.05


def test_a_single_frame_that_is_given_is_led_to(tiny_net, lips, babble):
    sound, lid = babble[: 4 * RATE], INDEX["eyeBlinkLeft"]
    length = len(perform(sound, tiny_net, lips, Direction(), steps=1))
    pins = no_pins(length)
    # A lid that closes this little is opened again beside what is given.
    pins.known[50, lid], pins.values[50, lid] = True, 0.4
    made, bare = (perform(sound, tiny_net, lips, Direction(pins=pins), steps=1, led=led)[:, lid] for led in (True, False))
    assert made[50] == bare[50] == pins.values[50, lid]
    assert np.abs(np.diff(made[40:61])).max() < 0.6 * np.abs(np.diff(bare[40:61])).max()


def test_a_mood_by_rule_comes_in_gradually_beside_what_is_given(tiny_net, lips, babble):
    sound, brow = babble[: 4 * RATE], INDEX["browInnerUp"]
    plain = perform(sound, tiny_net, lips, Direction(), steps=1, own=True)
    directed = Direction(emotion={"surprised": 1.0}, pins=stretch_pins(plain, 30, 70))
    neutral = perform(sound, tiny_net, lips, Direction(pins=stretch_pins(plain, 30, 70)), steps=1, own=True)
    added = (perform(sound, tiny_net, lips, directed, steps=1, own=True) - neutral)[:, brow]
    assert added[42:58].mean() > 0.2 and not added[:30].any() and not added[70:].any()
    assert np.abs(np.diff(added)).max() < 0.5 * np.abs(added).max()
    assert np.abs(added[[30, 69]]).max() < 0.1 * np.abs(added).max()


def test_a_gaze_by_rule_is_not_led_astray_by_one_that_is_given_from_the_middle_on(tiny_net, lips, babble):
    gaze = [INDEX[f"eyes_pose_{axis}"] for axis in (1, 4)]
    plain = perform(babble[: 6 * RATE], tiny_net, lips, seed=1, steps=1, direction=Direction(), own=True)
    pins = no_pins(len(plain))
    pins.values[70:, gaze], pins.known[70:, gaze] = np.radians(20), True
    made = perform(babble[: 6 * RATE], tiny_net, lips, seed=1, steps=1, direction=Direction(gaze=(-10.0, 0.0), pins=pins), own=True)
    assert (made[70:, gaze] == np.float32(np.radians(20))).all()
    assert np.degrees(np.median(made[:55, gaze], axis=0)) == pytest.approx([-10, -10], abs=2)


def test_a_stretch_is_made_anew_and_the_rest_stays(tiny_net, lips, babble):
    sound = babble[: 4 * RATE]
    before = perform(sound, tiny_net, lips, Direction(), seed=1, steps=2)
    made = perform(sound, tiny_net, lips, Direction(pins=stretch_pins(before, 40, 60)), seed=2, steps=2)
    np.testing.assert_array_equal(made[:40], before[:40])
    np.testing.assert_array_equal(made[60:], before[60:])
    assert not np.allclose(made[40:60, REGIONS["head"]], before[40:60, REGIONS["head"]], atol=1e-4)


@pytest.mark.parametrize("seconds", [0.2, 1.0, 5.0])
def test_a_loop_leads_back_to_its_beginning(tiny_net, lips, babble, seconds):
    sound = np.tile(babble, 3)[: int(seconds * RATE)]
    plain, loop = (perform(sound, tiny_net, lips, Direction(loop=loop), seed=1, steps=2) for loop in (False, True))
    assert len(loop) == len(plain)
    if seconds == 5.0:
        np.testing.assert_array_equal(loop[:100], plain[:100])
    turn = REGIONS["head"]

    def jump(frames: np.ndarray) -> float:
        return float(np.abs(frames[0, turn] - frames[-1, turn]).max())

    assert jump(loop) <= jump(plain) + 1e-3


def test_eyes_are_turned_by_rule():
    frames = np.random.default_rng(0).normal(0, 0.05, (500, NUM_CHANNELS)).astype(np.float32)
    made = looking(frames, (10, -5))
    assert np.degrees(np.median(made[:, INDEX["eyes_pose_1"]])) == pytest.approx(10, abs=0.01)
    assert np.degrees(np.median(made[:, INDEX["eyes_pose_3"]])) == pytest.approx(5, abs=0.5)
    assert made[:, INDEX["eyeLookDownLeft"]].mean() > 0.15


def test_a_manner_is_how_much_somebody_moves():
    still = np.zeros((500, NUM_CHANNELS), np.float32)
    lively = still.copy()
    lively[:, INDEX["neck_pose_1"]] = 0.1 * np.sin(np.arange(500) / 5)
    for start in range(50, 500, 100):
        lively[start : start + 5, [INDEX["eyeBlinkLeft"], INDEX["eyeBlinkRight"]]] = 1
    calm, moving = manner_of(still), manner_of(lively)
    assert calm["head"] == pytest.approx(0.3) and moving["head"] > 1.2
    assert moving["blinks"] == pytest.approx(15) and calm["blinks"] == 4


def test_a_loop_of_an_own_driver_keeps_its_mood_to_the_end(tiny_net, lips, babble):
    smile = INDEX["mouthSmileLeft"]
    plain, happy = (
        perform(babble[: 4 * RATE], tiny_net, lips, Direction(loop=True, emotion=emotion), steps=1, own=True) for emotion in ({}, {"happy": 1.0})
    )
    assert (happy - plain)[:, smile].min() > 0.05
