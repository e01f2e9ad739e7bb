"""`avatar3d`: one command, one verb for each job."""

import atexit
import signal
import sys
import warnings
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def main() -> None:
    """Run the command line; exit status 0, or 2 with one line that says what was wrong."""
    from avatar3d.errors import UserError

    # A remark about the user's file needs no line number of ours.
    warnings.formatwarning = lambda message, *_, **__: f"avatar3d: {message}\n"
    try:
        _chosen()()
    except UserError as error:
        print(f"avatar3d: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print(f"avatar3d: interrupted; {_AFTERWARDS.get(''.join(sys.argv[1:2]), 'what was not finished is not written')}", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:
        sys.exit(0)
    finally:
        # What is registered last is called first: who presses Ctrl-C once more while libraries clean up gets no traceback of theirs.
        atexit.register(signal.signal, signal.SIGINT, signal.SIG_IGN)


_AFTERWARDS = {
    "fit": "`fit --resume` goes on from its checkpoint where there is one",
    "export": "of a folder the frames so far stay, and the same command goes on; a single file is not written",
    "render": "of a folder the pictures so far stay, and the same command goes on; a film is not written",
    "train-driver": "the same command goes on from its checkpoint where there is one",
}
"""What there is to know after Ctrl-C of the commands that keep half of their work."""
_DESCRIPTION = "A few minutes of video in, a talking 3D Gaussian head out. Start with `avatar3d demo` or `avatar3d fit VIDEO -o ME.avatar`."


def _chosen() -> "Callable[[], None]":
    """The command that is asked for."""
    from avatar3d.cli import bench, capture, converse, demo, driver, evaluate, export, head, inspect, live, perform, personal, receive, stream, view
    from avatar3d.cli.arguments import chosen
    from avatar3d.cli.import_bound import import_bound

    verbs = {
        "demo": demo.demo, "track": capture.track, "fit": capture.fit, "live": live.live, "adapt": personal.adapt,
        "speak": perform.speak, "drive": perform.drive, "converse": converse.converse, "render": perform.render,
        "view": view.view, "import": import_bound, "export": export.export, "stream": stream.stream, "receive": receive.receive,
        "eval": evaluate.evaluate, "info": inspect.info, "check": inspect.check, "head": head.head,
        "train-driver": driver.train_driver, "eval-driver": driver.eval_driver, "bench": bench.bench,
    }  # fmt: skip
    return chosen(verbs, "avatar3d", _DESCRIPTION)


if __name__ == "__main__":
    main()
