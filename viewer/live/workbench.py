"""The workbench: a server, its panels, and whoever comes to look."""

import contextlib
import io
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from avatar3d.errors import UserError
from viewer.visitors import LOOPBACK, NOTHING_HERE, check_listening, endpoint, in_use, inside, stranger

if TYPE_CHECKING:
    import viser

    from avatar3d.avatar import Avatar
    from avatar3d.footage import Footage
    from avatar3d.motion import Motion
    from avatar3d.performer import Performer
    from viewer.live.browser import Browser
    from viewer.live.panel_record import RecordPanel
    from viewer.live.take import Moment

FOLLOWING = 0.1
"""Seconds between two looks at the player by its panel."""
_BEAT = 0.5
"""Seconds between two corrections of the browsers' sound."""
_STYLE = """<style>
#webgl-software-rendering {display: none !important}
[role=tab] {padding: 0.3em 0.55em !important}
@media (max-width: 36em) {
  [role=tab] {padding: 0.8em 0.55em !important}
  .mantine-Paper-root[style*='max-height: 60%'] {max-height: 40% !important; width: 100% !important}
  .mantine-Paper-root[style*='max-height: 60%'] div[style*='width: 20em'] {width: 100% !important}
}</style>"""
"""Over the head viser says that a browser draws without a GPU, which pictures do not need. Six tabs and a scroll bar are to have room in one row.
On a telephone viser has the panel at the foot of the page, over more than half of it, and so over the mouth; and there a finger is to hit a tab."""
_KEYS = """<img src="data:," alt="" style="display:none" onerror="if(!window.panelKeys){window.panelKeys=true;
document.body.addEventListener('keydown',event=>{if(event.target.closest('button,[role],.mantine-Paper-root'))event.stopPropagation()})}">"""
"""viser flies its camera by letters and arrows wherever the focus is, but for text fields: an arrow that moves a slider, or goes from tab to tab,
would turn the head away. What is pressed on a control stays with it."""


def open_server(host: str, port: int, label: str, token: str | None = None) -> "viser.ViserServer":
    """A page that says that it loads.

    Args:
        host: address to listen on.
        port: 0 takes any that is free.
        label: at the top of the panel.
        token: first part of the page's address, without which nobody is let in.

    Raises:
        UserError: viser is missing, or the port is in use or may not be listened on.
    """
    try:
        import viser
    except ImportError as error:
        raise UserError(f"view: viser cannot be loaded ({error}); `pip install viser`") from error
    try:
        port = check_listening(host, port)
    except UserError as error:
        if in_use(error):
            raise UserError(f"{endpoint(host, port)}: cannot be listened on (in use); try --port {free_port(host, port + 1)}") from error
        raise
    # viser prints a table with addresses; the caller says the one that counts.
    with contextlib.redirect_stdout(io.StringIO()), _guarded(host in LOOPBACK, token):
        server = viser.ViserServer(host=host, port=port, label=label, verbose=False)
    # Between a browser's leaving and the news of it, pictures go nowhere.
    warnings.filterwarnings("ignore", message="Queued a .* on a closed connection")
    server.gui.add_html(_STYLE + _KEYS, order=-9.0)
    server.scene.set_up_direction("+y")
    server.gui.configure_theme(dark_mode=False, show_logo=False, show_share_button=False, control_width="large")
    server.gui.main_panel.dock_right()
    return server


@contextlib.contextmanager
def _guarded(alone: bool, token: str | None) -> Iterator[None]:
    """A server that is opened meanwhile answers no page of another site, and nobody without the token. viser lets nobody in between but the
    library that it serves by."""
    from http import HTTPStatus

    from websockets.asyncio import server

    serve = server.serve

    def guarded(*arguments, process_request, **options):
        def answered(connection, request):
            refusal = stranger(request.headers, alone and token is None)
            if refusal is not None:
                return connection.respond(HTTPStatus.FORBIDDEN, f"{refusal}\n")
            name = inside(request.path.partition("?")[0], token)
            if name is None:
                return connection.respond(HTTPStatus.NOT_FOUND, f"{NOTHING_HERE}\n")
            request.path = f"/{name}"
            return process_request(connection, request)

        return serve(*arguments, process_request=answered, **options)

    server.serve = guarded  # type: ignore[assignment]
    try:
        yield
    finally:
        server.serve = serve


