"""The rig's channels through ue://: what was sent, to the bit, or ARKit's weights."""

import gc
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avatar3d.head.model import HeadModel
from avatar3d.head.store import load_head
from avatar3d.motion import CHANNELS, Motion
from tests.avatar3d.head.flame_fixture import flame_arrays, write_npz
from tests.viewer.bridge.rigs import DAY, a_motion, frames, heard, introductions, moment, of_stream, sent
from viewer.bridge import ue
from viewer.bridge.follow import follow_faces
from viewer.bridge.frame import BridgeFrame
from viewer.bridge.jitter_buffer import JitterBuffer
from viewer.bridge.receiver import Assembly
from viewer.bridge.rig import misfit, rig_motion
from viewer.bridge.sender import ARKIT, EYES, HEAD
from viewer.bridge.streams import Stream, Streams
from viewer.bridge.take import take_of
from viewer.stream.packets import Frame, pack

NAMES = ("expr", *CHANNELS)


@pytest.fixture(scope="module")
def flame(tmp_path_factory) -> HeadModel:
    """A head in FLAME's format."""
    return load_head(write_npz(tmp_path_factory.mktemp("flame") / "flame2023.npz", flame_arrays()))


def assert_same(found: Motion, expected: Motion, which: np.ndarray | slice = slice(None)) -> None:
    """Every channel of some frames, to the last bit."""
    for name in NAMES:
        theirs, ours = getattr(expected, name), getattr(found, name)
        assert (ours is None) == (theirs is None), name
        if ours is not None:
            np.testing.assert_array_equal(ours[which], theirs[which], name)


@pytest.mark.parametrize("fps", [25, 30, 59, 60, Fraction(24000, 1001)])
def test_what_was_sent_is_received_to_the_last_bit(fps):
    head = load_head()
    motion = a_motion(head, Fraction(fps))
    faces = heard(sent(motion, head))
    assert misfit(faces, head) is None
    found = rig_motion(faces, head)
    assert found.fps == fps and len(found) == 120 and found.valid is None and found.head_fingerprint == head.fingerprint
    assert_same(found, motion)


def test_who_comes_late_has_the_same_frames():
    # Sums of the moments differ in their last bits then, to both sides.
    head = load_head()
    motion = a_motion(head)
    datagrams = sent(motion, head)
    for missed in range(1, 60, 4):
        faces = heard([data for data in datagrams if moment(data) - DAY > (missed - 0.5) / 60])
        assert len(faces) == 120 - missed
        assert_same(rig_motion(faces, head), motion.frames(np.arange(missed, 120)))


def test_a_head_in_flame_s_format_as_well(flame):
    motion = a_motion(flame)
    faces = heard(sent(motion, flame))
    assert misfit(faces, flame) is None and motion.eyelids is not None
    assert_same(rig_motion(faces, flame), motion)
    assert "was sent for head " + flame.fingerprint in str(misfit(faces, load_head()))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_of_a_bad_network_the_frames_that_came_are_exact(seed):
    head, rng = load_head(), np.random.default_rng(seed)
    motion = a_motion(head)
    datagrams = sent(motion, head)
    arriving = sorted(
        (5 + moment(data) - DAY + rng.exponential(0.02), data) for data in datagrams if rng.random() > 0.1 for _ in range(1 + (rng.random() < 0.1))
    )
    assembly = Assembly(ue)
    faces = [face for arrived, data in arriving if (face := assembly.add(data, arrived)) is not None]
    came = np.unique([int(np.frombuffer(data, "<u4", 1, 16)[0]) - _first(datagrams) for _, data in arriving if data[3] == 2])
    assert misfit(faces, head) is None and 90 < len(came) < 120
    found = rig_motion(faces, head)
    assert len(found) == came[-1] - came[0] + 1
    assert_same(found, motion.frames(np.arange(came[0], came[-1] + 1)), came - came[0])
    lost = np.setdiff1d(np.arange(len(found)), came - came[0])
    assert abs(found.expr[lost]).max(initial=0) <= 1 and np.isfinite(found.rotation).all()


