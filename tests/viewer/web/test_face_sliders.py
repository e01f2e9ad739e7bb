"""The page's sliders beside the workbench's."""

import numpy as np
import pytest

from avatar3d.motion import rest_motion
from viewer.live.adjustments import Adjustments, adjusted
from viewer.sliders import face_sliders

FRAME = "Object.fromEntries(Object.entries(player.performance.frame(50)).map(([name, values]) => [name, [...values]]))"


@pytest.fixture
def shown(page_folder, serve, show):
    shown = show(f"{serve(page_folder)}/index.html?t=0.2", size=(700, 500))
    shown.page.keyboard.press("s")
    return shown


def _slide(shown, name: str, value: float) -> None:
    shown.page.evaluate("document.querySelectorAll('#sliders details').forEach((each) => (each.open = true))")
    shown.page.locator(f'#sliders [title^="{name};"] input').fill(str(value))


def test_they_are_grouped_and_named_as_in_the_workbench(shown, person):
    listed = shown.page.evaluate(
        "[...document.querySelectorAll('#sliders details')].map((group) => [group.querySelector('summary').textContent, "
        "[...group.querySelectorAll('.slider span')].map((name) => name.textContent)])"
    )
    expected = [[title, [slider.label for slider in sliders]] for title, sliders in face_sliders(person.head).items()]
    assert listed == expected and [title for title, _ in listed if "smile left" in dict(listed)[title]] == ["Mouth"]


def test_left_and_right_go_together_until_they_are_parted(shown, person):
    left, right = (person.head.expr_names.index(f"mouthSmile{side}") for side in ("Left", "Right"))
    before = np.array(shown.evaluate(FRAME)["expr"])
    _slide(shown, "mouthSmileLeft", 0.5)
    changed = np.array(shown.evaluate(FRAME)["expr"]) - before
    np.testing.assert_allclose(changed[[left, right]], 0.5, atol=1e-6)
    assert np.count_nonzero(np.abs(changed) > 1e-6) == 2
    assert shown.page.locator('#sliders [title^="mouthSmileRight;"] output').inner_text() == "0.5"
    shown.page.uncheck("#linked")
    _slide(shown, "mouthSmileLeft", 0.2)
    changed = np.array(shown.evaluate(FRAME)["expr"]) - before
    np.testing.assert_allclose(changed[[left, right]], [0.2, 0.5], atol=1e-6)
    shown.page.click("#rest")
    np.testing.assert_allclose(shown.evaluate(FRAME)["expr"], before, atol=1e-6)


def test_they_add_to_a_frame_what_the_workbench_adds(shown, person):
    motion = rest_motion(person.head, 1)
    for name, values in shown.evaluate(FRAME).items():
        getattr(motion, name)[0] = values
    degrees = np.radians(10)
    for name, value in (("jaw open", 0.5), ("jaw aside", 1), ("gaze right, °", 10), ("gaze up, °", 10), ("head right, °", 10), ("head tilt, °", 20)):
        _slide(shown, name, value)
    by = Adjustments(jaw=(0.5 * person.head.jaw_open_angle, -0.15), gaze=(degrees, degrees), head=(0, degrees, -2 * degrees))
    expected, seen = adjusted(motion, by, person, None), shown.evaluate(FRAME)
    for name in ("jaw_pose", "eyes_pose", "neck_pose"):
        np.testing.assert_allclose(seen[name], getattr(expected, name)[0], atol=1e-5)
        assert np.abs(getattr(expected, name) - getattr(motion, name)).max() > 0.05


def test_a_finger_or_the_mouse_twice_puts_one_back(shown):
    _slide(shown, "head up, °", 10)
    shown.page.locator('#sliders [title^="head up, °;"] span').dblclick()
    assert shown.evaluate("Object.keys(player.performance.added).length") == 0
