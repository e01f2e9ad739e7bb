"""The web player and its live parameters from one port: HTTP for the page, a WebSocket for what moves it.

The event loop runs in a thread of its own. Whoever makes frames calls `frame`, `sound` and `end` from any other thread and never waits for a viewer.
"""

import asyncio
import json
import logging
import secrets
import socket
import threading
from collections.abc import Mapping, Sequence
from http import HTTPStatus

import numpy as np
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed, NegotiationError
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from viewer.stream.packets import CODECS, OPUS, PCM16, Description, End, Frame, Sound, joined, pack
from viewer.stream.site import Part
from viewer.stream.sound_pieces import OPUS_DELAY, SoundPieces
from viewer.stream.viewers import Mailbox, Viewers
from viewer.visitors import LOOPBACK, NOTHING_HERE, inside, not_listening, page_address, stranger, token_for

PROTOCOL = Subprotocol("avatar3d.stream.1")
SOCKET = "stream"
"""Name of the WebSocket beside the page."""
MAX_CONNECTIONS = 256
MAX_MESSAGE = 256
"""Bytes that a viewer may say at once."""
MAX_MESSAGES = 20
"""That a viewer may say in `_PERIOD` seconds."""
_PERIOD = 10.0
STALL = 10.0
"""Seconds that a viewer may take nothing in before it is let go."""
_PATIENCE = 60.0
"""Seconds for a request and for its answer: the player is a megabyte, and some lines are slow."""
_SEND_BUFFER = 16 << 10
"""Of the kernel, bytes: what lies there is old already when a slow viewer gets it."""
_HEADERS = {
    "Connection": "close", "Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
}  # fmt: skip

_log = logging.getLogger("avatar3d.stream")
# What strangers send is no news; they get their answer, and nothing of it is printed.
_log.addHandler(logging.NullHandler())
_log.propagate = False


class _Connection(ServerConnection):
    """A connection that does not keep much that is not sent, and is refused where there are too many."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
        if len(self.server.handlers) > MAX_CONNECTIONS:
            self.transport.abort()


class StreamServer:
    """A page and its live stream. Use it as a context: it listens inside, and everybody is let go at the end."""

    def __init__(
        self,
        site: Mapping[str, Part],
        facts: dict,
        channels: tuple[tuple[str, int], ...],
        *,
        host: str,
        port: int,
        rate: int = 0,
        token: str | None = None,
    ) -> None:
        """Prepare; nothing is listened on yet.

        Args:
            site: the files of the page by name, "" being the page itself.
            facts: what the description says besides the channels.
            channels: of the frames, with their widths.
            host: address of this machine to bind.
            port: 0 for any free one.
            rate: of the sound, Hz; 0 for none.
            token: first part of every path; by default none on a loopback address, and a new random one on every other.
        """
        self.host, self.port = host, port
        self._open = host in LOOPBACK and token is None
        self.token = token_for(host, token)
        self._site, self._facts, self.channels = site, facts, channels
        self._rate = rate
        self._fresh()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="stream", daemon=True)
        self._ready: threading.Event = threading.Event()
        self._trouble: OSError | None = None
        self._stop = asyncio.Event()
        self._viewers = Viewers()

    @property
    def address(self) -> str:
        """Of the page."""
        return page_address(self.host, self.port, self.token)

    @property
    def viewers(self) -> int:
        """How many there are."""
        return len(self._viewers.mailboxes)

    def __enter__(self) -> "StreamServer":
        """Listen.

        Raises:
            avatar3d.errors.UserError: the address cannot be bound.
        """
        self._thread.start()
        self._ready.wait()
        if self._trouble is not None:
            self._thread.join()
            raise not_listening(self.host, self.port, self._trouble) from self._trouble
        return self

    def __exit__(self, *_: object) -> None:
        self._call(self._stop.set)
        self._thread.join()

    def begin(self) -> None:
        """Another performance follows: everybody forgets the last one."""
        self._fresh()
        self._call(self._viewers.describe, self._description())

    def _fresh(self) -> None:
        self._stream = secrets.randbits(32)
        self._frames = self._sounds = 0
        self._pieces = SoundPieces(self._rate) if self._rate else None

    def _description(self) -> bytes:
        sound = {"rate": self._rate, "codecs": list(CODECS)} if self._rate else None
        return pack(Description(self._stream, self.channels, self._facts | {"sound": sound}))

    def frame(self, time: float, values: Mapping[str, np.ndarray]) -> None:
        """The head at `time` seconds of this stream, at the moment at which it is due."""
        number, self._frames = self._frames, self._frames + 1
        self._call(self._viewers.frame, pack(Frame(self._stream, time, number, joined(values, self.channels))))

    def sound(self, samples: np.ndarray) -> None:
        """Mono float32 samples that follow those before; the first of all is at 0 s. They may come ahead of their time."""
        assert self._pieces is not None
        for raw, opus in self._pieces.push(samples):
            number, self._sounds = self._sounds, self._sounds + 1
            time, count = number * self._pieces.samples / self._pieces.rate, self._pieces.samples
            pieces = {PCM16: Sound(self._stream, time, number, count, PCM16, raw)}
            pieces[OPUS] = Sound(self._stream, time - OPUS_DELAY, number, count, OPUS, opus)
            self._call(self._viewers.sound, {codec: pack(piece) for codec, piece in pieces.items()})

    def end(self, time: float) -> None:
        """The performance is over."""
        self._call(self._viewers.end, pack(End(self._stream, time)))

    def wait(self, listening: bool, seconds: float | None = None) -> bool:
        """Wait until somebody watches, or wants to hear; at most so many seconds. Returns whether somebody does."""
        event = self._viewers.listening if listening else self._viewers.joined
        waiting = asyncio.run_coroutine_threadsafe(asyncio.wait_for(event.wait(), seconds), self._loop)
        try:
            return waiting.result()
        except TimeoutError:
            return False
        finally:
            waiting.cancel()

    def _call(self, function, *arguments: object) -> None:
        self._loop.call_soon_threadsafe(function, *arguments)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            self._ready.set()

    async def _serve(self) -> None:
        self._viewers.describe(self._description())
        try:
            server = await serve(
                self._watched, self.host, self.port, process_request=self._answered, create_connection=_Connection, compression=None,
                select_subprotocol=_chosen, max_size=MAX_MESSAGE, max_queue=4, write_limit=1024, open_timeout=_PATIENCE, close_timeout=_PATIENCE,
                ping_interval=20, ping_timeout=20, server_header=None, logger=_log,
            )  # fmt: skip
        except OSError as error:
            self._trouble = error
            return
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        await _closed(server, self._viewers)

    def _answered(self, connection: ServerConnection, request: Request) -> Response | None:
        """The page's files; None where a WebSocket shall be opened."""
        refusal = stranger(request.headers, self._open)
        if refusal is not None:
            return _refused(HTTPStatus.FORBIDDEN, refusal)
        path = request.path.partition("?")[0]
        name = inside(path, self.token)
        if name == SOCKET:
            return None
        if name == "" and not path.endswith("/"):
            # The page names its files beside itself, so its address has to end in a slash.
            return _response(HTTPStatus.PERMANENT_REDIRECT, "text/plain; charset=utf-8", b"", False, Location=f"{self.token}/")
        if name is None or name not in self._site:
            return _refused(HTTPStatus.NOT_FOUND, NOTHING_HERE)
        part = self._site[name]
        packed = "gzip" in request.headers.get("Accept-Encoding", "")
        return _response(HTTPStatus.OK, part.kind, part.packed if packed and part.packed else part.content, packed and bool(part.packed))

    async def _watched(self, connection: ServerConnection) -> None:
        """One viewer, from coming to going."""
        mailbox = self._viewers.enter()
        sending = asyncio.create_task(_send(connection, mailbox))
        try:
            await self._hear(connection, mailbox)
        except ConnectionClosed:
            pass
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
            self._viewers.leave(mailbox)

    async def _hear(self, connection: ServerConnection, mailbox: Mailbox) -> None:
        """What a viewer says: which sound it wants. Whoever says anything else, or too much, is let go."""
        said, since = 0, self._loop.time()
        async for message in connection:
            now = self._loop.time()
            if now - since > _PERIOD:
                said, since = 0, now
            said += 1
            try:
                wish = _wish(message)
            except ValueError as error:
                await _let_go(connection, 1003, str(error))
                return
            if said > MAX_MESSAGES:
                await _let_go(connection, 1008, "too many messages")
                return
            self._viewers.listen(mailbox, wish)


