"""live: filming, tracking, fitting and seeing at once."""

import contextlib
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from tyro.conf import Positional, arg

from avatar3d.cli.common import check_range, note, open_head, say
from avatar3d.cli.personal import give_own_driver

if TYPE_CHECKING:
    from recon.coaching import Coach
    from recon.live_session import LiveSession
    from recon.tracking_files import TrackedCapture
    from viewer.live.filming_page import FilmingPage

_ENDS = 2
"""Times that Ctrl-C ends a part of the work, the film and settling; once more ends all of it."""
_LOOKING = 1 / 10
"""Seconds between two looks at the session: more pictures of the head would take their time from its fit."""


def live(
    source: Positional[str] = "camera",
    /,
    out: Annotated[Path, arg(aliases=["-o"])] = Path("me.avatar"),
    settle: float = 60.0,
    preset: Literal["live", "fast", "balanced", "quality"] = "live",
    holdout: float = 0.0,
    size: int = 512,
    fps: float | None = None,
    focal: float | None = None,
    seed: int = 0,
    port: int = 8080,
    host: str = "127.0.0.1",
    token: str | None = None,
    page: bool = True,
    subject: str = "",
    consent: str = "",
    head: Path | None = None,
) -> None:
    """Film yourself and watch your avatar appear: tracking, fitting and viewing at once, with advice what to do next.

    Args:
        source: `camera`, `camera:1`, a device as /dev/video0, or a video, which is played at its own speed as if it were a camera.
        out: the .avatar file to write; the capture is kept beside it as NAME.capture.
        settle: seconds for which the fit goes on once the film is over and tracked; the page's button or Ctrl-C ends the film, then settling.
        preset: live keeps what was learned while filming; the others then fit the capture anew, as `avatar3d fit` does.
        holdout: share of a video's frames, at its end, that are kept out to measure on.
        size: side of the square crop, pixels.
        fps: pictures a second; default what the source has, 30 at most.
        focal: focal length in pixels of the crop, where it is known.
        seed: of everything random; a live fit depends on the machine's speed as well.
        port: of the page; 0 takes any that is free.
        host: address to listen on; 0.0.0.0 lets other machines in, which then see the camera. The page's address holds a token then.
        token: that token, to keep one for the next start; by default something new and random.
        page: show it in the browser; --no-page only makes the avatar.
        subject: whose head this is; recorded in the avatar.
        consent: how the person agreed; recorded in the avatar.
        head: a FLAME file of your own instead of the embedded head.
    """
    from fractions import Fraction

    from avatar3d.cli.capture import RIGHTS, check_options, fit_capture, keep_fit
    from avatar3d.errors import UserError
    from avatar3d.files import check_output
    from viewer.visitors import check_token

    check_options(size, fps, focal, holdout, seed)
    check_token(token)
    check_range("--port", port, 0, 65535)
    check_range("--settle", settle, 0, 3600)
    if out.suffix != ".avatar" or out.is_dir():
        raise UserError(f"{out}: cannot be an avatar file; give a name that ends in .avatar")
    check_output(out, Path(source))
    import torch

    from recon.capture import load_capture
    from recon.live_fit import LiveFit, warm_up
    from recon.live_session import LiveSession, warm_eyes
    from recon.live_source import open_source

    torch.set_num_threads(1)
    opened = open_source(source, None if fps is None else Fraction(fps).limit_denominator(1001))
    if holdout and opened.expected is None:
        raise UserError(f"--holdout {holdout}: a camera's film has no known end; hold out frames of a video")
    server, shown = _open(host, port, token, out.stem) if page else None, None
    try:
        rig = open_head(head)
        session = LiveSession(
            opened, out.with_suffix(".capture"), rig, LiveFit(rig, seed=seed), size=size, focal=focal, holdout=holdout, settle=settle
        )
        if server is not None:
            from viewer.live.filming_page import FilmingPage

            shown = FilmingPage(server, session.stop)
        warm_up(rig)
        warm_eyes()
        # A film that is over by itself leaves Ctrl-C unused; whoever presses it once more while the avatar is written must not lose it.
        with _presses() as pressed:
            tracking, split = _follow(session, shown, pressed)
            if shown is not None:
                shown.wind_up(f"writing the report card and {out.name}")
            _report(session, tracking)
            if preset == "live":
                metadata = {"subject": subject, "consent": consent, "source": opened.name, "licence": RIGHTS, "preset": "live"}
                avatar = session.fit.avatar(metadata, holdout)
                keep_fit(avatar, load_capture(session.out), tracking.motion, tracking.camera, split, out)
        if preset != "live":
            fit_capture(
                session.out, out, preset=preset, holdout=holdout, seed=seed, resume=False, head=head, subject=subject, consent=consent
            )  # fmt: skip
            if preset != "fast":
                give_own_driver(out, session.out, head, holdout, seed)
        if shown is not None:
            shown.end(f"{out.name} is written")
    except (UserError, KeyboardInterrupt) as error:
        if shown is not None:
            shown.end(str(error) or "ended here; no avatar was written")
        raise
    finally:
        opened.close()
        if shown is not None:
            shown.close()
        if server is not None:
            from viewer.live.workbench import close_server

            close_server(server)
    if preset == "live":
        say(f"a larger and longer fit of the same film: avatar3d fit {session.out} -o {out}")
    say(f'next: avatar3d view {out}, or avatar3d speak {out} --text "Hello, this is me." -o {out.with_suffix(".mp4")}')


