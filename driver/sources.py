"""Where live sound comes from: a file played in real time, the microphone, or a socket. Each yields pieces of 16 kHz mono sound as they arrive."""

import errno
import socket
import time
from collections.abc import Callable, Generator
from contextlib import closing
from pathlib import Path
from queue import Empty, Queue

import numpy as np

from avatar3d.errors import UserError
from driver.features import RATE

PIECE = 320
"""Samples in a piece: 20 ms."""
STALL = 10.0
"""Seconds without sound after which a microphone or a socket is given up."""
_BYTES = 2
Source = Generator[np.ndarray, None, None]


def open_source(name: str, for_ever: bool = False) -> Source:
    """Pieces [samples] of live sound.

    Args:
        name: "mic"; tcp://HOST:PORT, where one sender is waited for that sends 16 kHz mono as 16-bit little-endian numbers; or a
            sound file, played in real time.
        for_ever: whether a sender on a socket is waited for as long as it takes.

    Raises:
        UserError: there is no such source, or it ends before its time; from the iteration too.
    """
    if name == "mic":
        return microphone()
    if name.startswith("tcp://"):
        return from_socket(name, for_ever)
    if "://" in name:
        raise UserError(f"{name}: cannot be followed live; give mic, tcp://127.0.0.1:PORT to listen for a sender there, or a sound file")
    return played(Path(name))


def played(path: Path, clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep) -> Source:
    """A sound file at the speed at which it sounds.

    Raises:
        UserError: the file cannot be read.
    """
    from avatar3d.sound import read_sound

    return _paced(read_sound(path, RATE), clock, sleep)


def _paced(sound: np.ndarray, clock: Callable[[], float], sleep: Callable[[float], None]) -> Source:
    began = clock()
    for start in range(0, len(sound), PIECE):
        piece = sound[start : start + PIECE]
        # A piece is there when its last sample has sounded.
        ahead = began + (start + len(piece)) / RATE - clock()
        if ahead > 0:
            sleep(ahead)
        yield piece


def microphone() -> Source:
    """The default microphone.

    Raises:
        UserError: sounddevice or a microphone is missing, or it delivers nothing.
    """
    try:
        import sounddevice
    except (ImportError, OSError) as error:
        raise UserError(f"microphone: sounddevice cannot be loaded ({error}); `pip install 'avatar3d[mic]'`, and PortAudio on Linux") from error
    return _recorded(sounddevice)


def _recorded(sounddevice) -> Source:
    pieces: Queue[np.ndarray] = Queue()

    def receive(data, frames, when, status) -> None:
        pieces.put(np.array(data[:, 0], np.float32))

    try:
        stream = sounddevice.InputStream(samplerate=RATE, channels=1, blocksize=PIECE, dtype="float32", callback=receive)
        with stream:
            while True:
                yield pieces.get(timeout=STALL)
    except sounddevice.PortAudioError as error:
        raise UserError(f"microphone: cannot be opened ({error}); plug one in, or give a file or tcp://HOST:PORT") from error
    except Empty as error:
        raise UserError(f"microphone: delivers no sound for {STALL:g} s; is another program using it?") from error


def from_socket(address: str, for_ever: bool = False) -> Source:
    """What one sender sends to an address of this machine: raw 16 kHz mono, 16-bit little-endian.

    Raises:
        UserError: the address cannot be bound, or the sender stalls.
    """
    host, _, port = address.removeprefix("tcp://").rpartition(":")
    if not port.isdigit() or not 0 < int(port) < 65536:
        raise UserError(f"{address}: names no port; write tcp://127.0.0.1:7000")
    try:
        server = socket.create_server((host or "127.0.0.1", int(port)))
    except OSError as error:
        raise UserError(f"{address}: {_unheard(error, host, port)}") from error
    return _received(server, address, for_ever)


def _unheard(error: OSError, host: str, port: str) -> str:
    """Why an address cannot be listened on, and what to do."""
    if error.errno == errno.EADDRINUSE:
        return f"port {port} is taken by another program; end that one or choose another port"
    if error.errno in (errno.EADDRNOTAVAIL, socket.EAI_NONAME, socket.EAI_AGAIN):
        return f"{host} is no address of this machine, where a sender is waited for; write tcp://127.0.0.1:{port}, and let the sender connect to it"
    if error.errno == errno.EACCES:
        return f"port {port} is the system's; choose one above 1023"
    return f"cannot be listened on ({(error.strerror or str(error)).lower()}); choose another port"


def _received(server: socket.socket, address: str, for_ever: bool) -> Source:
    with closing(server):
        server.settimeout(None if for_ever else STALL)
        try:
            sender, _ = server.accept()
        except TimeoutError as error:
            raise UserError(f"{address}: nobody sent anything for {STALL:g} s; start the sender first") from error
    with closing(sender):
        sender.settimeout(STALL)
        odd = b""
        while True:
            try:
                data = sender.recv(PIECE * _BYTES)
            except TimeoutError as error:
                raise UserError(f"{address}: the sender has stalled for {STALL:g} s; what came before is kept") from error
            except OSError as error:
                raise UserError(f"{address}: the connection broke ({error.strerror}); what came before is kept") from error
            if not data:
                return
            data = odd + data
            whole = len(data) // _BYTES * _BYTES
            odd = data[whole:]
            if whole:
                yield np.frombuffer(data[:whole], "<i2").astype(np.float32) / 32768