def _first(datagrams: list[bytes]) -> int:
    return int(np.frombuffer(frames(datagrams)[0], "<u4", 1, 16)[0])


def test_another_rate_draws_between_the_frames():
    head = load_head()
    motion = a_motion(head, Fraction(30), 60)
    found = rig_motion(heard(sent(motion, head)), head, Fraction(60))
    assert found.fps == 60 and len(found) == 119
    assert_same(found.frames(np.arange(0, 119, 2)), motion)
    np.testing.assert_allclose(found.expr[1::2], (motion.expr[1:] + motion.expr[:-1]) / 2, atol=1e-6)


def test_it_is_the_arkit_path_s_frames_and_gaps():
    head = load_head()
    datagrams = sent(a_motion(head), head)
    faces = heard([data for data in datagrams if not 0.5 < moment(data) - DAY < 1.0])
    take, valid = take_of(faces)
    found = rig_motion(faces, head)
    assert found.fps == take.fps and len(found) == len(take.weights) and not valid.all()
    np.testing.assert_array_equal(found.valid, valid)


def test_it_makes_no_difference_when_the_introduction_comes():
    head = load_head()
    motion = a_motion(head)
    datagrams = sent(motion, head)
    for order in (frames(datagrams) + introductions(datagrams)[-1:], frames(datagrams)[:50] + introductions(datagrams)[:1] + frames(datagrams)[50:]):
        faces = heard(order)
        assert misfit(faces, head) is None
        assert_same(rig_motion(faces, head), motion)
    assert misfit(heard(frames(datagrams)), head) == "no introduction of its sender's came"


@pytest.mark.parametrize(
    ("head", "channels", "why"),
    [
        ("0" * 16, None, "introduced itself as another one"),
        (None, 2, "introduced itself as another one"),
    ],
)
def test_an_introduction_that_changes_leaves_the_whole_take_to_arkit(head, channels, why):
    ours = load_head()
    datagrams = sent(a_motion(ours), ours)
    first = ue.introduction(introductions(datagrams)[0])
    assert first is not None
    other = replace(first, head=first.head if head is None else head, channels=first.channels[:-channels] if channels else first.channels)
    for place in (0, 30, len(datagrams)):
        faces = heard([*datagrams[:place], ue.introduce(other), *datagrams[place:]])
        assert len(faces) == 120 and why in str(misfit(faces, ours))


def test_frames_that_are_not_those_of_the_introduction_leave_it_to_arkit():
    head = load_head()
    datagrams = sent(a_motion(head), head)
    short = Frame(ue.stream_of("Ana"), DAY + 10, 999, np.zeros(100, np.float32))
    assert "other numbers" in str(misfit(heard([*datagrams, pack(short) + b"\3\0Ana"]), head))


@pytest.mark.parametrize(
    ("channels", "why"),
    [
        ((), "does not name the rig's channels"),
        ((("expr", 51), ("jaw_pose", 3), ("neck_pose", 3), ("eyes_pose", 6), ("rotation", 3)), "does not name the rig's channels"),
        ((("expr", 52), ("jaw_pose", 3), ("neck_pose", 3), ("eyes_pose", 6), ("rotation", 3), ("translation", 3)), "does not name"),
        ((("expr", 51), ("jaw_pose", 3), ("neck_pose", 3), ("eyes_pose", 6), ("rotation", 3), ("translation", 3)), None),
        ((("glow", 4), ("translation", 3), ("jaw_pose", 3), ("neck_pose", 3), ("expr", 51), ("eyes_pose", 6), ("rotation", 3)), None),
    ],
)
def test_what_a_sender_of_one_s_own_has_to_name(channels, why):
    head, rng = load_head(), np.random.default_rng(0)
    rig = [{name: rng.uniform(-1, 1, width).astype(np.float32) for name, width in channels} for _ in range(4)]
    still = np.zeros(52, np.float32), np.zeros(3, np.float32), np.zeros(6, np.float32)
    said = [BridgeFrame("Ana", n, n / 30, Fraction(30), *still, part, head.fingerprint, DAY + n / 30) for n, part in enumerate(rig)]
    faces = heard([data for frame in said for data in ue.encode(frame)])
    found = misfit(faces, head)
    if why is not None:
        assert found is not None and (why in found or (not channels and "has no rig" in found))
        return
    assert found is None
    motion = rig_motion(faces, head)
    assert motion.neck_translation is None
    for name in ("expr", "translation"):
        np.testing.assert_array_equal(getattr(motion, name), np.stack([part[name] for part in rig]))