def _open(host: str, port: int, token: str | None, name: str):
    from viewer.live.workbench import open_server
    from viewer.visitors import page_address, token_for

    token = token_for(host, token)
    server = open_server(host, port, f"avatar3d: {name}", token)
    say(f"live: open {page_address(host, server.get_port(), token)} in a browser; its button or Ctrl-C ends the film")
    return server


@contextlib.contextmanager
def _presses() -> Iterator[Callable[[], int]]:
    """How often Ctrl-C was pressed; beyond `_ENDS` it interrupts as ever."""
    count = 0

    def press(*_) -> None:
        nonlocal count
        count += 1
        if count > _ENDS:
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, press)
    try:
        yield lambda: count
    finally:
        signal.signal(signal.SIGINT, before)


def _follow(session: "LiveSession", page: "FilmingPage | None", pressed: Callable[[], int]):
    """Run the session to its end, and show it meanwhile. A first Ctrl-C ends the film, a second one settling, a third everything."""
    from recon.coaching import Coach

    found: list = []
    failed: list[BaseException] = []

    def work() -> None:
        try:
            found.append(session.run())
        except BaseException as error:
            failed.append(error)
        finally:
            over.set()

    # Not the thread itself is waited for: a join that Ctrl-C breaks off takes it for ended.
    over = threading.Event()
    threading.Thread(target=work, name="session", daemon=True).start()
    doing, heeded, coach = "", 0, Coach()
    while not over.wait(_LOOKING):
        if session.doing != doing:
            doing = session.doing
            say(f"live: {doing}")
        if page is not None:
            _show(session, page, coach)
        if pressed() > heeded:
            heeded += 1
            note("live: ending; press Ctrl-C again to end sooner")
            session.stop()
    if failed:
        raise failed[0]
    if page is not None:
        # After a short film the head is there only now.
        _show(session, page, coach)
    return found[0]


def _show(session: "LiveSession", page: "FilmingPage", coach: "Coach") -> None:
    fit, counts = session.fit, session.counts
    quality = f"; {fit.step} steps, {fit.psnr:.1f} dB" if session.avatar is not None else ""
    if session.filming:
        page.say(f"{session.doing}: {counts['recorded']} pictures, {counts['looked']} looked at{quality}", coach.ask(session.goals, time.monotonic()))
    else:
        page.say(f"{session.doing} …{quality}", "", "Enough, write the avatar")
    if session.avatar is None:
        page.expect(*((session.head_in, session.making) if session.filming else (None, session.doing)))
    page.tick_off([(goal.name, goal.progress) for goal in session.goals])
    moment = session.moment()
    if moment is not None:
        page.show(moment[0], session.avatar, moment[1])


def _report(session: "LiveSession", tracking: "TrackedCapture") -> None:
    from recon.capture import load_capture
    from recon.coaching import next_advice
    from recon.occlusion import load_occlusions
    from recon.report_card import write_report_card
    from recon.tracking_files import write_tracked_overlay

    times, counts = session.times, session.counts
    if "avatar" in times:
        say(
            f"live: head shown {times['avatar']:.1f} s after the first picture; {counts['looked']} of {counts['recorded']} pictures "
            f"were looked at while new; film over at {times['film over']:.0f} s, tracked at {times['tracked']:.0f} s, done at {times['done']:.0f} s"
        )
    capture = load_capture(session.out)
    write_tracked_overlay(capture, tracking, session.head)
    occluded = load_occlusions(session.out, len(capture)).flagged(len(capture))
    for line in write_report_card(capture, tracking.motion, tracking.camera, occluded=occluded).lines():
        say(line)
    if any(not goal.done for goal in session.goals):
        say(f"not seen while filming: {', '.join(goal.name for goal in session.goals if not goal.done)}; next time: {next_advice(session.goals)}")
