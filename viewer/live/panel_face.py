"""The panel with a slider for everything that moves in a face."""

import viser

from viewer.live.desk import Desk
from viewer.sliders import POSES, Slider, face_sliders, moved

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
        self._handles: dict[str, viser.GuiSliderHandle] = {}
        self._all: list[viser.GuiInputHandle] = []
        head = desk.avatar.head
        self.gui.add_markdown("Sliders are added to what plays.")
        self.reset = self.gui.add_button("Everything back to rest", icon=viser.Icon.REFRESH)
        self.linked = self.gui.add_checkbox("left and right together", True)
        self.within = self.gui.add_checkbox("keep to what was filmed", False, hint="Bends the pose into the range that the avatar has seen.")
        groups = face_sliders(head)
        self._sliders = [slider for sliders in groups.values() for slider in sliders]
        for title, sliders in groups.items():
            with self.gui.add_folder(title, expand_by_default=title == POSES):
                for slider in sliders:
                    if slider.moves[0][0] == "eyes_pose" and not hasattr(self, "follow"):
                        self.follow = self.gui.add_checkbox("eyes follow the camera", False)
                    self._add(slider)
        desk.heed(self.follow, lambda follow, _: self.stage.adjust(follow=follow))
        with self.gui.add_folder("Identity", expand_by_default=False):
            self.gui.add_markdown(_ABOUT_MODES)
            self.modes = [self._mode(mode) for mode in range(min(MODES, head.num_shape))]
        desk.heed(self.reset, self._rest)
        desk.heed(self.within, lambda within, _: self.stage.adjust(within=within))

    def _add(self, slider: Slider) -> None:
        hint = slider.name if slider.name != slider.label else None
        handle = self.gui.add_slider(slider.label, slider.low, slider.high, slider.step, 0.0, hint=hint)
        self._handles[slider.name] = handle
        self._all.append(handle)
        self.desk.heed(handle, lambda value, event: self._move(slider, value, event))

    def _mode(self, mode: int) -> viser.GuiSliderHandle:
        handle = self.gui.add_slider(f"mode {mode + 1}", -3.0, 3.0, 0.01, 0.0)
        self.desk.heed(handle, self._set_shape)
        self._all.append(handle)
        return handle

    def _move(self, slider: Slider, value: float, event: viser.GuiEvent) -> None:
        partner = self._handles.get(slider.partner or "")
        if self.linked.value and event.client is not None and partner is not None:
            partner.value = value
        self._set_face()

    def _set_face(self) -> None:
        added = moved(self._sliders, [float(self._handles[slider.name].value) for slider in self._sliders])

        def numbers(channel: str, count: int) -> tuple[float, ...]:
            return tuple(added.get(channel, {}).get(number, 0.0) for number in range(count))

        (jaw_open, jaw_left), (gaze_down, gaze_left) = numbers("jaw_pose", 2), numbers("eyes_pose", 2)
        self.stage.adjust(
            expr=added.get("expr", {}),
            jaw=(jaw_open, jaw_left),
            gaze=(gaze_left, -gaze_down),
            head=numbers("neck_pose", 3),
            lids=numbers("eyelids", 2),
        )

    def _set_shape(self, *_) -> None:
        self.stage.adjust(shape={mode: float(slider.value) for mode, slider in enumerate(self.modes) if slider.value})

    def _rest(self, *_) -> None:
        for slider in self._all:
            slider.value = 0.0
        self.follow.value = False
