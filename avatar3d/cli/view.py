"""view: the workbench in the browser."""

from pathlib import Path

from tyro.conf import Positional

from avatar3d.cli.common import check_range, interrupted, note, open_avatar, say


def view(
    avatar: Positional[Path],
    /,
    motion: Path | None = None,
    capture: Path | None = None,
    port: int = 8080,
    host: str = "127.0.0.1",
    token: str | None = None,
    head: Path | None = None,
) -> None:
    """Open an avatar in the browser: pose it, play motions, let it speak, look at it from anywhere, record it.

    Args:
        avatar: the .avatar file.
        motion: a motion (.npz) that is loaded at once.
        capture: a capture folder whose tracking is shown over its frames.
        port: of the page; 0 takes any that is free.
        host: address to listen on; 0.0.0.0 lets other machines in, which can then do all that the page can. The page's address holds a token then.
        token: that token, to keep one for the next start; by default something new and random.
        head: file of the avatar's head model where it is not the embedded one.
    """
    from avatar3d.cli.view_footage import CaptureFootage
    from avatar3d.cli.view_performer import DriverPerformer
    from avatar3d.file_kinds import MOTION, check_avatar_file, check_kind
    from avatar3d.motion import load_motion

    check_range("--port", port, 0, 65535)
    check_avatar_file(avatar)
    if motion is not None:
        check_kind(motion, MOTION)
    from viewer.live.status_line import StatusLine
    from viewer.live.workbench import Workbench, close_server, open_server, scratch_folder, warm_up
    from viewer.visitors import check_token, page_address, token_for

    check_token(token)
    token = token_for(host, token)
    over = interrupted()
    server = open_server(host, port, f"avatar3d: {avatar.stem}", token)
    try:
        loading = StatusLine(server, f"reading {avatar.name} …", busy=True)
        person = open_avatar(avatar, head)
        first = None if motion is None else (motion.name, load_motion(motion, person.head))
        footage = None
        if capture is not None:
            loading.say(f"reading {capture.name} …", busy=True)
            footage = CaptureFootage(capture, person)
            if footage.caution:
                note(f"view: {footage.caution}")
        # What cannot be shown is refused before anybody is asked to come and look.
        say(f"view: open {page_address(host, server.get_port(), token)} in a browser; Ctrl-C ends it")
        loading.say("getting ready to draw; half a minute on a new machine …", busy=True)
        warm_up(person)
        with scratch_folder() as scratch:
            bench = Workbench(server, person, avatar.stem, first, DriverPerformer(person, avatar), footage, scratch)
            loading.remove()
            try:
                bench.run(over)
            finally:
                bench.close()
    except KeyboardInterrupt:
        pass
    finally:
        close_server(server)
    say("view: closed")
