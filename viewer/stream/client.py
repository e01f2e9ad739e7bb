"""A viewer of somebody's live page that is no browser: the packets of its WebSocket."""

from collections.abc import Iterator
from urllib.parse import urlsplit

from avatar3d.errors import UserError
from viewer.stream.packets import MAX_PACKET, Packet, PacketError, unpack
from viewer.stream.server import PROTOCOL, SOCKET

_PATIENCE = 10.0
"""Seconds that a server may take to open."""


def packets(address: str) -> Iterator[Packet]:
    """What a server sends until it closes, without sound.

    Args:
        address: of the page, with its token: ws://HOST:PORT/TOKEN/, or wss.

    Raises:
        UserError: it is no address, nobody serves there, or what comes is none of ours.
    """
    from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidURI
    from websockets.sync.client import connect
    from websockets.typing import Subprotocol

    if urlsplit(address).hostname is None:
        raise UserError(f"{address}: is no address; write ws://HOST:PORT, with the token that the server printed")
    where = f"{address.rstrip('/')}/{SOCKET}"
    try:
        line = connect(where, subprotocols=[Subprotocol(PROTOCOL)], compression=None, max_size=MAX_PACKET, open_timeout=_PATIENCE)
    except (OSError, TimeoutError, InvalidHandshake, InvalidURI) as error:
        raise UserError(f"{address}: cannot be watched ({str(error)[:120]}); start `avatar3d stream --to ws` there, and give its token") from error
    with line:
        try:
            for message in line:
                packet = unpack(message if isinstance(message, bytes) else message.encode())
                if packet is not None:
                    yield packet
        except PacketError as error:
            raise UserError(f"{address}: {error}; is it an avatar3d of this version?") from error
        except ConnectionClosed:
            return
