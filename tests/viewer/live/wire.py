"""A listener on viser's websocket that knows nothing of viser's own code: what a browser is sent, as bytes.

Each message of the socket is: size of the packed header, its compressed size (both uint64, little-endian), the header (msgpack in
zstd), zeros up to a multiple of eight, and the arrays, each beginning at a multiple of eight. An array in the header is
{"__binary_index": which, "dtype": numpy's name}.
"""

import struct
import time
from collections.abc import Iterator

import msgspec
import numpy as np
import zstandard
from websockets.sync.client import ClientConnection, connect

CAMERA = {
    "type": "ViewerCameraMessage", "wxyz": (0.0, 1.0, 0.0, 0.0), "position": (0.0, 0.0, 0.8), "fov": 0.5, "near": 0.01, "far": 1000.0,
    "look_at": (0.0, 0.0, 0.0), "up_direction": (0.0, 1.0, 0.0),
}  # fmt: skip


def listen(port: int, version: str, size: tuple[int, int] = (400, 300)) -> ClientConnection:
    """A connection that viser takes for a browser with a canvas of `size` (width, height)."""
    socket = connect(f"ws://127.0.0.1:{port}", subprotocols=[f"viser-v{version}"], max_size=2**28, compression=None)  # type: ignore[list-item]
    socket.send(msgspec.msgpack.encode(CAMERA | {"image_width": size[0], "image_height": size[1]}))
    return socket


def unpacked(raw: bytes) -> list[dict]:
    """The messages in one message of the socket, arrays in place."""
    whole, packed = struct.unpack_from("<QQ", raw)
    header = zstandard.ZstdDecompressor().decompress(raw[16 : 16 + packed], max_output_size=whole)
    content = msgspec.msgpack.decode(header)
    arrays, at = [], 16 + packed
    for length in content["binaryBufferLengths"]:
        at += -at % 8
        arrays.append(raw[at : at + length])
        at += length

    def filled(value):
        if isinstance(value, dict):
            if "__binary_index" in value:
                return np.frombuffer(arrays[value["__binary_index"]], value.get("dtype", "u1"))
            return {key: filled(each) for key, each in value.items()}
        if isinstance(value, list):
            return [filled(each) for each in value]
        return value

    return [filled(message) for message in content["messages"]]


def messages(socket: ClientConnection, seconds: float) -> Iterator[dict]:
    """What arrives within some seconds."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        try:
            raw = socket.recv(timeout=left)
        except TimeoutError:
            return
        assert isinstance(raw, bytes)
        yield from unpacked(raw)
