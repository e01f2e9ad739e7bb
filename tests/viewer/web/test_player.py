"""What a visitor of the page does."""

import io

import numpy as np
import pytest
from PIL import Image

from tests.viewer.web.conftest import performing
from tests.viewer.web.shown import until
from viewer.export.web import export_web


@pytest.fixture
def address(page_folder, serve) -> str:
    return f"{serve(page_folder)}/index.html"


def test_a_page_plays_with_the_sound_as_its_clock(address, show):
    # Again and again: a second of motion may be over before a busy machine is asked about it.
    shown = show(f"{address}?loop=1", size=(700, 400))
    assert not shown.evaluate("player.clock.started")
    shown.page.click("#play")
    shown.wait("player.clock.playing && player.clock.time > 0.1")
    playing, time, sound = shown.evaluate("[player.clock.playing, player.clock.time, player.clock.sound.currentTime]")
    assert not playing or abs(time - sound) < 0.05
    # At its end the head goes back to idling.
    shown.page.keyboard.press("l")
    shown.wait("!player.clock.playing && !player.clock.started")


def test_keys_play_seek_and_change_the_speed(address, show):
    shown = show(address, size=(700, 400))
    shown.page.keyboard.press("l")
    assert shown.evaluate("player.clock.loop")
    shown.page.keyboard.press("[")
    assert shown.evaluate("player.clock.sound.playbackRate") == 0.75
    shown.page.keyboard.press("Home")
    shown.page.keyboard.press(".")
    assert shown.evaluate("player.clock.time") == pytest.approx(0.04)
    shown.page.keyboard.press("Space")
    shown.wait("player.clock.playing")
    shown.page.keyboard.press("Space")
    shown.wait("!player.clock.playing")
    assert shown.evaluate("player.clock.started")
    shown.page.keyboard.press("i")
    assert "nobody" in shown.page.inner_text("#info") and "not a recording" in shown.page.inner_text("#info")
    shown.page.keyboard.press("Escape")
    assert shown.page.is_hidden("#info")
    shown.page.keyboard.press("?")
    named = shown.page.locator("#info kbd").all_inner_texts()
    assert {"space", "←", "→", ",", ".", "[", "]", "l", "m", "r", "s", "f", "i", "?"} <= set(named)


def test_the_space_bar_presses_the_button_that_the_tab_key_reached_and_not_the_one_that_was_clicked(address, show):
    shown = show(address, size=(700, 400))
    shown.page.click("#loop")
    shown.page.keyboard.press("Space")
    shown.wait("player.clock.playing")
    assert shown.evaluate("player.clock.loop")
    while shown.evaluate("document.activeElement.id") != "loop":
        shown.page.keyboard.press("Tab")
    # Without the loop it may end by itself before it is asked about.
    shown.evaluate("(player.clock.pause = () => { window.paused = true; }, null)")
    shown.page.keyboard.press("Space")
    assert not shown.evaluate("player.clock.loop") and not shown.evaluate("window.paused")


def test_a_loop_goes_round(address, show):
    shown = show(f"{address}?loop=1")
    shown.evaluate("(player.clock.seek(player.clock.duration - 0.1), player.clock.play())")
    shown.wait("player.clock.playing && player.clock.time > 0 && player.clock.time < player.clock.duration / 2")


SOUNDS = {
    "absent": {"status": 404},
    "damaged": {"body": b"no sound at all", "content_type": "audio/webm"},
    "cut off": None,
}


@pytest.mark.parametrize("sound", SOUNDS)
def test_without_its_sound_the_page_says_so_in_one_line_and_plays(sound, page_folder, serve, browser):
    page = browser.new_page(viewport={"width": 500, "height": 400})
    wrong = SOUNDS[sound]
    page.route("**/sound.webm", lambda route: route.abort() if wrong is None else route.fulfill(**wrong))
    page.goto(f"{serve(page_folder)}/index.html")
    page.wait_for_selector("body.ready", state="attached")
    line = page.inner_text("#notice")
    assert line.startswith("without sound: ") and "\n" not in line and ("sound.webm" in line or "cannot play" in line)
    page.click("#play")
    until(lambda: page.evaluate("window.avatar3d.clock.time > 0 || !window.avatar3d.clock.started"))
    assert page.evaluate("window.avatar3d.clock.sound === null") and page.is_hidden("#mute")
    page.close()


def test_a_sound_that_breaks_off_leaves_the_motion_playing(address, show):
    shown = show(f"{address}?loop=1", size=(500, 400))
    shown.evaluate("player.clock.play()")
    shown.wait("player.clock.time > 0.1")
    shown.evaluate("player.clock.sound.dispatchEvent(new Event('error'))")
    assert shown.page.inner_text("#notice") == "without sound: it broke off"
    before = shown.evaluate("player.clock.time")
    shown.wait(f"player.clock.playing && Math.abs(player.clock.time - {before}) > 0.1")


def test_a_click_on_the_picture_plays_and_a_drag_does_not(address, show):
    shown = show(f"{address}?loop=1", size=(500, 400))
    shown.page.mouse.click(250, 150)
    shown.wait("player.clock.playing")
    shown.page.mouse.move(250, 150)
    shown.page.mouse.down()
    shown.page.mouse.move(300, 150, steps=3)
    shown.page.mouse.up()
    assert shown.evaluate("player.clock.playing")
    shown.page.mouse.click(250, 150)
    shown.wait("!player.clock.playing")