def test_who_takes_over_a_name_is_of_the_same_rig_or_the_take_is_arkit_s():
    head = load_head()
    motion = a_motion(head)
    first = sent(motion, head)
    cut = next(index for index, data in enumerate(first) if moment(data) - DAY > 0.9)
    second = [of_stream(data, 9) for data in first[cut:]]
    # The first one is still there, and is not heard any more.
    assembly = Assembly(ue)
    faces = heard([*first[:cut], *second[:20], *first[cut : cut + 20], *second[20:]], assembly)
    assert 0 < assembly.refused <= 20 and "several senders" in assembly.trouble and len({face.stream for face in faces}) == 2
    assert misfit(faces, head) is None
    assert_same(rig_motion(faces, head), motion)
    assert misfit(heard([*first[:cut], *frames(second)]), head) == "no introduction of one of its senders came"
    stranger = [of_stream(data, 9) for data in sent(motion, head, "0" * 16)[cut:]]
    other = of_stream(introductions(sent(motion, head, "0" * 16))[0], 9)
    assert "was sent for head 0000" in str(misfit(heard([*first[:cut], other, *stranger]), head))
    # One of whom nothing counts is nobody's trouble.
    faces = heard([*first[:cut], other, *first[cut:]])
    assert misfit(faces, head) is None and len(faces) == 120


def test_numbers_that_are_none_are_no_frame_and_those_of_no_head_are_arkit_s():
    head = load_head()
    motion = a_motion(head)
    datagrams = sent(motion, head)
    for value, count in ((np.nan, 119), (np.inf, 119), (-np.inf, 119), (3e38, 120)):
        bad = list(datagrams)
        at = next(index for index, data in enumerate(bad) if index > 40 and data[3] == 2)
        bad[at] = bad[at][: 24 + 4 * 70] + np.float32(value).tobytes() + bad[at][24 + 4 * 71 :]
        faces = heard(bad)
        assert len(faces) == count and (misfit(faces, head) is None) == (count == 119)
    assert "no head has" in str(misfit(faces, head))


_WIDTHS = st.sampled_from((1, 2, 3, 6, 51, 52, 60))
_ANY_CHANNELS = st.lists(st.tuples(st.sampled_from((*NAMES, "arkit", "eyes", "x")), _WIDTHS), max_size=12, unique_by=lambda channel: channel[0])
_OUR_CHANNELS = st.permutations([("expr", 51), *((name, width) for name, width in CHANNELS.items() if name != "eyelids")])


_HEAD = "f61468abfb2bd728"
_USUAL = {"stream": 1, "head": _HEAD, "fps": (60, 1), "channels": None, "broken": None, "width": None, "value": 0.5}
"""What a sender of ours says; None for what goes with the rest."""
_STRANGE = {
    "stream": st.just(2),
    "head": st.sampled_from(("0" * 16, "")),
    "fps": st.sampled_from(((1, 1000), (1000, 1), (2**32 - 1, 2**26))),
    "channels": _ANY_CHANNELS,
    "broken": st.tuples(st.integers(0, 200), st.integers(0, 255)),
    "width": st.sampled_from((61, 132, 229)),
    "value": st.sampled_from((0.0, -999.0, 1001.0, -3.4e38)),
}