def _chosen(connection: ServerConnection, offered: Sequence[Subprotocol]) -> Subprotocol | None:
    """The newest protocol that both know. Programs that offer none are taken at their word."""
    if offered and PROTOCOL not in offered:
        raise NegotiationError(f"only {PROTOCOL} is spoken here")
    return PROTOCOL if offered else None


def _wish(message: str | bytes) -> int | None:
    """The codec in {"sound": "opus"}, None in {"sound": null}."""
    try:
        said = json.loads(message) if isinstance(message, str) else None
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, dict) or "sound" not in said or not (said["sound"] is None or said["sound"] in list(CODECS)):
        raise ValueError('say {"sound": "opus"}, {"sound": "pcm16"} or {"sound": null}')
    return None if said["sound"] is None else CODECS[said["sound"]]


async def _send(connection: ServerConnection, mailbox: Mailbox) -> None:
    """Send what waits for a viewer for as long as it takes it in."""
    try:
        while True:
            packet = await mailbox.take()
            async with asyncio.timeout(STALL):
                await connection.send(packet)
    except TimeoutError:
        connection.transport.abort()
    except ConnectionClosed:
        pass


async def _let_go(connection: ServerConnection, code: int, reason: str) -> None:
    """Close, without waiting long for somebody who does not answer."""
    try:
        async with asyncio.timeout(1):
            await connection.close(code, reason)
    except TimeoutError:
        connection.transport.abort()


async def _closed(server: Server, viewers: Viewers) -> None:
    """Close a server and everybody's connection, once what was said last is on its way."""
    server.close(close_connections=False)
    for _ in range(20):
        if viewers.idle:
            break
        await asyncio.sleep(0.05)
    await asyncio.gather(*(_let_go(connection, 1001, "the stream is closed") for connection in server.connections))
    for connection in list(server.handlers):
        if connection.transport is not None:
            connection.transport.abort()
    await server.wait_closed()


def _refused(status: HTTPStatus, text: str) -> Response:
    return _response(status, "text/plain; charset=utf-8", f"{text}\n".encode(), False)


def _response(status: HTTPStatus, kind: str, content: bytes, packed: bool, **more: str) -> Response:
    headers = Headers({**_HEADERS, "Content-Type": kind, "Content-Length": str(len(content)), **more})
    if packed:
        headers["Content-Encoding"] = "gzip"
    return Response(status, status.phrase, headers, content)
