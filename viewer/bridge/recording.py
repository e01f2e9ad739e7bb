"""Datagrams in a file, with the times at which they passed: pcap, which Wireshark, tshark and tcpreplay read too.

We write the classic format with microseconds and bare IPv4 (link type 101). What a capture program wrote of a real network is read as well:
Ethernet, Linux "cooked" and loopback frames; packets that are no whole IPv4 UDP datagrams are passed over.
"""

import contextlib
import struct
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from avatar3d.errors import UserError
from avatar3d.files import atomic_path, check_input, read_bounded

_MAGIC = 0xA1B2C3D4
_NANOSECONDS = 0xA1B23C4D
_FILE = struct.Struct("<IHHiIII")
_PACKET = struct.Struct("<IIII")
_IP = struct.Struct(">BBHHHBBH4s4s")
_UDP = struct.Struct(">HHHH")
_RAW = 101
_LOCAL = bytes((127, 0, 0, 1))
_LINKS = {0: 4, 1: 14, 101: 0, 108: 4, 113: 16, 228: 0, 276: 20}
"""Bytes before the IP header by link type."""
MAX_BYTES = 1 << 30
"""Of a file that is read."""
_MOST_PACKET = 262_144


@dataclass(frozen=True)
class Passed:
    """A datagram."""

    time: float
    """Seconds since the epoch."""
    data: bytes
    port: int
    """To which it went."""


class Recorder:
    """Writes datagrams as they pass; from several threads."""

    def __init__(self, file: BinaryIO, path: Path) -> None:
        self._file, self._path, self._lock = file, path, threading.Lock()
        self._began = time.time() - time.monotonic()
        self._file.write(_FILE.pack(_MAGIC, 2, 4, 0, 0, _MOST_PACKET, _RAW))
        self.count = 0

    def add(self, data: bytes, port: int) -> None:
        """A datagram that passes this moment, to a port.

        Raises:
            UserError: the file cannot be written further.
        """
        udp = _UDP.pack(port, port, _UDP.size + len(data), 0)
        ip = _IP.pack(0x45, 0, _IP.size + len(udp) + len(data), 0, 0, 64, 17, 0, _LOCAL, _LOCAL)
        ip = ip[:10] + _checksum(ip) + ip[12:]
        packet = ip + udp + data
        # The clock of the day may be set back meanwhile; times in a file only grow.
        micros = int(1e6 * (self._began + time.monotonic()))
        with self._lock:
            try:
                self._file.write(_PACKET.pack(micros // 1_000_000, micros % 1_000_000, len(packet), len(packet)) + packet)
            except OSError as error:
                raise UserError(f"{self._path}: cannot be written ({(error.strerror or str(error)).lower()}); free some room") from error
            self.count += 1


@contextlib.contextmanager
def recording(path: Path | None) -> Iterator[Recorder | None]:
    """A recorder that writes `path`, which is there in the end even where the user interrupts; None records nothing.

    Raises:
        UserError: the file cannot be written, or could not be told from other files later.
    """
    if path is None:
        yield None
        return
    if path.suffix.lower() != ".pcap":
        raise UserError(f"{path}: recordings are read by names that end in .pcap; give such a name")
    with atomic_path(path) as temporary:
        interrupted = False
        with temporary.open("wb") as file:
            try:
                yield Recorder(file, path)
            except KeyboardInterrupt:
                interrupted = True
    # What was recorded until then is what the user wants.
    if interrupted:
        raise KeyboardInterrupt


def recorded(path: Path, whole: bool = False) -> Iterator[Passed]:
    """The datagrams of a file, in their order.

    Args:
        path: the file.
        whole: refuse one that breaks off; otherwise it is read as far as it goes.

    Raises:
        UserError: not such a file, or it cannot be read.
    """
    check_input(path, "a recording of --record's")
    data = read_bounded(path, MAX_BYTES, "give a recording of --record's, cut where it is long")
    order = next((order for order in "<>" if len(data) >= 24 and struct.unpack_from(f"{order}I", data)[0] in (_MAGIC, _NANOSECONDS)), None)
    if order is None:
        raise UserError(f"{path}: is no pcap recording; make one with --record, or save as pcap (not pcapng) in Wireshark")
    magic, *_, link = struct.unpack_from(f"{order}IHHiIII", data)
    if link not in _LINKS:
        raise UserError(f"{path}: was recorded on a network of the unknown kind {link}; record Ethernet, or with --record")
    tick, at = 1e-9 if magic == _NANOSECONDS else 1e-6, _FILE.size
    header = struct.Struct(f"{order}IIII")
    while at + header.size <= len(data):
        seconds, parts, kept, _ = header.unpack_from(data, at)
        at += header.size
        if kept > min(_MOST_PACKET, len(data) - at):
            at -= header.size
            break
        found = _datagram(data[at + _LINKS[link] : at + kept])
        if found is not None:
            yield Passed(seconds + parts * tick, *found)
        at += kept
    if whole and at < len(data):
        raise UserError(f"{path}: breaks off after {at} of its {len(data)} bytes; what comes before them can be used, or copy it again")


def _datagram(packet: bytes) -> tuple[bytes, int] | None:
    """What a whole IPv4 UDP packet carries, and to which port."""
    if len(packet) < _IP.size + _UDP.size or packet[0] >> 4 != 4 or packet[9] != 17:
        return None
    words, fragment = 4 * (packet[0] & 15), struct.unpack_from(">H", packet, 6)[0] & 0x3FFF
    if fragment or words < _IP.size or len(packet) < words + _UDP.size:
        return None
    _, port, size, _ = _UDP.unpack_from(packet, words)
    if not _UDP.size <= size <= len(packet) - words:
        return None
    return packet[words + _UDP.size : words + size], port


def _checksum(header: bytes) -> bytes:
    """The Internet's: the complement of the sum of 16-bit words in ones' complement."""
    total = sum(struct.unpack(f">{len(header) // 2}H", header))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return struct.pack(">H", ~total & 0xFFFF)
