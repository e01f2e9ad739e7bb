"""The panel for looking: how it is drawn, from where, in which light, before what."""

import time

import viser

from viewer.live.desk import Desk
from viewer.live.eyes import PRESETS, preset_eye

DRAWN = ("pictures (exact)", "splats (by the browser)")
_HEIGHTS = ("360", "540", "720", "1080", "1440", "2160")


class ViewPanel:
    """Drawing, camera, light, background.

    Args:
        desk: of the workbench.
    """

    def __init__(self, desk: Desk) -> None:
        self.desk, self.stage = desk, desk.stage
        gui, guarded = desk.gui, desk.guarded
        self.drawn = gui.add_dropdown(
            "drawn as", DRAWN, initial_value=DRAWN[0],
            hint="Pictures are drawn here, exactly, and sent; splats are drawn by the browser, more smoothly on a machine with a GPU.",
        )  # fmt: skip
        self.height = gui.add_dropdown("height at most", _HEIGHTS, initial_value="1080", hint="Pixels of a picture; smaller while things move.")
        with gui.add_folder("Camera"):
            # Buttons and no list: what is chosen in a list is chosen in every browser.
            names = tuple(PRESETS)
            self.presets = [gui.add_button_group(label, part) for label, part in (("look from", names[:4]), ("or from", names[4:]))]
            self.orbit = gui.add_button("Swing around the head", icon=viser.Icon.ROTATE_360)
        with gui.add_folder("Light and background"):
            self.exposure = gui.add_slider("exposure, stops", -3.0, 3.0, 0.1, 0.0)
            self.light = gui.add_slider("lamp", 0.0, 1.0, 0.05, 0.0)
            self.azimuth = gui.add_slider("lamp right, °", -180.0, 180.0, 5.0, self.stage.look.azimuth)
            self.elevation = gui.add_slider("lamp up, °", -90.0, 90.0, 5.0, self.stage.look.elevation)
            self.background = gui.add_rgb("background", self.stage.look.background)
        self.wireframe = gui.add_checkbox("wireframe of the head", False)
        self.rates = gui.add_markdown("")
        self.drawn.on_update(lambda _: self.stage.draw_by(splats=self.drawn.value == DRAWN[1]))
        self.height.on_update(guarded(self._set_height))
        for preset in self.presets:
            preset.on_click(guarded(self._go))
        self.orbit.on_click(guarded(self._orbit))
        for name in ("exposure", "azimuth", "elevation", "light"):
            slider = getattr(self, name)
            slider.on_update(lambda _, name=name, slider=slider: self.stage.relight(**{name: float(slider.value)}))
        self.background.on_update(lambda _: self.stage.relight(background=tuple(self.background.value)))
        self.wireframe.on_update(guarded(self._wire))

    def follow(self) -> None:
        """Say how fast pictures come; called about once a second."""
        lines = []
        for number, browser in list(self.stage.browsers.items()):
            width, height = browser.size
            drawn = "splats" if self.stage.splats else f"{width}×{height}, {browser.milliseconds:.0f} ms"
            lines.append(f"browser {number + 1}: {browser.rate:.0f} a second, {drawn}")
        text = "  \n".join(lines)
        if self.rates.content != text:
            self.rates.content = text

    def _set_height(self, _) -> None:
        self.stage.highest = int(self.height.value)
        self.stage.refresh()

    def _go(self, event) -> None:
        browser = self.stage.browsers.get(event.client_id)
        if browser is not None:
            browser.turning = None
            browser.look_from(preset_eye(self.desk.avatar, event.target.value))

    def _orbit(self, event) -> None:
        browser = self.stage.browsers.get(event.client_id)
        if browser is not None:
            browser.turning = time.monotonic() if browser.turning is None else None
            self.stage.wake()

    def _wire(self, _) -> None:
        self.stage.wireframe = self.wireframe.value
        self.stage.wake()
