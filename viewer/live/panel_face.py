"""The panel with a slider for everything that moves in a face."""

import math

import viser

from viewer.live.desk import Desk
from viewer.live.expressions import Entry, grouped, readable

MODES = 12
"""Identity sliders: the modes come with the widest first."""
_ABOUT_MODES = (
    "Ways in which the heads of this model differ from one another, the widest first. Each changes several features at once, so they have "
    "no names; of ten people about seven lie between −1 and 1."
)


class FacePanel:
    """Expressions by name, jaw, gaze, head, identity; all of it is added to what plays.

    Args:
        desk: of the workbench.
    """

    def __init__(self, desk: Desk) -> None:
        self.desk, self.gui, self.stage = desk, desk.gui, desk.stage
        self._sliders: dict[int, viser.GuiSliderHandle] = {}
        self._partners: dict[int, int] = {}
        self._all: list[viser.GuiInputHandle] = []
        head = desk.avatar.head
        self.gui.add_markdown("Sliders are added to what plays.")
        self.reset = self.gui.add_button("Everything back to rest", icon=viser.Icon.REFRESH)
        self.linked = self.gui.add_checkbox("left and right together", True)
        self.within = self.gui.add_checkbox("keep to what was filmed", False, hint="Bends the pose into the range that the avatar has seen.")
        with self.gui.add_folder("Jaw, gaze, head"):
            self._pose_sliders(head.jaw_open_angle)
        for title, entries in grouped(head.expr_names, head.num_expr).items():
            with self.gui.add_folder(title, expand_by_default=False):
                for entry in entries:
                    self._expression(entry, named=bool(head.expr_names))
        if head.eyelid_basis is not None:
            with self.gui.add_folder("Lids", expand_by_default=False):
                self.lids = [self._slider(f"close {side}", -0.5, 1.5, self._set_lids) for side in ("left", "right")]
            for slider, partner in zip(self.lids, reversed(self.lids), strict=True):
                slider.on_update(lambda event, slider=slider, partner=partner: self._follow(event, slider, partner))
        with self.gui.add_folder("Identity", expand_by_default=False):
            self.gui.add_markdown(_ABOUT_MODES)
            self.modes = [self._slider(f"mode {mode + 1}", -3.0, 3.0, self._set_shape) for mode in range(min(MODES, head.num_shape))]
        self.reset.on_click(desk.guarded(self._rest))
        self.within.on_update(lambda _: self.stage.adjust(within=self.within.value))

    def _slider(self, label: str, low: float, high: float, changed) -> viser.GuiSliderHandle:
        slider = self.gui.add_slider(label, low, high, 0.01 if high - low < 20 else 0.5, 0.0)
        slider.on_update(lambda _: changed())
        self._all.append(slider)
        return slider

    def _pose_sliders(self, jaw_angle: float) -> None:
        self._jaw_angle = jaw_angle
        self.jaw = self._slider("jaw open", 0.0, 1.2, self._set_jaw)
        self.jaw_side = self._slider("jaw aside", -1.0, 1.0, self._set_jaw)
        self.follow = self.gui.add_checkbox("eyes follow the camera", False)
        self.follow.on_update(lambda _: self.stage.adjust(follow=self.follow.value))
        self.gaze = [self._slider(f"gaze {way}, °", -most, most, self._set_gaze) for way, most in (("right", 30.0), ("up", 15.0))]
        self.head = [self._slider(f"head {way}, °", -40.0, 40.0, self._set_head) for way in ("right", "up", "tilt")]

    def _expression(self, entry: Entry, named: bool) -> None:
        low, high = (0.0, 1.0) if named else (-3.0, 3.0)
        slider = self.gui.add_slider(readable(entry.name), low, high, 0.01, 0.0, hint=entry.name)
        self._sliders[entry.index] = slider
        self._all.append(slider)
        if entry.partner is not None:
            self._partners[entry.index] = entry.partner

        @slider.on_update
        def _(event: viser.GuiEvent) -> None:
            self._follow(event, slider, self._sliders.get(self._partners.get(entry.index, -1)))
            self._set_expressions()

    def _follow(self, event: viser.GuiEvent, slider: viser.GuiSliderHandle, partner: viser.GuiSliderHandle | None) -> None:
        """The other side goes along where both shall go together; what the panel itself writes has no client."""
        if self.linked.value and event.client is not None and partner is not None:
            partner.value = slider.value

    def _set_expressions(self) -> None:
        self.stage.adjust(expr={index: float(slider.value) for index, slider in self._sliders.items() if slider.value})

    def _set_jaw(self) -> None:
        self.stage.adjust(jaw=(self.jaw.value * self._jaw_angle, -self.jaw_side.value * 0.15))

    def _set_gaze(self) -> None:
        # Right is the viewer's right, which is the subject's left.
        right, up = (math.radians(slider.value) for slider in self.gaze)
        self.stage.adjust(gaze=(right, up))

    def _set_head(self) -> None:
        right, up, tilt = (math.radians(slider.value) for slider in self.head)
        self.stage.adjust(head=(-up, right, -tilt))

    def _set_lids(self) -> None:
        left, right = (float(slider.value) for slider in self.lids)
        self.stage.adjust(lids=(left, right))

    def _set_shape(self) -> None:
        self.stage.adjust(shape={mode: float(slider.value) for mode, slider in enumerate(self.modes) if slider.value})

    def _rest(self, _) -> None:
        for slider in self._all:
            slider.value = 0.0
        self.follow.value = False
