"""view: the workbench in the browser."""

from pathlib import Path

from tyro.conf import Positional

from avatar3d.cli.common import check_range, open_avatar, say


def view(
    avatar: Positional[Path],
    /,
    motion: Path | None = None,
    capture: Path | None = None,
    port: int = 8080,
    host: str = "127.0.0.1",
    head: Path | None = None,
) -> None:
    """Open an avatar in the browser: pose it, play motions, let it speak, look at it from anywhere, record it.

    Args:
        avatar: the .avatar file.
        motion: a motion (.npz) that is loaded at once.
        capture: a capture folder whose tracking is shown over its frames.
        port: of the page; 0 takes any that is free.
        host: address to listen on; 0.0.0.0 lets other machines in, which can then do all that the page can.
        head: file of the avatar's head model where it is not the embedded one.
    """
    from avatar3d.cli.view_footage import CaptureFootage
    from avatar3d.cli.view_performer import DriverPerformer
    from avatar3d.errors import UserError
    from avatar3d.motion import load_motion

    check_range("--port", port, 0, 65535)
    if not avatar.is_file():
        raise UserError(f"{avatar}: no such file; make one with `avatar3d fit VIDEO -o {avatar}`")
    from viewer.live.workbench import Workbench, close_server, open_server, scratch_folder, warm_up

    server = open_server(host, port, f"avatar3d: {avatar.stem}")
    try:
        shown = "127.0.0.1" if host in ("0.0.0.0", "::") else host
        say(f"view: open http://{shown}:{server.get_port()} in a browser; Ctrl-C ends it")
        loading = server.gui.add_markdown(f"**reading {avatar.name} …**")
        person = open_avatar(avatar, head)
        first = None if motion is None else (motion.name, load_motion(motion, person.head))
        footage = None
        if capture is not None:
            loading.content = f"**reading {capture.name} …**"
            footage = CaptureFootage(capture, person)
        loading.content = "**getting ready to draw; half a minute on a new machine …**"
        warm_up(person)
        with scratch_folder() as scratch:
            bench = Workbench(server, person, avatar.stem, first, DriverPerformer(person, avatar), footage, scratch)
            loading.remove()
            try:
                bench.run()
            finally:
                bench.close()
    except KeyboardInterrupt:
        say("view: closed")
    finally:
        close_server(server)
