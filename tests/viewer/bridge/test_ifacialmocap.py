import numpy as np
import pytest

from tests.viewer.bridge.faces import a_frame, named
from viewer.bridge import ifacialmocap
from viewer.bridge.frame import DatagramError

_PUBLISHED = (
    b"mouthSmile_R-0|eyeLookOut_L-12|mouthUpperUp_L-11|eyeWide_R-0|jawLeft-7|mouthLeft-3|browInnerUp-100|trackingStatus-1|"
    b"=head#-21.488958,-6.038993,-6.6019735,-0.030653415,-0.10287084,-0.6584072|rightEye#6.0297494,2.4403017,0.25649446|"
    b"leftEye#6.034903,-1.6660284,-0.17520553|"
)
"""As the app's page for developers shows it, shortened."""


def test_the_line_that_the_app_s_page_shows_is_read():
    heard = ifacialmocap.decode(_PUBLISHED)
    assert heard is not None and heard.complete
    shown = {"eyeLookOutLeft": 0.12, "mouthUpperUpLeft": 0.11, "jawLeft": 0.07, "mouthLeft": 0.03, "browInnerUp": 1.0}
    assert {name: value for name, value in heard.weights.items() if value} == shown
    np.testing.assert_allclose(heard.head, np.radians([-6.038993, -21.488958, -6.6019735]))
    assert heard.eyes is not None and heard.eyes[:2] == pytest.approx(np.radians([-1.6660284, 6.034903]))


def test_the_app_s_second_version_is_read():
    heard = ifacialmocap.decode(_PUBLISHED.replace(b"-0|", b"&0|").replace(b"_L-", b"_L&"))
    assert heard is not None and heard.weights["eyeLookOutLeft"] == 0.12


def test_a_line_has_the_app_s_names_and_whole_percents():
    (line,) = ifacialmocap.encode(a_frame())
    weights, turns = line.decode().split("=")
    read = {part.split("-")[0]: int(part.split("-")[1]) for part in weights.strip("|").split("|")}
    assert read.pop("trackingStatus") == 1 and len(read) == 52 and all(0 <= value <= 100 for value in read.values())
    ours = named(a_frame().arkit)
    assert read["jawRight"] == round(100 * ours["jawRight"]) and read["eyeBlink_R"] == round(100 * ours["eyeBlinkRight"])
    assert [part.split("#")[0] for part in turns.strip("|").split("|")] == ["head", "rightEye", "leftEye"]
    assert len(turns.split("|")[0].split(",")) == 6


@pytest.mark.parametrize(
    "line",
    [b"", b"hello", b"iFacialMocap_sahuasouryya9218sauhuiayeta91555dy3719", b"jawOpen-x|", b"jawOpen-1e9|", b"jawOpen-5|=head#1,2|",
     b"jawOpen-5|=head#nan,2,3|", b"jawOpen-5|=head#a,b,c|", b"\xff\xfe", b"jawOpen-5|" * 2000],
)  # fmt: skip
def test_other_lines_are_refused(line):
    with pytest.raises(DatagramError):
        ifacialmocap.decode(line)
