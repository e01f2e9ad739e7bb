"""A finger, two fingers, and the page around."""

import pytest

from tests.viewer.web.shown import until

PLACE = "window.avatar3d.view.camera.position.toArray()"
DISTANCE = "window.avatar3d.view.camera.position.distanceTo(window.avatar3d.view.orbit.target)"


@pytest.fixture
def phone(browser):
    """A page with a touch screen."""
    context = browser.new_context(has_touch=True, is_mobile=True, viewport={"width": 360, "height": 560})
    yield context.new_page()
    context.close()


def _touch(page, *paths: tuple[tuple[float, float], tuple[float, float]]) -> None:
    """Fingers that go along straight lines at the same time."""
    wire = page.context.new_cdp_session(page)

    def points(share: float) -> list[dict]:
        return [{"x": a + share * (c - a), "y": b + share * (d - b), "id": index} for index, ((a, b), (c, d)) in enumerate(paths)]

    wire.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": points(0)})
    for step in range(1, 9):
        wire.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": points(step / 8)})
    wire.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


def _open(page, address: str):
    page.goto(address)
    frame = page.frames[-1]
    frame.wait_for_selector("body.ready", state="attached")
    return frame


def test_one_finger_turns_and_two_come_near(page_folder, serve, phone):
    frame = _open(phone, f"{serve(page_folder)}/index.html?t=0")
    before = frame.evaluate(PLACE)
    _touch(phone, ((180, 250), (260, 250)))
    until(lambda: abs(frame.evaluate(PLACE)[0] - before[0]) > 0.05)
    near = frame.evaluate(DISTANCE)
    _touch(phone, ((170, 200), (60, 200)), ((190, 300), (300, 300)))
    until(lambda: frame.evaluate(DISTANCE) < 0.8 * near)
    assert not frame.evaluate("window.avatar3d.clock.playing")


def test_a_tap_plays_and_pauses(page_folder, serve, phone):
    frame = _open(phone, f"{serve(page_folder)}/index.html?loop=1")
    phone.touchscreen.tap(180, 200)
    until(lambda: frame.evaluate("window.avatar3d.clock.playing"))
    phone.touchscreen.tap(180, 200)
    until(lambda: not frame.evaluate("window.avatar3d.clock.playing"))


@pytest.mark.parametrize("place", ["picture", "panel"])
def test_the_page_around_stays_where_it_is(place, page_folder, serve, phone):
    (page_folder / "article.html").write_text(
        '<meta name="viewport" content="width=device-width"><body style="height: 4000px; margin: 0">'
        '<iframe src="index.html?t=0" style="width: 360px; height: 400px; border: 0"></iframe></body>'
    )
    frame = _open(phone, f"{serve(page_folder)}/article.html")
    at = (250, 250, 120)
    if place == "panel":
        frame.evaluate("document.querySelector('#sliders-button').click()")
        box = frame.locator("#sliders").bounding_box()
        at = (box["x"] + 40, box["y"] + box["height"] - 10, box["y"] + 50)
        for _ in range(6):
            _touch(phone, ((at[0], at[1]), (at[0], at[2])))
    before = frame.evaluate(PLACE)
    _touch(phone, ((at[0], at[1]), (at[0], at[2])))
    if place == "picture":
        until(lambda: abs(frame.evaluate(PLACE)[1] - before[1]) > 0.02)
    else:
        assert frame.evaluate("document.getElementById('sliders').scrollTop") > 50
    assert phone.evaluate("scrollY") == 0
