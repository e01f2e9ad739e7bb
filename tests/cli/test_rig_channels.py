"""What `stream --to ue://` sends of a rig is what `receive` and `stream --from` make of it, on the same head."""

import re
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from avatar3d.avatar import Avatar
from avatar3d.avatar_file import save_avatar
from avatar3d.cli.common import open_avatar
from avatar3d.cli.follow import channels_of
from avatar3d.cli.ways import way_out
from avatar3d.head.model import HeadModel
from avatar3d.head.store import load_head
from avatar3d.motion import CHANNELS, Motion, load_motion, rest_motion, save_motion
from recon.bench import bench_avatar
from tests.ports import tcp_port, udp_port
from tests.viewer.bridge.faces import a_frame
from tests.viewer.stream.reader import Viewer
from viewer.bridge import ue
from viewer.bridge.recording import recorded, recording
from viewer.stream.playback import track_of

_EXACT, _ARKIT = "made of the rig's own channels, as they were sent", "made of ARKit's 52 weights and the head's turns: "


def a_motion(head: HeadModel, frames: int = 60, size: float = 0.3) -> Motion:
    """Two seconds in which every channel moves by itself: more than ARKit has names for."""
    rng, t = np.random.default_rng(1), np.arange(frames)[:, None] / 30
    values = {}
    for name, track in track_of(rest_motion(head, 1), head).items():
        width = track.shape[1]
        values[name] = (size * (0.5 + 0.5 * np.sin(t * rng.uniform(1, 6, width) + rng.uniform(0, 6, width)))).astype(np.float32)
    return replace(rest_motion(head, frames, Fraction(30)), **values)


