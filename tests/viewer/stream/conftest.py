"""A server with a page of two files and a stream of two channels."""

from collections.abc import Iterator

import pytest

from viewer.stream.server import StreamServer
from viewer.stream.site import Part

CHANNELS = (("expr", 2), ("jaw_pose", 3))
SITE = {"": Part("text/html", b"<p>the page"), "player.js": Part("text/javascript", b"x" * 3_000_000, b"packed")}


@pytest.fixture
def served(request) -> Iterator[StreamServer]:
    """On a free port; `parametrize(..., indirect=True)` gives it other options."""
    options = {"host": "127.0.0.1", "port": 0, "rate": 16_000} | getattr(request, "param", {})
    with StreamServer(SITE, {"format": "avatar3d stream", "fps": [25, 1]}, CHANNELS, **options) as server:
        yield server
