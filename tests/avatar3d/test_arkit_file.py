"""The CSV of Live Link Face: written as the app writes it, and read however it comes."""

import csv
from fractions import Fraction

import numpy as np
import pytest

from avatar3d.arkit import ARKIT_NAMES
from avatar3d.arkit_file import FILE_ORDER, read_arkit, write_arkit
from avatar3d.errors import UserError


def test_live_link_file_has_the_bytes_of_the_app(tmp_path):
    weights = np.zeros((2, 52), np.float32)
    weights[1, ARKIT_NAMES.index("jawOpen")] = 0.25
    weights[1, ARKIT_NAMES.index("eyeBlinkLeft")] = 1
    write_arkit(tmp_path / "a.csv", weights, Fraction(60), head=np.array([[0, 0, 0], [np.pi / 4, 0, -np.pi / 2]]))
    written = (tmp_path / "a.csv").read_bytes()
    zero = b",0.00000000"
    assert written.startswith(b"Timecode,BlendShapeCount,EyeBlinkLeft,EyeLookDownLeft,EyeLookInLeft,")
    end = b",TongueOut,HeadYaw,HeadPitch,HeadRoll,LeftEyeYaw,LeftEyePitch,LeftEyeRoll,RightEyeYaw,RightEyePitch,RightEyeRoll"
    assert written.split(b"\r\n")[0].endswith(end)
    assert written.split(b"\r\n")[1:] == [
        b"00:00:00:00.000,61" + zero * 61,
        b"00:00:00:01.000,61,1.00000000" + zero * 16 + b",0.25000000" + zero * 34 + b",0.25000000,0.00000000,-0.50000000" + zero * 6,
        b"",
    ]


@pytest.mark.parametrize("fps", [Fraction(25), Fraction(30), Fraction(60), Fraction(30000, 1001)])
def test_live_link_file_is_read_back_by_an_independent_reader_and_by_ours(tmp_path, fps):
    weights = np.random.default_rng(0).uniform(0, 1, (100, 52)).astype(np.float32)
    head = np.random.default_rng(1).uniform(-1, 1, (100, 3))
    write_arkit(tmp_path / "a.csv", weights, fps, head)
    with (tmp_path / "a.csv").open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    for index in (0, 50, 99):
        hours, minutes, seconds, frames = (float(part) for part in rows[index]["Timecode"].split(":"))
        assert 3600 * hours + 60 * minutes + seconds + frames / round(fps) == pytest.approx(index / float(fps), abs=1e-4)
        for name in FILE_ORDER:
            assert float(rows[index][name]) == pytest.approx(weights[index, ARKIT_NAMES.index(name[0].lower() + name[1:])], abs=1e-6)
    take = read_arkit(tmp_path / "a.csv")
    assert take.fps == round(fps)
    if fps.denominator == 1:
        assert np.allclose(take.weights, weights, atol=1e-3) and np.allclose(take.head, head, atol=1e-3)


def edited(tmp_path, edit) -> None:
    """A file of 30 frames at 25 a second, its text changed."""
    write_arkit(tmp_path / "bad.csv", np.zeros((30, 52)), Fraction(25))
    text = (tmp_path / "bad.csv").read_text(encoding="utf-8")
    (tmp_path / "bad.csv").write_text(edit(text), encoding="utf-8")


def test_lost_frames_are_filled_and_columns_may_stand_anywhere(tmp_path):
    weights = np.tile(np.linspace(0, 1, 100)[:, None], 52)
    write_arkit(tmp_path / "a.csv", weights, Fraction(25))
    header, *lines = (tmp_path / "a.csv").read_text(encoding="utf-8").splitlines()
    turned = [",".join(reversed(line.split(","))) for line in (header.swapcase(), *lines[:20], *lines[23:])]
    (tmp_path / "a.csv").write_text("\ufeff" + "\n".join(turned) + "\n\n", encoding="utf-8")
    take = read_arkit(tmp_path / "a.csv")
    assert take.fps == 25 and np.allclose(take.weights, weights, atol=1e-5)


def test_a_take_may_pass_midnight(tmp_path):
    edited(tmp_path, lambda text: text.replace("00:00:00:", "23:59:59:").replace("00:00:01:", "00:00:00:"))
    assert len(read_arkit(tmp_path / "bad.csv").weights) == 30


@pytest.mark.parametrize(
    ("edit", "match"),
    [
        (lambda text: "", "not a Live Link Face file"),
        (lambda text: "a,b\n1,2\n", "not a Live Link Face file"),
        (lambda text: text.splitlines()[0], "no frames"),
        (lambda text: text.replace("JawOpen", "Mandible"), "JawOpen"),
        (lambda text: text.replace("0.00000000", "x", 1), "line 2 has a value that is not a number"),
        (lambda text: text.replace("0.00000000", "nan", 1), "line 2 has values beyond"),
        (lambda text: text.replace("0.00000000", "55", 1), "line 2 has values beyond"),
        (lambda text: text.replace("00:00:00:03.000", "noon"), "line 5 has the time code 'noon'"),
        (lambda text: text.replace("00:00:00:03.000", "00:00:00:02.000"), "line 5 is not later"),
        (lambda text: text.replace("00:00:00:03.000", "00:00:00:777.0"), "778 frames in a second"),
        (lambda text: text[: len(text) // 2], r"line \d+ has \d+ fields"),
        (lambda text: text.replace("00:00:01:04.000", "23:00:01:04.000"), "6 hours"),
    ],
)
def test_a_bad_file_is_refused_by_name_and_line(tmp_path, edit, match):
    edited(tmp_path, edit)
    with pytest.raises(UserError, match=r"bad\.csv: ") as error:
        read_arkit(tmp_path / "bad.csv")
    assert error.match(match) and "\n" not in str(error.value)


def test_what_is_no_text_is_refused(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"\xff\xfe\x00\x00" * 10)
    with pytest.raises(UserError, match=r"a\.csv: is not a text file"):
        read_arkit(tmp_path / "a.csv")
    with pytest.raises(UserError, match=r"b\.csv: no such file"):
        read_arkit(tmp_path / "b.csv")
