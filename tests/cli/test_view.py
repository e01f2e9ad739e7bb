"""view: what it refuses, and how it begins and ends."""

import errno
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import replace
from fractions import Fraction
from urllib.parse import urlsplit

import numpy as np
import pytest

from avatar3d.head.store import load_head
from avatar3d.motion import rest_motion, save_motion

pytest.importorskip("viser")


@pytest.fixture
def busy_port():
    """A port that somebody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_no_such_avatar(refused, tmp_path):
    refused("view", tmp_path / "nobody.avatar", match=("nobody.avatar", "no such file"))


@pytest.mark.parametrize("content", [None, b"", b"no avatar"], ids=["cut", "empty", "text"])
def test_what_is_no_avatar_is_refused_before_an_address_is_said(run, small_avatar, tmp_path, content):
    broken = tmp_path / "broken.avatar"
    whole = small_avatar.read_bytes()
    broken.write_bytes(whole[: len(whole) // 2] if content is None else content)
    outcome = run("view", broken, "--port", 0)
    assert outcome.status == 2 and not outcome.out and "broken.avatar: is not an avatar or is damaged" in outcome.err


def test_a_motion_for_an_avatar_and_an_avatar_for_a_motion(run, small_avatar, tmp_path):
    save_motion(rest_motion(load_head(), 3, Fraction(25)), tmp_path / "talk.npz")
    outcome = run("view", tmp_path / "talk.npz", "--port", 0)
    assert outcome.status == 2 and not outcome.out and "talk.npz: is a motion, not an avatar; give the .avatar file" in outcome.err
    outcome = run("view", small_avatar, "--motion", small_avatar, "--port", 0)
    assert outcome.status == 2 and not outcome.out and "is an avatar, not a motion; give a motion (.npz)" in outcome.err


def test_a_token_that_cannot_stand_in_an_address(refused, small_avatar):
    refused("view", small_avatar, "--token", "a b", match=("--token",))


def test_a_port_in_use_is_named_and_another_suggested(refused, small_avatar, busy_port):
    line = refused("view", small_avatar, "--port", busy_port, match=(str(busy_port), "try --port"))
    suggested = int(line.rsplit("--port ", 1)[1])
    assert suggested != busy_port
    with socket.create_server(("127.0.0.1", suggested)):
        pass


def test_a_port_that_one_may_not_listen_on_is_no_port_in_use(refused, small_avatar, monkeypatch):
    create = socket.create_server

    def create_server(address, **options):
        if 0 < address[1] < 1024:
            raise PermissionError(errno.EACCES, "Permission denied")
        return create(address, **options)

    monkeypatch.setattr(socket, "create_server", create_server)
    line = refused("view", small_avatar, "--port", 80, match=("127.0.0.1:80", "permission denied", "a port above 1023"))
    assert "in use" not in line and "another program" not in line


def test_an_address_of_another_machine(refused, small_avatar):
    refused("view", small_avatar, "--host", "203.0.113.7", "--port", 0, match=("203.0.113.7", "an address of this machine"))


def test_a_motion_of_another_head(refused, small_avatar, tmp_path):
    motion = replace(rest_motion(load_head(), 3, Fraction(25)), head_fingerprint="0123456789abcdef")
    save_motion(motion, tmp_path / "m.npz")
    refused("view", small_avatar, "--port", 0, "--motion", tmp_path / "m.npz", match=("m.npz", "0123456789abcdef"))


@pytest.mark.parametrize(("option", "complaint"), [("--motion", "is not a motion file"), ("--capture", "not a capture folder")])
def test_what_cannot_be_shown_is_refused_before_an_address_is_said(run, small_avatar, tmp_path, option, complaint):
    (tmp_path / "given").write_bytes(b"nothing of the kind")
    outcome = run("view", small_avatar, "--port", 0, option, tmp_path / "given")
    assert outcome.status == 2 and not outcome.out and "given" in outcome.err and complaint in outcome.err


def test_without_viser(refused, small_avatar, monkeypatch):
    monkeypatch.setitem(sys.modules, "viser", None)
    refused("view", small_avatar, "--port", 0, match=("viser", "pip install"))


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_serves_a_page_to_who_has_its_address_and_ends_by_ctrl_c(small_avatar, host):
    command = [sys.executable, "-c", "from avatar3d.cli.main import main; main()", "view", str(small_avatar), "--port", "0", "--host", host]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        url = next(word for word in line.split() if word.startswith("http"))
        parts = urlsplit(url)
        assert parts.hostname == "127.0.0.1" if host == "127.0.0.1" else parts.hostname not in (None, host)
        assert (parts.path == "/") == (host == "127.0.0.1")
        if parts.path != "/":
            with pytest.raises(urllib.error.HTTPError, match="404"):
                urllib.request.urlopen(f"http://{parts.netloc}/")
        with urllib.request.urlopen(url) as page:
            assert b"<html" in page.read(2000)
        time.sleep(1)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 0, err
    assert out.strip() == "view: closed" and not err


def test_the_performer_asks_for_what_the_page_says(small_avatar, monkeypatch):
    from avatar3d.avatar_file import load_avatar
    from avatar3d.cli import talk
    from avatar3d.cli.view_performer import DriverPerformer
    from avatar3d.performer import Wish

    person = load_avatar(small_avatar, lambda *_: load_head())
    performer = DriverPerformer(person, small_avatar)
    assert "happy" in performer.emotions and not performer.has_own
    asked = []
    monkeypatch.setattr(talk, "performance", lambda *given: asked.append(given) or "motion")
    wish = Wish(text="Hello.", seed=3, emotion={"happy": 0.5, "sad": 0.0}, gaze="5,-3", blink_rate=8, head_amount=0.5, voice="de")
    assert performer.speak(wish) == "motion"
    _, path, talking, directing = asked[0]
    assert path == small_avatar and (talking.text, talking.seed, talking.voice) == ("Hello.", 3, "de")
    assert directing.emotion == ("happy:0.5",) and directing.gaze == "5,-3"
    assert (directing.blink_rate, directing.head_amount, directing.mouth_amount) == (8, 0.5, 1.0)


def test_live_driving_from_a_file_still_writes_its_motion(run, small_avatar, tmp_path):
    from avatar3d.motion import load_motion
    from avatar3d.sound import write_wav

    rng = np.random.default_rng(0)
    write_wav(tmp_path / "s.wav", 0.1 * rng.normal(size=24000), 16000)
    outcome = run("drive", small_avatar, "--live", tmp_path / "s.wav", "-o", tmp_path / "m.npz")
    assert outcome.status == 0, outcome.err
    motion = load_motion(tmp_path / "m.npz", load_head())
    assert abs(motion.duration - 1.5) < 0.1 and motion.sound is not None and "frames on time" in outcome.out


def test_who_presses_ctrl_c_once_more_at_the_end_gets_no_traceback(small_avatar):
    # As a library does that cleans up after itself for a while.
    program = (
        "import atexit, os, signal, sys, time\n"
        "atexit.register(lambda: (os.kill(os.getpid(), signal.SIGINT), time.sleep(0.1)))\n"
        "from avatar3d.cli.main import main\n"
        f"sys.argv = ['avatar3d', 'info', {str(small_avatar)!r}]\n"
        "main()\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0 and not done.stderr, done.stderr
