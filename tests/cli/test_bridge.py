"""A face sent to other programs and received again, by the command line."""

import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from avatar3d.arkit import ARKIT_INDEX, EXPR_NAMES
from avatar3d.arkit_file import write_arkit
from avatar3d.arkit_weights import arkit_of, head_turns
from avatar3d.avatar_file import save_avatar
from avatar3d.cli.follow import channels_of, watched
from avatar3d.cli.shows import live_show
from avatar3d.cli.ways import way_out
from avatar3d.head.retarget import fit_retarget, retarget
from avatar3d.head.store import load_head
from avatar3d.motion import load_motion, rest_motion, save_motion
from recon.bench import bench_avatar
from tests.ports import tcp_port, udp_port
from tests.viewer.bridge.faces import a_frame, read_livelink
from tests.viewer.stream.reader import Viewer
from viewer.bridge import livelink
from viewer.bridge.receiver import Assembly, Listener
from viewer.bridge.recording import recorded, recording
from viewer.stream.playback import track_of


@pytest.fixture(scope="module")
def grimacing(tmp_path_factory) -> Path:
    """Two seconds of every shape, at 30 frames a second."""
    head, rng = load_head(), np.random.default_rng(0)
    motion = rest_motion(head, 60, Fraction(30))
    t = np.arange(60)[:, None] / 30
    motion.expr[:] = 0.5 + 0.5 * np.sin(t * rng.uniform(1, 6, head.num_expr) + rng.uniform(0, 6, head.num_expr))
    motion.jaw_pose[:, 0] = head.jaw_open_angle * (0.5 + 0.5 * np.sin(5 * t[:, 0]))
    motion.neck_pose[:] = 0.2 * np.sin(t * [1, 2, 3])
    motion.eyes_pose[:, [0, 1, 3, 4]] = 0.3 * np.sin(t * [1, 2, 1, 2])
    path = tmp_path_factory.mktemp("motion") / "grimace.npz"
    save_motion(motion, path)
    return path


