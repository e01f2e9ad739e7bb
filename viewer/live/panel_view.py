"""The panel for looking: how each browser sees it, and from where; in which light and before what, which all share."""

import time
from collections.abc import Callable

import viser

from viewer.live.browser import Browser, perhaps_gone
from viewer.live.desk import Desk
from viewer.live.eyes import PRESETS, preset_eye

DRAWN = ("pictures (exact)", "splats (by the browser)")
_HEIGHTS = ("360", "540", "720", "1080", "1440", "2160")


class ViewPanel:
    """Light and background.

    Args:
        desk: of the workbench.
    """

    def __init__(self, desk: Desk) -> None:
        self.desk, self.stage, gui = desk, desk.stage, desk.gui
        self.own: dict[int, OwnView] = {}
        with gui.add_folder("Light and background, for all who look"):
            self.exposure = gui.add_slider("exposure, stops", -3.0, 3.0, 0.1, 0.0)
            self.light = gui.add_slider("lamp", 0.0, 1.0, 0.05, 0.0)
            self.azimuth = gui.add_slider("lamp right, °", -180.0, 180.0, 5.0, self.stage.look.azimuth)
            self.elevation = gui.add_slider("lamp up, °", -90.0, 90.0, 5.0, self.stage.look.elevation)
            self.background = gui.add_rgb("background", self.stage.look.background)
        for name in ("exposure", "azimuth", "elevation", "light"):
            desk.heed(getattr(self, name), lambda value, _, name=name: self.stage.relight(**{name: float(value)}))
        desk.heed(self.background, lambda colour, _: self.stage.relight(background=tuple(colour)))

    def follow(self) -> None:
        """Say how fast pictures come; called about once a second."""
        for own in list(self.own.values()):
            own.follow()


class OwnView:
    """One browser's drawing and camera, in its page alone.

    Args:
        desk: of the workbench.
        browser: whose.
        free: leaves a capture, which is seen through its own camera and as pictures.
    """

    def __init__(self, desk: Desk, browser: Browser, free: Callable[[], None] = lambda: None) -> None:
        self.desk, self.stage, self.browser, self._free = desk, desk.stage, browser, free
        gui = browser.client.gui
        self.drawn = gui.add_dropdown(
            "drawn as", DRAWN, initial_value=DRAWN[browser.view.splats], order=-5.0,
            hint="Pictures are drawn by the workbench, exactly, and sent; splats are drawn by the browser, more smoothly on a machine with a GPU.",
        )  # fmt: skip
        height = str(browser.view.highest) if str(browser.view.highest) in _HEIGHTS else "1080"
        hint = "Pixels of a picture; smaller while things move."
        self.height = gui.add_dropdown("height at most", _HEIGHTS, initial_value=height, hint=hint, order=-4.0)
        self.wireframe = gui.add_checkbox("wireframe of the head", browser.view.wireframe, order=-3.0)
        self.rates = gui.add_markdown("", order=-2.0)
        with gui.add_folder("Camera", order=-1.0):
            names = tuple(PRESETS)
            self.presets = [gui.add_button_group(label, part) for label, part in (("look from", names[:4]), ("or from", names[4:]))]
            self.orbit = gui.add_button("Swing around the head", icon=viser.Icon.ROTATE_360)
        desk.heed(self.drawn, self._draw)
        desk.heed(self.height, lambda height, _: self.stage.choose(browser, highest=int(height)))
        desk.heed(self.wireframe, lambda shown, _: self.stage.choose(browser, wireframe=shown))
        for preset in self.presets:
            desk.heed(preset, self._go)
        desk.heed(self.orbit, self._orbit)

    def follow(self) -> None:
        """Say how fast pictures come."""
        browser, count = self.browser, len(self.stage.browsers)
        drawn = "splats" if browser.view.splats and browser.view.painter is None else "{}×{}, {:.0f} ms".format(*browser.size, browser.milliseconds)
        text = f"{browser.rate:.0f} a second, {drawn}" + (f"; {count} browsers look" if count > 1 else "")
        with perhaps_gone():
            if self.rates.content != text:
                self.rates.content = text

    def _draw(self, drawn: str, event) -> None:
        if event.client is not None:
            self._free()
        self.stage.choose(self.browser, splats=drawn == DRAWN[1])

    def _go(self, preset: str, _) -> None:
        self._free()
        with self.browser.steering:
            self.browser.turning = None
            self.browser.look_from(preset_eye(self.desk.avatar, preset, self.browser.aspect))

    def _orbit(self, *_) -> None:
        self._free()
        with self.browser.steering:
            self.browser.turning = time.monotonic() if self.browser.turning is None else None
        self.stage.wake()
