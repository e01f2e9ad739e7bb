"""Filming, tracking and fitting at once."""

import itertools
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest

import recon.live_session as module
from avatar3d.data import data_path
from avatar3d.errors import UserError
from avatar3d.head.store import load_head
from recon.capture import load_capture
from recon.live_fit import LIVE, LiveFit
from recon.live_session import FIRST_HEAD, LiveSession
from recon.live_source import LiveSource, in_real_time
from recon.video import read_frames

SMALL = replace(LIVE, gaussians=600, loose=60, bases=2, torso_bases=1, batch=2)
SIZE = 160


def _session(folder, frames: Iterator[np.ndarray], **options) -> LiveSession:
    head = load_head()
    source = LiveSource("camera 0", 512, 512, Fraction(25), in_real_time(frames, 25.0), None)
    return LiveSession(source, folder / "me.capture", head, LiveFit(head, SMALL, threads=1), size=SIZE, **options)


def _endless() -> Iterator[np.ndarray]:
    """The head turns and turns back."""
    pictures = list(itertools.islice(read_frames(data_path("demo", "demo.mp4")), 60, 135))
    return itertools.cycle([*pictures, *pictures[::-1]])


def test_a_film_that_is_stopped_becomes_an_avatar(tmp_path):
    shown = []

    def told(seconds: float, avatar) -> None:
        shown.append((seconds, len(avatar)))
        session.stop()

    session = _session(tmp_path, _endless(), settle=1.0, told=told)
    assert session.head_in == FIRST_HEAD and session.making == "looking for a face"
    tracking, split = session.run()
    assert session.head_in < FIRST_HEAD and session.making == "placing the first Gaussians"
    capture = load_capture(tmp_path / "me.capture")
    assert len(capture) == session.counts["recorded"] == len(tracking.motion) >= session.counts["looked"]
    assert len(split.test) == 0 and len(split.train) == capture.valid.sum()
    assert shown and all(count <= 660 for _, count in shown)
    times = [session.times[name] for name in ("face", "fit", "avatar", "film over", "tracked", "done")]
    assert times == sorted(times)
    moment = session.moment()
    assert moment is not None
    picture, motion = moment
    assert picture.shape == (256, 256, 3) and motion is not None and len(motion) == 1
    assert session.avatar is not None and session.goals[-1].name == "talk" and session.goals[-1].progress > 0
    assert not {thread.name for thread in threading.enumerate()} & {"fit", "look"}


def test_who_has_had_enough_before_it_settles_need_not_say_so_again(tmp_path, monkeypatch):
    track = module.track_capture

    def tracked(*given, **options):
        session.stop()
        return track(*given, **options)

    monkeypatch.setattr(module, "track_capture", tracked)
    session = _session(tmp_path, _endless(), settle=60.0, told=lambda *_: session.stop() if session.filming else None)
    session.run()
    assert session.times["done"] - session.times["tracked"] < 50 and session.avatar is not None


def test_a_fit_learns_for_as_long_as_tracking_took_before_it_is_tracked_anew(tmp_path, monkeypatch):
    class Growing:
        """Footage that grows faster than it is tracked."""

        faces, count = 100, 1

        @property
        def looked(self) -> int:
            self.count *= 2
            return self.count

    done: list[tuple[str, float, float]] = []

    def noting(name: str, seconds: float):
        def work(*_) -> None:
            began = time.monotonic()
            time.sleep(seconds)
            done.append((name, began, time.monotonic()))
            if sum(each == "track" for each, *_ in done) == 3:
                session._fitted.set()

        return work

    session = _session(tmp_path, iter(()))
    instead = {"fit": SimpleNamespace(step=1, advance=noting("learn", 0.01)), "_show": lambda: None, "_renew": noting("track", 0.2)}
    for name, part in instead.items():
        monkeypatch.setattr(session, name, part)
    session._fit(Growing())  # type: ignore[arg-type]
    tracks = [(began, ended) for name, began, ended in done if name == "track"]
    for (began, ended), (again, _) in itertools.pairwise(tracks):
        assert again - ended >= ended - began
    assert [name for name, *_ in done].count("learn") > 2


def test_nobody_in_front_of_the_camera(tmp_path):
    empty = itertools.repeat(np.full((512, 512, 3), 90, np.uint8), 12)
    session = _session(tmp_path, empty)
    with pytest.raises(UserError, match="camera 0: no face"):
        session.run()
    assert not session.filming and not list(tmp_path.iterdir())


def test_what_goes_wrong_while_fitting_ends_the_film(tmp_path, monkeypatch):
    def broken(self, *_) -> None:
        raise UserError("disk: is full")

    monkeypatch.setattr(LiveFit, "renew", broken)
    with pytest.raises(UserError, match="disk: is full"):
        _session(tmp_path, _endless()).run()
    assert not list(tmp_path.iterdir())


def test_a_folder_with_other_things_is_refused_before_filming(tmp_path):
    (tmp_path / "me.capture").mkdir()
    (tmp_path / "me.capture" / "diary.txt").write_text("dear diary")
    with pytest.raises(UserError, match="other things"):
        _session(tmp_path, _endless())
