"""A workbench's page in a real browser, as a test handles it."""

import io
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

SIZE = {"width": 760, "height": 400}
"""Of the page; the panel takes the right half."""
PATIENCE = 60_000
"""Milliseconds that a slow machine may take for anything."""


class Page:
    """One browser window on a workbench."""

    def __init__(self, browser, url: str, size: dict = SIZE, script: str = "") -> None:
        self.size = size
        self.page = browser.new_page(viewport=size)
        if script:
            self.page.add_init_script(script)
        self.errors: list[str] = []
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.set_default_timeout(PATIENCE)
        self.page.goto(url)
        self.ready()

    def ready(self) -> None:
        """Wait until the panel says so."""
        self.page.get_by_text("ready", exact=True).wait_for()

    def tab(self, name: str) -> None:
        self.page.get_by_role("tab", name=name).click()

    def press(self, name: str) -> None:
        self.page.get_by_role("button", name=name, exact=True).click()

    def choose(self, label: str, option: str) -> None:
        self.page.get_by_role("combobox", name=label).click()
        self.page.get_by_role("option", name=option, exact=True).click()

    def unfold(self, title: str) -> None:
        self.page.get_by_text(title, exact=True).click()

    def slider(self, label: str):
        """The handle of a slider by the label of its row."""
        row = f'//label[normalize-space()="{label}"]/ancestor::div[.//*[@role="slider"]][1]//*[@role="slider"]'
        return self.page.locator(f"xpath={row}").first

    def slide(self, label: str, key: str) -> None:
        """Move a slider by a key: Home, End, ArrowRight."""
        handle = self.slider(label)
        handle.focus()
        handle.press(key)

    def value(self, label: str) -> float:
        return float(self.slider(label).get_attribute("aria-valuenow"))

    def pixels(self) -> np.ndarray:
        """[H, W, 3] of what is seen left of the panel."""
        box = {"x": 0, "y": 0, "width": self.size["width"] // 2 - 30, "height": self.size["height"]}
        # Notes come and go over the head: that there is no GPU, that a file has arrived.
        shot = self.page.screenshot(clip=box, style="[class*=Notifications-root] {visibility: hidden}")
        return np.asarray(Image.open(io.BytesIO(shot)).convert("RGB")).astype(int)

    def comes_to(self, holds: Callable[[np.ndarray], bool]) -> np.ndarray:
        """Wait until something holds of the pixels."""
        for _ in range(200):
            now = self.pixels()
            if holds(now):
                return now
            time.sleep(0.3)
        raise AssertionError("the picture does not come to it")

    def still(self) -> np.ndarray:
        """The pixels, once four looks at them agree: a picture that comes to rest is sharpened a little later."""
        before, agreed = self.pixels(), 0
        for _ in range(200):
            time.sleep(0.3)
            now = self.pixels()
            agreed = agreed + 1 if np.abs(now - before).max() < 8 else 0
            if agreed == 3:
                return now
            before = now
        raise AssertionError("the picture does not come to rest")

    def changed(self, before: np.ndarray, least: int = 40, share: float = 0.002) -> np.ndarray:
        """Wait until at least a share of the pixels differs from what they were by `least`."""
        for _ in range(100):
            now = self.pixels()
            if (np.abs(now - before).max(axis=2) >= least).mean() >= share:
                return now
            time.sleep(0.3)
        raise AssertionError("the picture does not change")

    def shows(self, picture: np.ndarray, rather_than: np.ndarray | None = None) -> None:
        """Wait until it looks like an earlier look at it, or more like it than like another one: how finely it is drawn is the machine's affair."""
        for _ in range(100):
            now = self.pixels()
            if alike(now, picture) or (rather_than is not None and 2 * np.abs(now - picture).mean() < np.abs(now - rather_than).mean()):
                return
            time.sleep(0.3)
        raise AssertionError("the picture is another one")

    def until(self, holds: Callable[[], bool]) -> None:
        """Wait until what was done in the page has come about in the workbench, which hears of it a little later."""
        for _ in range(300):
            if holds():
                return
            # Not time.sleep: the page goes on only while Playwright is asked something.
            self.page.wait_for_timeout(100)
        raise AssertionError("it does not come about")

    def sound(self) -> dict:
        """State of the page's audio element."""
        return self.page.evaluate(
            "(() => { const a = document.querySelector('audio'); return a && {paused: a.paused, at: a.currentTime, of: a.duration} })()"
        )

    def sounding(self) -> None:
        """Wait until sound plays, or has: a short one can be over before a slow page is asked again."""
        self.page.wait_for_function("[...document.querySelectorAll('audio')].some(a => a.played.length && a.played.end(0) > 0.05)")

    def save(self, name: str, path: Path) -> str:
        """Press a button that gives out a file, and keep it; returns the name that it suggests."""
        with self.page.expect_download(timeout=2 * PATIENCE) as download:
            self.press(name)
        download.value.save_as(path)
        return download.value.suggested_filename


def alike(first: np.ndarray, second: np.ndarray) -> bool:
    """Whether two looks show the same, be one of them drawn coarser: means of squares of ten pixels differ by little."""
    height, width = (side // 10 * 10 for side in first.shape[:2])
    blocks = (first - second)[:height, :width].reshape(height // 10, 10, width // 10, 10, 3).mean(axis=(1, 3))
    return bool(np.abs(blocks).mean() < 3)