@settings(max_examples=500, deadline=None)
@given(_OUR_CHANNELS, st.lists(st.tuples(st.integers(0, 5), st.sampled_from(sorted(_STRANGE))), max_size=4), st.booleans(), st.data())
def test_whatever_introduces_itself_there_is_a_motion_of_the_head_or_none(known, strange, late, data):
    head = load_head()
    assembly, faces = Assembly(ue), []
    for number in range(6):
        says = _USUAL | {what: data.draw(_STRANGE[what]) for at, what in strange if at == number}
        channels = (*ue.FACE, *(known if says["channels"] is None else says["channels"]))
        packet = bytearray(ue.introduce(ue.Introduction(says["stream"], number / 60, "a", says["head"], Fraction(*says["fps"]), channels)))
        if says["broken"] is not None:
            packet[says["broken"][0] % len(packet)] = says["broken"][1]
        width = says["width"] or sum(width for _, width in known) + 61
        frame = pack(Frame(1, number / 60, number, np.full(width, says["value"], np.float32))) + b"\1\0a"
        for each in (frame, bytes(packet)) if late else (bytes(packet), frame):
            face = assembly.add(each, 1 + number / 60)
            faces += [] if face is None else [face]
    assert len(faces) == 6
    if misfit(faces, head) is not None:
        assert strange
        return
    motion = rig_motion(faces, head)
    assert motion.expr.shape == (6, head.num_expr) and motion.fps == 60
    assert all(np.isfinite(getattr(motion, name)).all() for name in NAMES if getattr(motion, name) is not None)


@given(st.binary(max_size=1300))
def test_no_bytes_are_an_introduction_by_chance(data):
    with pytest.raises(ue.DatagramError):
        ue.introduction(b"B" + data)


def test_a_flood_of_introductions_is_no_flood_of_memory_and_costs_nobody_who_is_there():
    head = load_head()
    datagrams = sent(a_motion(head), head)
    assembly, faces = Assembly(ue), []
    flood = ue.introduction(introductions(datagrams)[0])
    assert flood is not None
    for number, data in enumerate(datagrams[:30]):
        faces += heard([data], assembly)
        for other in range(100):
            assembly.add(ue.introduce(replace(flood, stream=1000 * number + other, subject=f"s{other}")), 5.0)
    gc.collect()
    assert sum(type(each) is Stream for each in gc.get_objects()) < 1500 and misfit(faces, head) is None
    assert assembly.subjects == ["Ana"]
    # Whom it did cost the place is known again with the next introduction, and the frames of before still know theirs.
    streams = Streams()
    first = streams.of("a", 1)
    for number in range(2000):
        streams.of("b", number)
    assert streams.of("a", 1) is not first


def test_live_the_rig_s_channels_follow_as_soon_as_they_are_known():
    head, found, told = load_head(), [], []
    motion = a_motion(head, frames=40)
    datagrams = sent(motion, head)
    order = [*frames(datagrams)[:20], introductions(datagrams)[0], *frames(datagrams)[20:]]
    arriving = [(data, 5 + moment(data) - DAY) for data in order]
    follow_faces(Assembly(ue), iter(arriving), None, 0.0, told.append, head)(lambda *pushed: found.append(pushed))
    assert told == ["following Ana", "by the rig's own channels"] and len(found) == 40
    assert all(set(channels) == {ARKIT, HEAD, EYES} for _, _, channels in found[:20])
    np.testing.assert_array_equal(np.stack([channels["expr"] for _, _, channels in found[20:]]), motion.expr[20:])
    # What comes between a frame that has them and one that has not is the face.
    buffer = JitterBuffer(0.0)
    for each in found[19:21]:
        buffer.push(*each)
    assert set(buffer.at(found[19][1] + 1 / 120) or {}) == {ARKIT, HEAD, EYES}
    sent_at, arrived, face = found[20][0] + 1 / 60, found[20][1] + 1 / 60, found[0][2]
    buffer.push(sent_at, arrived, face)
    assert set(buffer.at(arrived - 1 / 120) or {}) == {ARKIT, HEAD, EYES}
    for calm, theirs, line in ((0.1, head, "the calm face is known"), (0.0, replace(head, fingerprint="0" * 16), "by ARKit's 52 weights")):
        pushed, told = [], []
        follow_faces(Assembly(ue), iter(arriving), None, calm, told.append, theirs)(lambda *each, into=pushed: into.append(each))
        assert len(told) == 2 and line in told[1] and all(set(channels) == {ARKIT, HEAD, EYES} for _, _, channels in pushed)
