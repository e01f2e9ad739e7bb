"""The protocols by the names that addresses begin with."""

from typing import Protocol as Shape

from viewer.bridge import ifacialmocap, livelink, osc, vmc
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


PROTOCOLS: dict[str, Protocol] = {"livelink": livelink, "vmc": vmc, "osc": osc, "ifacialmocap": ifacialmocap}


def protocol_of(data: list[bytes]) -> str | None:
    """The first protocol that can read all of these datagrams and finds a face in them."""
    for name, protocol in PROTOCOLS.items():
        try:
            if any([protocol.decode(each) is not None for each in data]):
                return name
        except DatagramError:
            continue
    return None
