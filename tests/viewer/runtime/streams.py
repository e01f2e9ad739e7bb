"""Scripts of datagrams for the C++ receiver, and what it makes of them."""

import struct
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tests.viewer.runtime.programs import OPTIMISED, built

FLOWS = ("waiting", "playing", "held", "silent")
STATUSES = ("ok", "other_kind", "not_ours", "newer", "size", "number", "text", "channels", "unknown", "other_width", "full", "other_case")


@dataclass(frozen=True)
class Seen:
    """One stream at one moment."""

    stream: int
    flow: str
    revision: int
    ended: bool
    taken: int
    duplicates: int
    late: int
    lost: int
    restarts: int
    delay: float
    time: float
    """On the sender's clock."""
    values: np.ndarray


@dataclass
class Script:
    """Datagrams as they arrive, and questions where everybody is, in any order: sorted by their moments when they are followed."""

    events: list[tuple[float, int, bytes]] = field(default_factory=list)

    def arrive(self, now: float, *datagrams: bytes) -> None:
        self.events += [(now, 0, data) for data in datagrams]

    def ask(self, *moments: float) -> None:
        self.events += [(moment, 1, b"") for moment in moments]

    def follow(self, flags: tuple[str, ...] = OPTIMISED) -> tuple[list[str], list[list[Seen]]]:
        """Status of every datagram, and for every question what is seen."""
        events = sorted(self.events, key=lambda event: event[:2])
        with tempfile.TemporaryDirectory() as name:
            path = Path(name) / "script"
            path.write_bytes(b"".join(struct.pack("<BdI", kind, now, len(data)) + data for now, kind, data in events))
            done = subprocess.run([str(built("stream", flags)), str(path)], capture_output=True, check=False, timeout=120)
        assert done.returncode == 0, done.stderr.decode()
        statuses, answers, at = [], [], 0
        for _, kind, _ in events:
            (first,) = struct.unpack_from("<i", done.stdout, at)
            at += 4
            if kind == 0:
                statuses.append(STATUSES[first])
                continue
            streams = []
            for _ in range(first):
                head = struct.unpack_from("<5I5Q2d", done.stdout, at)
                at += struct.calcsize("<5I5Q2d")
                values = np.frombuffer(done.stdout, "<f4", head[4], at)
                at += values.nbytes
                streams.append(Seen(head[0], FLOWS[head[1]], head[2], bool(head[3]), *head[5:], values))
            answers.append(streams)
        assert at == len(done.stdout)
        return statuses, answers
