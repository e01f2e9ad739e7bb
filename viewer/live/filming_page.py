"""The page of a film that becomes an avatar: the camera's picture, the head that grows beside it, and what to do next."""

import math
import time
from collections.abc import Callable, Sequence

import numpy as np
import viser

from avatar3d.avatar import Avatar
from avatar3d.motion import Motion, rest_motion
from viewer.live.eyes import turned_eye
from viewer.live.placard import Placard
from viewer.live.player import Player
from viewer.live.stage import Stage
from viewer.live.status_line import StatusLine

_DOUBLE = 1.0
"""Seconds in which a second click on the button is the first one's, and does not mean what the button has come to say meanwhile."""
_ON_ITS_WAY = 0.5
"""Seconds that a message may take to a browser."""
SEEN = 1.35
"""How much of the scene is seen against the workbench's usual: the shoulders as well, as in the camera's picture."""


class FilmingPage:
    """What browsers see.

    Args:
        server: from `viewer.live.workbench.open_server`.
        stop: called when somebody presses the button.
    """

    def __init__(self, server: viser.ViserServer, stop: Callable[[], None]) -> None:
        self.server = server
        self.status = StatusLine(server, "getting ready …", busy=True)
        self.placard: Placard | None = Placard(server, "The head will appear here.\ngetting ready: half a minute on a new machine")
        self.advice = server.gui.add_markdown("", order=-2.0)
        self.picture: viser.GuiImageHandle | None = None
        self.list = server.gui.add_markdown("", order=2.0)
        self.button = server.gui.add_button("Stop and make the avatar", icon=viser.Icon.PLAYER_STOP, order=3.0)
        self.button.on_click(lambda _: self._pressed(stop))
        self._relabelled = -math.inf
        self.stage: Stage | None = None
        self._avatar: Avatar | None = None

    def say(self, status: str, advice: str = "", button: str = "") -> None:
        """What goes on, what the person should do, and what the button does."""
        self.status.say(status, busy=True)
        _put(self.advice, f"### {advice}" if advice else "")
        if button and self.button.label != button:
            self.button.label, self._relabelled = button, time.monotonic()

    def expect(self, seconds: float | None, doing: str) -> None:
        """Say where the head will be that is not there yet: in how many seconds (0: that is over; None: once the whole film has been tracked), and
        what is being done for it."""
        if self.placard is None:
            return
        if seconds is None:
            when = "once the whole film has been tracked"
        else:
            when = f"in about {seconds:.0f} s" if seconds >= 1 else "any moment; this machine takes longer than usual"
        self.placard.say(f"The head appears here {when}.\n{doing} …")

    def wind_up(self, doing: str) -> None:
        """Say what is done last of all, which no button shortens."""
        self.status.say(f"{doing} …", busy=True)
        _put(self.advice, "")
        self.button.visible = False

    def end(self, text: str) -> None:
        """The last thing that is said; the page keeps it when its server has ended."""
        self.status.end(text)
        _put(self.advice, "")
        self.button.visible = False
        self._unveil()
        # What is on its way when the server closes does not arrive.
        self.server.flush()
        time.sleep(_ON_ITS_WAY)

    def tick_off(self, goals: Sequence[tuple[str, float]]) -> None:
        """What has been seen: (name, 0..1)."""
        missing = [name + (f" ({100 * share:.0f} %)" if share > 0 else "") for name, share in goals if share < 1]
        lines = [f"**{title}:** {', '.join(names) or 'nothing'}" for title, names in (
            ("seen", [name for name, share in goals if share >= 1]), ("still missing", missing),
        )]  # fmt: skip
        _put(self.list, "\n\n".join(lines))

    def show(self, picture: np.ndarray, avatar: Avatar | None, frame: Motion | None) -> None:
        """The camera's picture [H, W, 3] uint8, and the avatar, where there is one, in its pose."""
        if self.picture is None:
            self.picture = self.server.gui.add_image(picture, format="jpeg", jpeg_quality=80, order=1.0)
        else:
            self.picture.image = picture
        if avatar is None:
            return
        if self.stage is None:
            self._begin(avatar)
        assert self.stage is not None
        if avatar is not self._avatar:
            self._avatar = avatar
            self.stage.recast(avatar)
        if frame is not None:
            self.stage.show_live(frame)

    def close(self) -> None:
        """Show no more; the server is whoever's opened it."""
        if self.stage is not None:
            self.stage.stop()

    def _pressed(self, stop: Callable[[], None]) -> None:
        if time.monotonic() - self._relabelled > _DOUBLE:
            stop()

    def _unveil(self) -> None:
        if self.placard is not None:
            self.placard.remove()
            self.placard = None

    def _begin(self, avatar: Avatar) -> None:
        self._unveil()
        # One thread: the fit needs the others more.
        stage = Stage(self.server, avatar, Player(rest_motion(avatar.head, 1, shape=avatar.shape.numpy())), threads=1)
        self.stage, self._avatar = stage, avatar
        eye = turned_eye(avatar, 0.0, 0.0, SEEN)
        server = self.server
        server.initial_camera.position, server.initial_camera.look_at = eye.position, eye.look_at
        server.initial_camera.up, server.initial_camera.fov = (0.0, 1.0, 0.0), eye.fov

        @server.on_client_connect
        def _(client: viser.ClientHandle) -> None:
            # Whoever has been waiting looks from somewhere else, and who is just arriving may.
            stage.welcome(client).look_from(eye)

        server.on_client_disconnect(stage.dismiss)
        stage.start()


def _put(markdown: viser.GuiMarkdownHandle, text: str) -> None:
    if markdown.content != text:
        markdown.content = text
