"""The page of a film in a real browser: picture, advice, the head as it appears, and the button."""

import json
import threading
from dataclasses import replace

import numpy as np
import pytest

from avatar3d.head.store import load_head
from avatar3d.motion import rest_motion
from recon.bench import bench_avatar
from tests.cli.page import Page

SIZE = {"width": 760, "height": 480}


class Filming(Page):
    """A window whose page says what is going on instead of `ready`."""

    def ready(self) -> None:
        self.page.get_by_text("getting ready …").wait_for()

    def placard(self) -> str:
        """The words before the empty scene, as the browser has read them."""
        text = self.page.evaluate("getComputedStyle(document.body, '::before').content")
        return "" if text == "none" else json.loads(text.replace("\n", "\\n").replace("\\a ", "\\n"))


@pytest.fixture
def shown(browser):
    """An open page, and whether its button was pressed."""
    pytest.importorskip("viser")
    from viewer.live.filming_page import FilmingPage
    from viewer.live.workbench import open_server

    pressed = threading.Event()
    server = open_server("127.0.0.1", 0, "avatar3d: me")
    page = FilmingPage(server, pressed.set)
    yield page, pressed, f"http://127.0.0.1:{server.get_port()}"


def test_the_head_appears_beside_the_picture_and_the_button_ends_the_film(shown, browser):
    from viewer.live.workbench import close_server

    page, pressed, url = shown
    avatar = bench_avatar(load_head(), 3000)
    frame = rest_motion(avatar.head, 1, shape=avatar.shape.numpy())
    window = Filming(browser, url, SIZE)
    page.show(np.full((64, 64, 3), (200, 30, 30), np.uint8), None, None)
    window.until(lambda: "The head will appear here" in window.placard())
    page.expect(9.2, 'finding "out"')
    window.until(lambda: window.placard() == 'The head appears here in about 9 s.\nfinding "out" …')
    page.expect(0.0, "placing")
    window.until(lambda: "any moment" in window.placard())
    page.expect(None, "tracking everything")
    window.until(lambda: window.placard() == "The head appears here once the whole film has been tracked.\ntracking everything …")
    page.say("filming", "blink twice")
    page.tick_off([("left", 1.0), ("blink", 0.5), ("talk", 0.0)])
    window.page.get_by_text("blink twice").wait_for()
    window.page.get_by_text("blink (50 %), talk").wait_for()
    before = window.pixels()
    page.show(np.full((64, 64, 3), (30, 200, 30), np.uint8), avatar, frame)
    head = window.changed(before)
    window.until(lambda: not window.placard())
    # Another avatar takes the first one's place.
    page.show(np.full((64, 64, 3), (30, 200, 30), np.uint8), replace(avatar, colour=1 - avatar.colour), frame)
    window.changed(head)
    window.press("Stop and make the avatar")
    assert pressed.wait(60)
    pressed.clear()
    page.say("settling", "", "Enough, write the avatar")
    # The second click of two belongs to what the button said before.
    page._pressed(pressed.set)
    assert not pressed.is_set()
    page._relabelled -= 2
    page._pressed(pressed.set)
    assert pressed.is_set()
    window.page.get_by_role("button", name="Enough, write the avatar").wait_for()
    page.wind_up("writing me.avatar")
    window.page.get_by_text("writing me.avatar …").wait_for()
    window.page.get_by_role("button", name="Enough, write the avatar").wait_for(state="hidden")
    page.end("me.avatar is written")
    page.close()
    close_server(page.server)
    window.page.wait_for_function("[...document.querySelectorAll('*')].some(each => each.style.pointerEvents === 'none')")
    window.page.get_by_text("me.avatar is written").wait_for()
    assert window.page.get_by_text("connection lost").count() == 0
    assert window.errors == []
    window.page.close()


def test_a_film_that_ends_before_there_is_a_head_leaves_no_promise(shown, browser):
    from viewer.live.workbench import close_server

    page, _, url = shown
    window = Filming(browser, url, SIZE)
    window.until(lambda: "The head will appear here" in window.placard())
    page.end("no face was seen")
    page.close()
    close_server(page.server)
    window.page.wait_for_function("[...document.querySelectorAll('*')].some(each => each.style.pointerEvents === 'none')")
    window.page.get_by_text("no face was seen").wait_for()
    assert not window.placard()
    window.page.close()
