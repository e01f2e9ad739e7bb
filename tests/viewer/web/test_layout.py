"""The page at any size: the head well framed, one row of buttons, panels beside the face."""

import io

import numpy as np
import pytest
from PIL import Image

from tests.viewer.bust import solid_bust
from tests.viewer.web.conftest import performing
from viewer.export.web import export_web

SIZES = [(390, 844), (360, 640), (844, 390), (512, 512), (400, 300), (1280, 720)]
SMALL = [size for size in SIZES if size[0] < 1000]
LINE = "(player.header.framing.{0} - player.view.window.top) / (player.view.window.bottom - player.view.window.top)"
"""Where one of the framing's lines is in the picture: 0 its upper edge, 1 its lower one."""


@pytest.fixture(scope="module")
def bust_page(tmp_path_factory, serve) -> str:
    folder = tmp_path_factory.mktemp("bust") / "page"
    bust = solid_bust()
    motion = performing(10, sound=False)
    export_web(bust, motion, folder)
    return f"{serve(folder)}/index.html"


def _covered(shown) -> np.ndarray:
    """[H, W] where the picture shows anything but its background."""
    picture = np.asarray(Image.open(io.BytesIO(shown.page.screenshot())).convert("RGB")).astype(int)
    return np.abs(picture - np.array([0xD8, 0xDC, 0xE2])).max(axis=2) > 60


def _box(shown, selector: str) -> dict:
    return shown.page.locator(selector).bounding_box()


@pytest.mark.parametrize("size", SIZES)
def test_the_lower_edge_crops_the_torso_and_the_head_is_whole(size, bust_page, show):
    shown = show(f"{bust_page}?controls=0", size=size)
    shown.evaluate("document.getElementById('label').hidden = true")
    shown.wait("player.frames > 5")
    seen = _covered(shown)
    height, width = seen.shape
    # As far as the head is wide, the torso goes out of the picture; at the height of the face there is air on both sides, and above it.
    head = slice(*(int(width * x) for x in shown.evaluate(
        "[player.header.framing.left, player.header.framing.right].map("
        "(x) => (x - player.view.window.left) / (player.view.window.right - player.view.window.left))")))  # fmt: skip
    assert seen[-2, head].mean() > 0.95
    assert seen[:, head].mean() > 0.35
    face = int(height * (shown.evaluate(LINE.format("top")) + shown.evaluate(LINE.format("chin"))) / 2)
    assert not seen[face, : width // 40].any() and not seen[face, -(width // 40) :].any()
    assert not seen[: height // 40].any()


@pytest.mark.parametrize("size", SIZES)
def test_the_bar_is_one_row_below_the_face(size, bust_page, show):
    shown = show(bust_page, size=size)
    bar, play = _box(shown, "#bar"), _box(shown, "#play")
    assert bar["height"] < 50 and bar["x"] >= 0 and bar["x"] + bar["width"] <= size[0]
    for part in ("#scrub", "#home", "#more-button"):
        box = _box(shown, part)
        assert box is None or abs(box["y"] + box["height"] / 2 - play["y"] - play["height"] / 2) < 2
    chin = size[1] * shown.evaluate(LINE.format("chin"))
    assert chin < bar["y"] and play["y"] > chin
    assert shown.page.evaluate("document.getElementById('bar').scrollWidth <= document.getElementById('bar').clientWidth")


def test_on_a_tall_page_the_torso_ends_at_the_bar(bust_page, show):
    shown = show(bust_page, size=(390, 844))
    hem = 844 * shown.evaluate(LINE.format("hem"))
    assert hem == pytest.approx(_box(shown, "#bar")["y"], abs=2)
    assert 844 * shown.evaluate(LINE.format("top")) < 0.28 * 844


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("panel", ["sliders", "info"])
def test_a_panel_leaves_the_label_and_the_face_alone(size, panel, bust_page, show):
    shown = show(bust_page, size=size)
    whole = _box(shown, "#picture")
    shown.page.keyboard.press(panel[0])
    sheet, picture, label = _box(shown, f"#{panel}"), _box(shown, "#picture"), _box(shown, "#label")
    assert sheet["x"] >= picture["x"] + picture["width"] - 1 or sheet["y"] >= picture["y"] + picture["height"] - 1
    assert sheet["width"] > 140 and sheet["height"] > 100 and picture["width"] * picture["height"] > 0.5 * size[0] * size[1]
    on_top = shown.page.evaluate("([x, y]) => document.elementFromPoint(x, y).id", [label["x"] + 9, label["y"] + label["height"] / 2])
    assert on_top == "label"
    shown.wait(f"player.view.camera.aspect - {picture['width'] / picture['height']} < 0.01")
    chin = picture["height"] * shown.evaluate(LINE.format("chin"))
    assert chin < _box(shown, "#bar")["y"]
    shown.page.locator(f"#{panel} .close").click()
    assert _box(shown, "#picture") == whole


@pytest.mark.parametrize("size", [(390, 844), (400, 300)])
def test_what_has_no_room_is_in_a_menu(size, bust_page, show):
    shown = show(bust_page, size=size)
    assert shown.page.is_hidden("#loop")
    shown.page.click("#more-button")
    shown.page.click("#loop")
    assert shown.evaluate("player.clock.loop") and shown.page.is_hidden("#loop")
    # A list stays open while one chooses from it, and pressing elsewhere closes the menu.
    shown.page.click("#more-button")
    shown.page.select_option("#speed", "0.5")
    assert shown.evaluate("player.clock.rate") == 0.5 and shown.page.is_visible("#loop")
    shown.page.mouse.click(size[0] / 2, 100)
    assert shown.page.is_hidden("#loop")


def test_a_page_that_grows_has_its_buttons_back(bust_page, show):
    shown = show(bust_page, size=(390, 844))
    assert shown.page.is_visible("#more-button")
    shown.page.set_viewport_size({"width": 1000, "height": 600})
    shown.page.wait_for_selector("#loop", state="visible")
    assert shown.page.is_hidden("#more-button")


def test_dark_glass_is_read_as_well(bust_page, browser):
    page = browser.new_page(viewport={"width": 512, "height": 512}, color_scheme="dark")
    page.goto(bust_page)
    page.wait_for_selector("body.ready", state="attached")
    page.keyboard.press("s")
    ink, glass = page.evaluate("['color', 'backgroundColor'].map((name) => getComputedStyle(document.getElementById('sliders'))[name])")
    light, dark = (np.mean([float(x) for x in colour[colour.index("(") + 1 : -1].split(",")[:3]]) for colour in (ink, glass))
    assert light - dark > 120
    page.close()