def close_server(server: "viser.ViserServer") -> None:
    """Close the page."""
    with contextlib.redirect_stdout(io.StringIO()):
        server.stop()


def free_port(host: str, wanted: int) -> int:
    """A port that nobody listens on: `wanted` or one of the next hundred, else any."""
    if wanted:
        for port in range(wanted, min(wanted + 100, 65536)):
            if _is_free(host, port):
                return port
    return check_listening(host, 0)


def _is_free(host: str, port: int) -> bool:
    try:
        check_listening(host, port)
    except UserError:
        return False
    return True


class Workbench:
    """The panels over a stage, for as long as it is open.

    Args:
        server: from `open_server`.
        avatar: who is shown.
        name: of the avatar.
        motion: what plays first, with its name.
        performer: who makes motions of words and sound, if there is somebody.
        footage: a tracked capture to look at, if there is one.
        scratch: folder for uploads.
    """

    def __init__(
        self,
        server: "viser.ViserServer",
        avatar: "Avatar",
        name: str,
        motion: "tuple[str, Motion] | None" = None,
        performer: "Performer | None" = None,
        footage: "Footage | None" = None,
        scratch: Path = Path(),
    ) -> None:
        from viewer.live.desk import Desk
        from viewer.live.eyes import front_eye
        from viewer.live.panel_capture import CapturePanel
        from viewer.live.panel_face import FacePanel
        from viewer.live.panel_play import PlayPanel, title_of
        from viewer.live.panel_speak import SpeakPanel
        from viewer.live.panel_view import ViewPanel
        from viewer.live.player import Player
        from viewer.live.stage import Stage

        rest = avatar.admit(_still(avatar))
        title = "Nothing plays: open a motion here, or let it speak." if motion is None else title_of(*motion)
        player = Player(rest if motion is None else motion[1])
        self.server, self.player, self.stage = server, player, Stage(server, avatar, player)
        self.desk = Desk(server, self.stage, avatar, name, scratch)
        tabs = server.gui.add_tab_group()
        with tabs.add_tab("Play"):
            self.play = PlayPanel(self.desk, title, nothing=motion is None)
        with tabs.add_tab("Face"):
            self.face = FacePanel(self.desk)
        self.speak = self.capture = None
        if performer is not None:
            with tabs.add_tab("Speak"):
                self.speak = SpeakPanel(self.desk, performer)
        self._tabs = {name: tabs.add_tab(name) for name in ("View", "Record", *(("Capture",) if footage is not None else ()))}
        with self._tabs["View"]:
            self.view = ViewPanel(self.desk)
        self.records: dict[int, RecordPanel] = {}
        self._left: list[Moment] = []
        if footage is not None:
            with self._tabs["Capture"]:
                self.capture = CapturePanel(self.desk, footage)
            if motion is None:
                self.capture.begin()
        self._seating = threading.Lock()
        eye = front_eye(avatar)
        server.initial_camera.position, server.initial_camera.look_at = eye.position, eye.look_at
        server.initial_camera.up, server.initial_camera.fov = (0.0, 1.0, 0.0), eye.fov
        # Who came while the avatar was being read has been looking from elsewhere; who comes back keeps their camera.
        self._early = set(server.get_clients())
        server.on_client_connect(self._come)
        server.on_client_disconnect(self._go)
        self.desk.say("ready")
        self.stage.start()
        if self.speak is not None:
            self.speak.warm()

    def _come(self, client: "viser.ClientHandle") -> None:
        """A browser has come: what is its own goes into the tabs of its page."""
        from viewer.live.eyes import front_eye
        from viewer.live.panel_capture import OwnOverlay
        from viewer.live.panel_record import RecordPanel
        from viewer.live.panel_view import OwnView

        browser, number = self.desk.welcome(client), client.client_id
        if number in self._early:
            browser.look_from(front_eye(self.desk.avatar, browser.aspect))
        # A page takes some messages to arrive where all begin.
        client.camera.on_update(lambda _: self._fit_width(browser))
        self._fit_width(browser)
        with self._seating:
            with self._tabs["View"]:
                self.view.own[number] = OwnView(self.desk, browser, lambda: self._free(number))
            with self._tabs["Record"]:
                self.records[number], self._left = RecordPanel(self.desk, browser, self._left), []
            if self.capture is not None:
                with self._tabs["Capture"]:
                    self.capture.own[number] = OwnOverlay(self.capture, browser)
        if number not in self.server.get_clients():
            # It went while it was being seated, and nobody says so once more.
            self._go(client)

    def _free(self, number: int) -> None:
        """A browser that would look from elsewhere leaves the capture."""
        from viewer.live.tracked_frame import SHOWN

        if self.capture is not None and number in self.capture.own:
            self.capture.own[number].choose(SHOWN[-1])

    def _fit_width(self, browser: "Browser") -> None:
        """From where all begin, the head is too wide for a narrow page: it looks at more."""
        from viewer.live.eyes import front_eye

        camera, usual = browser.client.camera, self.server.initial_camera
        begins = abs(camera.fov - usual.fov) < 1e-3 and all(
            np.allclose(here, there, atol=1e-3) for here, there in ((camera.position, usual.position), (camera.look_at, usual.look_at))
        )
        if begins and browser.aspect < 1:
            browser.look_from(front_eye(self.desk.avatar, browser.aspect))

    def _go(self, client: "viser.ClientHandle") -> None:
        """A browser has gone; a take that it leaves is the next one's, which may well be the same page loaded anew."""
        self.desk.dismiss(client)
        with self._seating:
            self.view.own.pop(client.client_id, None)
            record = self.records.pop(client.client_id, None)
            if record is not None:
                self._left = record.leave() or self._left
            if self.capture is not None:
                self.capture.own.pop(client.client_id, None)

    def run(self, until: Callable[[], bool] = lambda: False) -> None:
        """Keep the panels up to date until Ctrl-C, or until `until` says so."""
        beat = seen = time.monotonic()
        while not until():
            time.sleep(FOLLOWING)
            now = time.monotonic()
            self.play.follow()
            for record in list(self.records.values()):
                record.follow()
            if self.capture is not None:
                self.capture.follow()
            if now - seen >= 1.0:
                seen = now
                self.view.follow()
            if now - beat >= _BEAT and self.desk.player.playing:
                beat = now
                self.desk.conduct()

    def close(self) -> None:
        """Stop showing, listening and sounding; the server is whoever's opened it."""
        if self.speak is not None:
            self.speak.close()
        self.stage.stop()
        self.desk.close()


def warm_up(avatar: "Avatar") -> None:
    """Draw something small in both ways: on a new machine the kernels are compiled now, for half a minute, and not at the first look."""
    from avatar3d.drawing import draw_gaussians
    from viewer.cameras import front_camera
    from viewer.live.splats import splats_of

    gaussians = avatar.pose(_still(avatar), 0.0)
    draw_gaussians(gaussians, front_camera(avatar, 32), np.zeros(3, np.float32), threads=2)
    splats_of(gaussians)


def _still(avatar: "Avatar") -> "Motion":
    from avatar3d.motion import rest_motion

    return rest_motion(avatar.head, 25, shape=avatar.shape.numpy())


@contextlib.contextmanager
def scratch_folder() -> Iterator[Path]:
    """A folder for what browsers send, gone at the end."""
    with tempfile.TemporaryDirectory(prefix="avatar3d-view-") as folder:
        yield Path(folder)
