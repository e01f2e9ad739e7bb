"""One posed moment, and what is made of it once for all browsers that show it in the same way."""

from collections.abc import Callable
from functools import cached_property

import numpy as np

from avatar3d.avatar import Avatar
from avatar3d.gaussians import Gaussians
from avatar3d.motion import Motion
from avatar3d.render.cpu import Workspace
from viewer.live.splats import Splats, splats_of

Painter = Callable[["Scene", Workspace, int], np.ndarray]
"""Draws a scene by a number of threads in a way of its own, wherever the browser looks from: [H, W, 3] uint8. Equal painters paint the same."""


class Scene:
    """A moment.

    Args:
        number: another one, another scene.
        position: of the player, seconds.
        avatar: who is shown.
        frame: motion of one frame.
        gaussians: the avatar so posed, in its light.
        background: sRGB 0..255 behind it.
    """

    def __init__(
        self, number: int, position: float, avatar: Avatar, frame: Motion, gaussians: Gaussians, background: tuple[int, int, int]
    ) -> None:  # fmt: skip
        self.number, self.position, self.avatar, self.frame, self.gaussians = number, position, avatar, frame, gaussians
        self.background = background
        self._painted: list[tuple[Painter, np.ndarray]] = []

    @cached_property
    def backdrop(self) -> np.ndarray:
        """[3] float32, 0..1."""
        return np.array(self.background, np.float32) / 255

    @cached_property
    def splats(self) -> Splats:
        """For browsers that draw themselves."""
        return splats_of(self.gaussians)

    @cached_property
    def vertices(self) -> np.ndarray:
        """[V, 3] of the head's mesh."""
        return self.avatar.vertices(self.frame)[: self.avatar.head.num_vertices]

    def painted(self, painter: Painter, workspace: Workspace, threads: int) -> np.ndarray:
        """What a painter makes of it."""
        for known, picture in self._painted:
            if known == painter:
                return picture
        picture = painter(self, workspace, threads)
        self._painted.append((painter, picture))
        return picture