@pytest.fixture(scope="module")
def moving(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("motion") / "moving.npz"
    save_motion(a_motion(load_head()), path)
    return path


def off(found: Motion, expected: Motion) -> dict[str, float]:
    """How far each channel is from where it should be, in those frames of a performance that a busy machine did not leave out."""
    shared = min(len(found), len(expected))
    out = {}
    for name in ("expr", *CHANNELS):
        theirs, ours = getattr(expected, name), getattr(found, name)
        assert (theirs is None) == (ours is None), name
        if theirs is not None:
            out[name] = float(np.quantile(abs(ours[:shared] - theirs[:shared]).max(axis=1), 0.7))
    return out


def test_on_the_same_head_a_motion_comes_through_as_it_was(run, small_avatar, moving, tmp_path):
    words = ("--motion", moving, "--to", f"ue://:{udp_port()}", "--fps", 30, "--record", tmp_path / "s.pcap")
    assert run("stream", small_avatar, *words).status == 0
    expected = load_motion(moving)
    for name, given in (("plain", ()), ("avatar", ("--avatar", small_avatar))):
        outcome = run("receive", "--from", tmp_path / "s.pcap", "-o", tmp_path / f"{name}.npz", *given)
        assert outcome.status == 0 and outcome.out.count(_EXACT) == 1 and _ARKIT not in outcome.out
    found = load_motion(tmp_path / "plain.npz", load_head())
    assert found.fps == 30 and len(found) > 50 and max(off(found, expected).values()) == 0
    person = open_avatar(small_avatar, None)
    kept = load_motion(tmp_path / "avatar.npz", person.head)
    _assert_within(kept, found, person)
    # ARKit's weights are what a CSV holds, and a calm face is counted in.
    assert "made of" not in run("receive", "--from", tmp_path / "s.pcap", "-o", tmp_path / "m.csv").out
    outcome = run("receive", "--from", tmp_path / "s.pcap", "-o", tmp_path / "calm.npz", "--calm", 0.5)
    assert f"{_ARKIT}--calm is counted" in outcome.out and outcome.out.count("made of") == 1


def _assert_within(kept: Motion, meant: Motion, person: Avatar) -> None:
    """Inside the seen ranges a motion is as it was meant, and nowhere is it far beyond."""
    for name in ("expr", "jaw_pose", "neck_pose", "eyes_pose"):
        low, high = person.statistics.low[name], person.statistics.high[name]
        ours, theirs = getattr(kept, name), getattr(meant, name)
        inside = (theirs >= low) & (theirs <= high)
        np.testing.assert_allclose(ours[inside], theirs[inside], atol=1e-6)
        margin = np.maximum(0.25 * (high - low), 0.005) + 1e-5
        assert (ours >= low - margin).all() and (ours <= high + margin).all()
    np.testing.assert_allclose(kept.translation, meant.translation, atol=1e-6)


def test_a_head_in_flame_s_format_and_another_head(run, flame_file, moving, small_avatar, tmp_path):
    head = load_head(flame_file)
    save_avatar(bench_avatar(head, 300), tmp_path / "flame.avatar")
    save_motion(a_motion(head), tmp_path / "flame.npz")
    words = ("--motion", tmp_path / "flame.npz", "--head", flame_file, "--to", f"ue://:{udp_port()}", "--fps", 30, "--record", tmp_path / "s.pcap")
    assert run("stream", tmp_path / "flame.avatar", *words).status == 0
    outcome = run("receive", "--from", tmp_path / "s.pcap", "-o", tmp_path / "m.npz", "--head", flame_file)
    assert outcome.status == 0 and _EXACT in outcome.out
    assert max(off(load_motion(tmp_path / "m.npz", head), load_motion(tmp_path / "flame.npz")).values()) == 0
    # The embedded one has another rig: it does what the face does.
    outcome = run("receive", "--from", tmp_path / "s.pcap", "-o", tmp_path / "ours.npz", "--avatar", small_avatar)
    assert outcome.status == 0 and f"{_ARKIT}it was sent for head {head.fingerprint}, and this is embedded" in outcome.out
    assert load_motion(tmp_path / "ours.npz", load_head()).eyelids is None


def test_without_an_introduction_and_after_another_one_it_is_arkit_s(run, small_avatar, moving, tmp_path):
    words = ("--motion", moving, "--to", f"ue://:{udp_port()}", "--record", tmp_path / "s.pcap")
    assert run("stream", small_avatar, *words).status == 0
    passed = [each.data for each in recorded(tmp_path / "s.pcap")]
    introduced = next(found for data in passed if (found := ue.introduction(data)) is not None)
    mute = [data for data in passed if ue.introduction(data) is None]
    late = [*mute, ue.introduce(introduced)]
    changed = [*passed, ue.introduce(replace(introduced, channels=introduced.channels[:-1]))]
    for name, datagrams, line in (
        ("mute", mute, f"{_ARKIT}no introduction of its sender's came"),
        ("late", late, _EXACT),
        ("changed", changed, f"{_ARKIT}its sender introduced itself as another one"),
    ):
        with recording(tmp_path / f"{name}.pcap") as recorder:
            assert recorder is not None
            for data in datagrams:
                recorder.add(data, ue.PORT)
        outcome = run("receive", "--from", tmp_path / f"{name}.pcap", "-o", tmp_path / f"{name}.npz")
        assert outcome.status == 0 and line in outcome.out and outcome.out.count("made of") == 1, outcome
    assert not np.array_equal(load_motion(tmp_path / "mute.npz").translation, load_motion(tmp_path / "late.npz").translation)


def test_of_other_protocols_nothing_is_said_of_a_rig(run, tmp_path):
    from viewer.bridge import livelink

    with recording(tmp_path / "s.pcap") as recorder:
        assert recorder is not None
        for number in range(5):
            recorder.add(livelink.encode(a_frame(number))[0], livelink.PORT)
    assert "made of" not in run("receive", "--from", tmp_path / "s.pcap", "-o", tmp_path / "m.npz").out


@pytest.mark.parametrize("page", [True, False])
def test_live_the_rig_s_channels_go_on(small_avatar, page, monkeypatch):
    monkeypatch.setattr("viewer.export.web.page_parts", lambda *_: {})
    person, way = open_avatar(small_avatar, None), way_out(f"ws://:{tcp_port()}" if page else "ue://", None, None, None)
    motion = a_motion(person.head, 5)
    face = {"arkit": np.full(52, 0.25, np.float32), "head": np.zeros(3, np.float32), "eyes": np.zeros(6, np.float32)}
    made = channels_of(person, way)
    out = [made({**face, **{name: values[n] for name, values in track_of(motion, person.head).items()}}) for n in range(5)]
    track = {name: np.stack([each[name] for each in out]) for name in out[0]}
    if page:
        assert not set(face) & set(track)
        _assert_within(replace(motion, **track), motion, person)
        return
    assert all((track[name] == face[name]).all() for name in face)
    for name, values in track_of(motion, person.head).items():
        np.testing.assert_array_equal(track[name], values)


def test_a_page_shows_what_the_sender_s_rig_does(run, small_avatar, moving, tmp_path):
    from tests.cli.test_bridge import command

    words = ("--motion", moving, "--to", f"ue://:{udp_port()}", "--record", tmp_path / "s.pcap")
    assert run("stream", small_avatar, *words).status == 0
    with command("stream", small_avatar, "--from", tmp_path / "s.pcap", "--to", f"ws://:{tcp_port()}", until="open ") as (process, line):
        found = re.search(r"http://[\d.]+:(\d+)", line)
        assert found is not None
        with Viewer(int(found[1])) as viewer:
            seen = []
            while isinstance(message := viewer.receive(), bytes):
                if message[3] == 2:
                    seen.append(np.frombuffer(message, "<f4", 72, 24))
        said = process.stdout.read() if process.stdout else ""
        assert process.wait(20) == 0 and "by the rig's own channels" in said
    # ARKit has no word for where the torso is.
    motion, places = load_motion(moving), np.array(seen)[:, 51 + 3 + 3 + 6 + 3 :][:, :3]
    assert len(seen) > 20 and abs(places - motion.translation[0]).max() > 0.02
    nearest = abs(places[:, None] - motion.translation[None]).max(axis=2).min(axis=1)
    assert np.median(nearest) < 0.02