@contextmanager
def command(*words: object, until: str) -> Iterator[tuple[subprocess.Popen, str]]:
    """The command in a process of its own, once it has said a line on standard error or output that begins so."""
    process = subprocess.Popen(
        [sys.executable, "-m", "avatar3d.cli.main", *map(str, words)],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    try:
        assert process.stdout is not None
        said = [""]
        while not said[-1].startswith(until):
            said.append(process.stdout.readline())
            assert said[-1], said
        yield process, said[-1]
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("scheme", ["livelink", "vmc"])
def test_a_motion_comes_through_as_it_was(run, small_avatar, grimacing, tmp_path, scheme):
    port, out = udp_port(), tmp_path / "again.npz"
    address = f"{scheme}://127.0.0.1:{port}"
    with command("receive", "--from", address, "-o", out, until="listening") as (process, _):
        sent = run("stream", small_avatar, "--motion", grimacing, "--to", address, "--fps", 30, "--subject", "Ana", "--record", tmp_path / "s.pcap")
        assert sent.status == 0 and "Ana: 60 frames, 2.0 s" in sent.out and "next: avatar3d stream --replay" in sent.out
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
    head, before, after = load_head(), load_motion(grimacing), load_motion(out, load_head())
    assert after.fps == 30 and 50 < len(after) <= 60
    # What a busy machine left out was filled in; all other frames are what they were.
    off = 255 * abs(arkit_of(before, head)[: len(after)] - arkit_of(after, head)).max(axis=1)
    assert (off < 1).mean() > 0.7
    np.testing.assert_allclose(head_turns(before)[: len(after)], head_turns(after), atol=0.05)
    again = run("receive", "--from", tmp_path / "s.pcap", "-o", tmp_path / "third.npz", "--avatar", small_avatar)
    assert again.status == 0 and len(load_motion(tmp_path / "third.npz", head)) == len(after)


def test_several_subjects_go_out_at_once_and_become_a_file_each(run, small_avatar, grimacing, tmp_path):
    save_motion(rest_motion(load_head(), 30, Fraction(30)), tmp_path / "still.npz")
    words = ("--motion", grimacing, tmp_path / "still.npz", "--subject", "Ana", "Ben B")
    sent = run("stream", small_avatar, *words, "--to", f"livelink://:{udp_port()}", "--record", tmp_path / "s.pcap")
    assert sent.status == 0 and "Ana: 120 frames" in sent.out and "Ben B: 60 frames" in sent.out
    read = [read_livelink(passed.data) for passed in recorded(tmp_path / "s.pcap")]
    codes = {name: [each["frame"] for each in read if each["subject"] == name] for name in ("Ana", "Ben B")}
    assert all(len(each) > 30 and (np.diff(each) > 0).all() for each in codes.values()) and {each["numerator"] for each in read} == {60}
    assert run("receive", "--from", tmp_path / "s.pcap", "-o", tmp_path / "m.npz").status == 0
    assert {path.name for path in tmp_path.glob("m*.npz")} == {"m.Ana.npz", "m.Ben_B.npz"}
    assert run("receive", "--from", tmp_path / "s.pcap", "-o", tmp_path / "m.csv", "--subject", "Ana").status == 0
    assert (tmp_path / "m.csv").is_file()


def _recorded_of(path: Path, subjects: list[tuple[str, int]]) -> Path:
    """A recording of Live Link Face in which each of the subjects has so many frames, a sixtieth of a second apart by its time code."""
    with recording(path) as recorder:
        assert recorder is not None
        for subject, count in subjects:
            for number in range(count):
                recorder.add(livelink.encode(replace(a_frame(number), subject=subject))[0], livelink.PORT)
    return path


def test_a_stray_datagram_costs_nobody_a_take(run, tmp_path):
    source = _recorded_of(tmp_path / "s.pcap", [("stray", 1), ("Ana", 20)])
    outcome = run("receive", "--from", source, "-o", tmp_path / "m.npz")
    assert outcome.status == 0 and "stray: is left out" in outcome.err and len(load_motion(tmp_path / "m.npz")) == 20
    assert run("receive", "--from", _recorded_of(tmp_path / "t.pcap", [("stray", 1), ("other", 1)]), "-o", tmp_path / "n.npz").status == 2


def test_subjects_whose_names_are_one_in_files_get_a_file_each(run, tmp_path):
    # Capitals are no difference to some file systems.
    source = _recorded_of(tmp_path / "s.pcap", [("A B", 10), ("A_B", 20), ("a;b", 15)])
    assert run("receive", "--from", source, "-o", tmp_path / "m.npz").status == 0
    assert [len(load_motion(tmp_path / name)) for name in ("m.A_B.npz", "m.A_B-2.npz", "m.a_b-3.npz")] == [10, 20, 15]


def test_what_was_sent_is_sent_again(run, small_avatar, grimacing, tmp_path):
    assert run("stream", small_avatar, "--motion", grimacing, "--to", f"osc://:{udp_port()}", "--record", tmp_path / "s.pcap").status == 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ear:
        ear.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        ear.bind(("127.0.0.1", 0))
        ear.settimeout(5)
        outcome = run("stream", "--replay", tmp_path / "s.pcap", "--to", f"osc://:{ear.getsockname()[1]}")
        expected = [passed.data for passed in recorded(tmp_path / "s.pcap")]
        assert outcome.status == 0 and [ear.recv(2000) for _ in expected] == expected


def test_a_recording_is_not_sent_as_another_protocol(refused, tmp_path):
    source = _recorded_of(tmp_path / "s.pcap", [("Ana", 5)])
    refused("stream", "--replay", source, "--to", "osc://", match=("s.pcap", "speaks livelink", "livelink://HOST:PORT"))
    with recording(tmp_path / "noise.pcap") as recorder:
        assert recorder is not None
        recorder.add(b"noise", 9000)
    refused("stream", "--replay", tmp_path / "noise.pcap", "--to", "osc://", match=("noise.pcap", "holds no face"))


def test_addresses_of_the_newer_kind_stand_in_brackets(run, tmp_path):
    source = _recorded_of(tmp_path / "s.pcap", [("Ana", 2)])
    outcome = run("stream", "--replay", source, "--to", "livelink://[::1]:26111")
    assert outcome.status == 0 and "sent to [::1]:26111" in outcome.out


def test_a_phone_moves_the_head_on_a_page(run, small_avatar, grimacing, tmp_path):
    assert run("stream", small_avatar, "--motion", grimacing, "--to", f"livelink://:{udp_port()}", "--record", tmp_path / "s.pcap").status == 0
    words = ("stream", small_avatar, "--from", tmp_path / "s.pcap", "--to", f"ws://:{tcp_port()}")
    with command(*words, until="open ") as (process, line):
        found = re.search(r"http://[\d.]+:(\d+)", line)
        assert found is not None
        with Viewer(int(found[1])) as viewer:
            jaws = []
            while isinstance(message := viewer.receive(), bytes):
                if message[3] == 2:
                    jaws.append(np.frombuffer(message, "<f4", 1, 24 + 4 * 51)[0])
        assert len(jaws) > 20 and np.ptp(jaws) > 0.1 and process.wait(20) == 0


def test_a_page_s_stream_is_sent_on(small_avatar, grimacing):
    with (
        command("stream", small_avatar, "--motion", grimacing, "--loop", "--to", f"ws://:{tcp_port()}", until="open ") as (_, line),
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ear,
    ):
        ear.bind(("127.0.0.1", 0))
        ear.settimeout(30)
        found = re.search(r"http://([\d.]+:\d+)", line)
        assert found is not None
        words = ("--from", f"ws://{found[1]}", "--to", f"livelink://:{ear.getsockname()[1]}")
        with command("stream", small_avatar, *words, until="sending") as (process, _):
            read = [read_livelink(ear.recv(2000)) for _ in range(60)]
            process.send_signal(signal.SIGINT)
            assert process.wait(20) == 0
    assert np.ptp([each["values"]["JawOpen"] for each in read]) > 0.2 and len({each["frame"] for each in read}) == 60


def test_a_live_sound_is_sent_at_sixty_frames_a_second(run, small_avatar, spoken, tmp_path):
    outcome = run("stream", small_avatar, "--live", spoken, "--to", f"livelink://:{udp_port()}", "--record", tmp_path / "s.pcap")
    read = [read_livelink(passed.data) for passed in recorded(tmp_path / "s.pcap")]
    assert outcome.status == 0 and len(read) > 35 and (np.diff([each["frame"] for each in read]) > 0).all()
    assert np.ptp([each["values"]["JawOpen"] for each in read]) > 0.05


def test_a_take_of_the_phone_is_received_and_performed(run, small_avatar, tmp_path):
    weights = np.zeros((30, 52), np.float32)
    weights[:, 24] = np.linspace(0, 1, 30)
    write_arkit(tmp_path / "take.csv", weights, Fraction(60), np.tile([0.1, 0, 0], (30, 1)))
    assert run("receive", "--from", tmp_path / "take.csv", "-o", tmp_path / "m.npz", "--fps", 30).status == 0
    assert len(load_motion(tmp_path / "m.npz")) == 15
    sent = run("stream", small_avatar, "--motion", tmp_path / "take.csv", "--to", f"vmc://:{udp_port()}")
    assert sent.status == 0 and "30 frames" in sent.out


def test_an_avatar_on_flame_is_sent_by_what_fits_and_the_misfit_is_said(run, flame_file, grimacing, tmp_path):
    ours, theirs = load_head(), load_head(flame_file)
    save_avatar(bench_avatar(theirs, 300), tmp_path / "flame.avatar")
    motion = load_motion(grimacing, ours)
    # Faces that do not ask for everything at once.
    motion.expr[:] *= 0.3
    motion.expr[:, [index for index, name in enumerate(EXPR_NAMES) if name.startswith("eyeLook") or name == "tongueOut"]] = 0
    save_motion(retarget(motion, fit_retarget(ours, theirs)), tmp_path / "flame.npz")
    words = ("--motion", tmp_path / "flame.npz", "--head", flame_file, "--to", f"livelink://:{udp_port()}", "--record", tmp_path / "s.pcap")
    sent = run("stream", tmp_path / "flame.avatar", *words)
    assert sent.status == 0 and "furthest off" in sent.err and " mm" in sent.err and "head arkit --to" in sent.err
    read = [read_livelink(passed.data)["values"] for passed in recorded(tmp_path / "s.pcap")]
    jaw = np.array([each["JawOpen"] for each in read])
    wanted = np.interp(np.linspace(0, 59, len(jaw)), np.arange(60), motion.jaw_pose[:, 0] / ours.jaw_open_angle)
    assert np.corrcoef(jaw, wanted)[0, 1] > 0.98
    words = ("--from", tmp_path / "s.pcap", "-o", tmp_path / "m.npz", "--avatar", tmp_path / "flame.avatar", "--head", flame_file)
    assert run("receive", *words).status == 0 and load_motion(tmp_path / "m.npz", theirs).eyelids is not None


@pytest.mark.parametrize(("phone", "to", "on_flame"), [(True, "ws", True), (True, "ue://", True), (False, "ue://", False)])
def test_no_frame_waits_for_a_map_between_heads(flame_file, phone, to, on_flame, monkeypatch):
    head = load_head(flame_file if on_flame else None)
    person, way = replace(bench_avatar(head, 100), head=replace(head, redistributable=True)), way_out(to, None, None, None)
    monkeypatch.setattr("viewer.export.web.page_parts", lambda *_: {})
    fit_retarget.cache_clear()
    live_show(person, "", Fraction(30), 0, "ana", "", way, "")
    made = channels_of(person, way)
    maps = fit_retarget.cache_info().misses
    weights = np.zeros(52, np.float32)
    weights[ARKIT_INDEX["jawLeft"]] = 1
    channels = {"arkit": weights, "head": np.zeros(3, np.float32), "eyes": np.zeros(6, np.float32)}
    if not phone:
        still = track_of(rest_motion(person.head, 1), person.head)
        channels = {**{name: values[0] for name, values in still.items()}, "jaw_pose": np.array([0, 0.2, 0], np.float32)}
    assert made(channels)["jaw_pose"].shape == (3,) and fit_retarget.cache_info().misses == maps


def test_no_more_is_kept_than_there_is_room_for(run, small_avatar, grimacing, tmp_path, monkeypatch):
    monkeypatch.setattr("avatar3d.cli.receive._MOST_FRAMES", 40)
    assert run("stream", small_avatar, "--motion", grimacing, "--to", f"livelink://:{udp_port()}", "--record", tmp_path / "s.pcap").status == 0
    outcome = run("receive", "--from", tmp_path / "s.pcap", "-o", tmp_path / "m.npz")
    # A busy sender leaves frames out, which are filled in.
    assert outcome.status == 0 and "40 frames were received" in outcome.err and 40 <= len(load_motion(tmp_path / "m.npz")) < 80


def test_silence_and_noise_are_told(run, tmp_path):
    port = udp_port()
    out = tmp_path / "m.npz"
    with command("receive", "--from", f"livelink://127.0.0.1:{port}", "-o", out, until="listening") as (process, _):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as mouth:
            for _ in range(50):
                mouth.sendto(b"/VMC/Ext/OK\0,\0\0\0", ("127.0.0.1", port))
                time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        said = process.stdout.read() if process.stdout else ""
        assert process.wait(20) == 2 and "no face was heard" in said and "50 datagrams were passed over" in said
    assert not out.exists()


@pytest.mark.parametrize(
    ("words", "match"),
    [
        (("--motion", "M", "--from", "livelink://", "--to", "vmc://"), ("--motion and --from", "contradict")),
        (("--from", "vmc://", "--text", "hi", "--to", "livelink://"), ("--from", "leave out")),
        (("--from", "ftp://x", "--to", "livelink://"), ("--from ftp://x", "is not known", "livelink://HOST:PORT")),
        (("--motion", "M", "M", "--to", "vmc://"), ("2 motions", "takes one")),
        (("--motion", "M", "M", "--to", "livelink://"), ("--subject", "a name each")),
        (("--motion", "M", "M", "--subject", "Ana", "ana", "--to", "ue://"), ("--subject: Ana, ana", "do not tell capitals")),
        (("--motion", "M", "M", "--subject", "a b", "A-b", "--to", "osc://", "--record", "x.txt"), ("x.txt", "end in .pcap")),
        (("--motion", "M", "M", "--subject", "a b", "A_b", "--to", "osc://"), ("--subject: a b, A_b", "osc spells a_b, A_b", "a name each")),
        (("--from", "take.csv", "--to", "livelink://"), ("--from take.csv", "give it as --motion take.csv")),
        (("--from", "livelink://", "--to", "livelink://"), ("is where --from livelink:// listens", "another port")),
        (("--from", "vmc://0.0.0.0:11111", "--to", "livelink://localhost"), ("is where --from vmc://0.0.0.0:11111 listens",)),
        (("--motion", "M", "M", "--subject", "a", "--to", "livelink://"), ("--subject", "1 names for 2 motions")),
        (("--motion", "M", "--subject", "", "--to", "livelink://"), ("--subject", "1 to 64 letters")),
        (("--motion", "M", "--calm", "1", "--to", "livelink://"), ("--calm", "--from")),
        (("--motion", "M", "--fps", "0", "--to", "livelink://"), ("--fps 0", "1 to 240")),
        (("--motion", "M", "--fps", "30", "--to", "ws"), ("--to ws", "leave --fps")),
        (("--motion", "M", "--token", "a" * 9, "--to", "osc://"), ("--token", "pages")),
        (("--motion", "M", "--to", "livelink://no.such.host.invalid"), ("no.such.host.invalid", "cannot be sent to")),
        (("--motion", "M", "--to", "livelink://a:b"), ("is no address", "livelink://127.0.0.1:11111")),
        (("--to", "livelink://"), ("give what is performed", "--from SOURCE")),
        (("--from", "M", "--to", "livelink://"), ("--from", "is not known")),
        (("--from", "missing.pcap", "--to", "livelink://"), ("missing.pcap: no such file",)),
        (("--from", "ws://127.0.0.1:9/", "--to", "livelink://"), ("ws://127.0.0.1:9/", "cannot be watched")),
    ],
)
def test_what_cannot_be_is_one_line(refused, small_avatar, grimacing, words, match):
    refused("stream", small_avatar, *(grimacing if word == "M" else word for word in words), match=match)


def test_receiving_refuses_what_cannot_be(refused, tmp_path, grimacing):
    refused("receive", "--from", "livelink://", "-o", tmp_path / "m.mp4", match=("m.mp4", ".npz"))
    refused("receive", "--from", grimacing, "-o", tmp_path / "m.npz", match=("is not known", ".pcap"))
    elsewhere = ("192.0.2.1:11111", "cannot be listened on", "0.0.0.0")
    refused("receive", "--from", "livelink://192.0.2.1:11111", "-o", tmp_path / "m.npz", match=elsewhere)
    (tmp_path / "x.pcap").write_bytes(b"junk")
    refused("receive", "--from", tmp_path / "x.pcap", "-o", tmp_path / "m.npz", match=("x.pcap", "is no pcap recording"))
    refused("stream", "--to", "livelink://", match=("give the avatar",))
    refused("stream", "--replay", tmp_path / "x.pcap", "--to", "ws", match=("--replay", "--from"))
    words = ("--from", tmp_path / "x.pcap", "-o", tmp_path / "m.npz", "--record", tmp_path / "y.pcap")
    refused("receive", *words, match=("--record", "x.pcap is a file already"))
    for option in (("--subject", "ana"), ("--seconds", "1")):
        refused("receive", "--from", "x.csv", "-o", tmp_path / "m.npz", *option, match=("x.csv", "one face's take", "leave --subject"))
    assert {path.name for path in tmp_path.iterdir()} == {"x.pcap"}


def test_a_recording_says_what_it_holds_and_whether_it_is_whole(run, refused, tmp_path):
    with recording(tmp_path / "two.pcap") as recorder:
        assert recorder is not None
        recorder.add(b"/noise", 1)
        for number in range(60):
            for name in ("Ana", "Zoë")[: 1 + number % 2]:
                recorder.add(livelink.encode(replace(a_frame(), subject=name, seconds_of_day=number / 60))[0], 11_111)
    told = run("info", tmp_path / "two.pcap")
    assert told.status == 0 and "recording of livelink" in told.out and "91 datagrams, 1 of them passed over" in told.out
    assert "Ana: 60 frames, 1.0 s" in told.out and "Zoë: 30 frames, 1.0 s" in told.out
    assert "whole" in run("check", tmp_path / "two.pcap").out
    (tmp_path / "cut.pcap").write_bytes((tmp_path / "two.pcap").read_bytes()[:-100])
    assert "Ana: 60 frames" in run("info", tmp_path / "cut.pcap").out
    refused("check", tmp_path / "cut.pcap", match=("cut.pcap: breaks off after", "copy it again"))


def test_whose_face_never_came_is_told_with_those_that_did(run, refused, small_avatar, tmp_path, monkeypatch):
    with recording(tmp_path / "ana.pcap") as recorder:
        assert recorder is not None
        for number in range(3):
            recorder.add(livelink.encode(replace(a_frame(), subject="Ana", seconds_of_day=number / 60))[0], 11_111)
    words = ("--from", tmp_path / "ana.pcap", "--subject", "Zoe", "--to", f"ue://:{udp_port()}")
    assert (outcome := run("stream", small_avatar, *words)).status == 2 and "no face was heard of Zoe; heard were Ana" in outcome.err
    # While it listens, too.
    said: list[str] = []
    monkeypatch.setattr("avatar3d.cli.follow._TOLD_EVERY", 0.0)
    monkeypatch.setattr("avatar3d.cli.follow.note", said.append)
    assembly = Assembly(livelink)
    with Listener("127.0.0.1", 0) as listener:
        heard = watched("livelink://", assembly, listener, "Ana")
        for name in ("Ben", "Ana"):
            assert next(heard) is None
            assembly.add(b"GET / HTTP/1.1", 0.0)
            assembly.add(livelink.encode(replace(a_frame(), subject=name))[0], 0.0)
        assert next(heard) is None
    assert len(said) == 1 and said[0].startswith("no face was heard yet on livelink:// of Ana; heard were Ben; 1 datagrams were passed over (")
