"""The protocols by the names that addresses begin with."""

import itertools
from collections.abc import Iterable
from typing import Protocol as Shape

from viewer.bridge import ifacialmocap, livelink, osc, ue, vmc
from viewer.bridge.frame import BridgeFrame, DatagramError, Heard


class Protocol(Shape):
    """A module as `viewer.bridge.frame` describes it."""

    @property
    def PORT(self) -> int: ...
    @property
    def NAMED(self) -> bool:
        """Whether datagrams say whose they are, so that several subjects can share an address."""
        ...

    def encode(self, frame: BridgeFrame) -> list[bytes]: ...
    def decode(self, data: bytes) -> Heard | None: ...


_LOOKED_AT = 1000
"""Datagrams in which a face is looked for."""
PROTOCOLS: dict[str, Protocol] = {"livelink": livelink, "vmc": vmc, "osc": osc, "ifacialmocap": ifacialmocap, "ue": ue}


def protocol_of(datagrams: Iterable[bytes]) -> str | None:
    """The protocol in which the first face among these datagrams is written; None where there is none."""
    for data in itertools.islice(datagrams, _LOOKED_AT):
        for name, protocol in PROTOCOLS.items():
            try:
                if protocol.decode(data) is not None:
                    return name
            except DatagramError:
                continue
    return None