def test_a_silent_motion_has_a_clock_of_its_own(person, tmp_path, serve, show):
    export_web(person, performing(10, sound=False), tmp_path / "page")
    shown = show(f"{serve(tmp_path / 'page')}/index.html?loop=1")
    shown.evaluate("player.clock.play()")
    shown.wait("player.clock.playing && player.clock.time > 0")
    shown.evaluate("(player.clock.loop = false)")
    shown.wait("!player.clock.started")


def test_behind_a_transparent_page_one_sees_what_is_there(person, tmp_path, serve, show):
    export_web(person, performing(10), tmp_path / "page", background="transparent")
    shown = show(f"{serve(tmp_path / 'page')}/index.html?controls=0&t=0")
    shown.wait("player.frames > 3")
    picture = np.asarray(Image.open(io.BytesIO(shown.page.screenshot(omit_background=True))).convert("RGBA"))
    assert picture[2, 2, 3] == 0 and picture[:, :, 3].max() > 200


def test_without_a_motion_the_head_idles(person, tmp_path, serve, show):
    export_web(person, None, tmp_path / "page")
    shown = show(f"{serve(tmp_path / 'page')}/index.html")
    assert shown.page.is_hidden("#play")
    first, later = (shown.evaluate(f"[...player.performance.frame({now}).neck_pose]") for now in (100, 103))
    assert np.abs(np.subtract(first, later)).max() > 1e-3


def test_an_address_can_name_a_moment(address, show):
    shown = show(f"{address}?t=0.4")
    assert shown.evaluate("[player.clock.started, player.clock.playing, player.clock.time]") == [True, False, 0.4]


def test_dragging_turns_the_view_and_front_brings_it_back(address, show):
    shown = show(address, size=(700, 400))
    place = "player.view.camera.position.toArray()"
    before = shown.evaluate(place)
    shown.page.mouse.move(300, 150)
    shown.page.mouse.down()
    shown.page.mouse.move(400, 150, steps=4)
    shown.page.mouse.up()
    shown.wait(f"Math.abs(player.view.camera.position.x - {before[0]}) > 0.05")
    shown.page.keyboard.press("r")
    np.testing.assert_allclose(shown.evaluate(place), before, atol=0.02)


def test_the_page_asks_nobody_else(address, show):
    shown = show(address)
    shown.evaluate("player.clock.play()")
    shown.wait("player.frames > 3")
    own = address.rsplit("/", 1)[0]
    assert not [url for url in shown.requests if not url.startswith((own, "blob:", "data:"))]
    refused = shown.page.evaluate("fetch('http://127.0.0.1:1/').then(() => 'let through', (error) => String(error))")
    assert "TypeError" in refused
    # The browser says in the console that it refused this on the page's behalf.
    assert all("Content Security Policy" in line for line in shown.troubles)
    shown.troubles.clear()


def test_one_file_plays_from_disk(person, tmp_path, show):
    export_web(person, performing(), tmp_path / "page.html")
    shown = show((tmp_path / "page.html").as_uri() + "?loop=1")
    shown.evaluate("player.clock.play()")
    shown.wait("player.clock.time > 0")
    assert shown.evaluate("player.clock.sound.duration") == pytest.approx(performing().duration, abs=0.05)


def test_a_folder_opened_from_disk_says_what_to_do(page_folder, show):
    shown = show((page_folder / "index.html").as_uri())
    assert "export a single .html" in shown.page.inner_text("#trouble")
    shown.troubles.clear()


def test_a_browser_without_webgl_says_so(address, show):
    shown = show(address, "HTMLCanvasElement.prototype.getContext = () => null;")
    assert "no WebGL 2" in shown.page.inner_text("#trouble")
    shown.troubles.clear()


def test_one_iframe_embeds_it_and_the_page_around_drives_it(page_folder, serve, show, browser):
    (page_folder / "around.html").write_text('<iframe src="index.html?controls=0" allow="autoplay; xr-spatial-tracking"></iframe>')
    page = browser.new_page()
    page.goto(f"{serve(page_folder)}/around.html")
    frame = page.frames[1]
    frame.wait_for_selector("body.ready")
    assert frame.is_hidden("#bar")
    page.evaluate("frames[0].postMessage({avatar3d: {frame: {jaw_pose: [0.25, 0, 0]}}}, '*')")
    until(lambda: frame.evaluate("window.avatar3d.performance.pushed?.at(0).jaw_pose[0] === 0.25"))
    page.close()


@pytest.mark.parametrize("frame", ["{jaw_pose: [1]}", "{jaw_pose: ['x', 0, 0]}", "{nose: [1]}", "7"])
def test_a_frame_that_cannot_be_shown_does_not_take_the_head(frame, address, show):
    shown = show(address)
    shown.page.evaluate(f"window.postMessage({{avatar3d: {{frame: {frame}}}}}, '*')")
    shown.page.evaluate("window.postMessage({avatar3d: {seek: 0.5}}, '*')")
    shown.wait("player.clock.time === 0.5")
    assert shown.evaluate("player.performance.pushed") is None


def test_a_live_frame_of_the_wrong_size_is_refused(address, show):
    shown = show(address)
    message = shown.page.evaluate("window.avatar3d.ready.then((player) => player.live().push({jaw_pose: [1]})).catch((error) => error.message)")
    assert message == "jaw_pose takes 3 finite numbers"
