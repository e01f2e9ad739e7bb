"""A viewer that is written by docs/stream.md and RFC 6455 alone, with sockets and struct: it shares no line with what it reads."""

import base64
import hashlib
import json
import os
import socket
import struct

_CONTINUED, _TEXT, _BINARY, _CLOSE, _PING = 0, 1, 2, 8, 9


def read(packet: bytes) -> dict:
    """A packet's fields by name."""
    magic, version, kind, stream = struct.unpack("<2sBBI", packet[:8])
    (time,) = struct.unpack("<d", packet[8:16])
    assert magic == b"A3" and version == 1
    out: dict = {"kind": kind, "stream": stream, "time": time}
    if kind == 1:
        out["facts"] = json.loads(packet[16:].decode("utf-8"))
    elif kind == 2:
        out["number"], count, flags = struct.unpack("<IHH", packet[16:24])
        assert flags == 0 and len(packet) == 24 + 4 * count
        out["values"] = list(struct.unpack(f"<{count}f", packet[24:]))
    elif kind == 3:
        out["number"], out["samples"], out["codec"], reserved = struct.unpack("<IHBB", packet[16:24])
        assert reserved == 0
        out["data"] = packet[24:]
    return out


class Viewer:
    """One WebSocket."""

    def __init__(self, port: int, path: str = "/stream", *, host: str | None = None, origin: str | None = None, small: bool = False) -> None:
        self.socket = socket.socket()
        if small:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        self.socket.settimeout(10)
        self.socket.connect(("127.0.0.1", port))
        key = base64.b64encode(os.urandom(16)).decode()
        lines = [f"GET {path} HTTP/1.1", f"Host: {host or f'127.0.0.1:{port}'}", "Upgrade: websocket", "Connection: Upgrade"]
        lines += [f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Protocol: avatar3d.stream.1"]
        lines += [f"Origin: {origin}"] if origin else []
        self.socket.sendall("\r\n".join([*lines, "", ""]).encode())
        self._stream = self.socket.makefile("rb")
        self.status = int(self._stream.readline().split()[1])
        self.headers = {}
        while line := self._stream.readline().strip():
            name, _, value = line.decode().partition(":")
            self.headers[name.lower()] = value.strip()
        if self.status == 101:
            accept = hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()
            assert self.headers["sec-websocket-accept"] == base64.b64encode(accept).decode()

    def send(self, payload: bytes, opcode: int = _TEXT) -> None:
        """One message, masked as clients must."""
        length = len(payload)
        head = bytes([0x80 | opcode])
        head += (
            bytes([0x80 | length])
            if length < 126
            else bytes([0xFE]) + struct.pack(">H", length)
            if length < 65536
            else b"\xff" + struct.pack(">Q", length)
        )
        mask = os.urandom(4)
        self.socket.sendall(head + mask + bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload)))

    def receive(self) -> bytes | int:
        """The next binary message, or the code with which the server closes; 1006 where it does so without one."""
        while True:
            try:
                head = self._stream.read(2)
                if len(head) < 2:
                    return 1006
                opcode, length = head[0] & 15, head[1]
                if length == 126:
                    (length,) = struct.unpack(">H", self._stream.read(2))
                elif length == 127:
                    (length,) = struct.unpack(">Q", self._stream.read(8))
                payload = self._stream.read(length)
            except ConnectionError:
                return 1006
            if opcode == _CLOSE:
                return struct.unpack(">H", payload[:2])[0]
            if opcode == _PING:
                self.send(payload, 10)
            if opcode == _BINARY:
                return payload

    def next(self, kind: int) -> dict:
        """The next packet of a kind."""
        while True:
            message = self.receive()
            assert isinstance(message, bytes), f"closed with {message}"
            packet = read(message)
            if packet["kind"] == kind:
                return packet

    def close(self) -> None:
        self._stream.close()
        self.socket.close()

    def __enter__(self) -> "Viewer":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
