"""Who watches a stream: for each viewer a place for what is to be sent next, in which the newest frame takes the place of an older one."""

import asyncio
from collections import deque

from viewer.stream.packets import CODECS

MOST_SOUND = 25
"""Pieces that may wait for one viewer, a second of them; then the oldest are dropped."""


class Mailbox:
    """What waits for one viewer. It never holds more than one description, one frame and a second of sound, however slow the viewer is."""

    def __init__(self) -> None:
        self.codec: int | None = None
        """Of the sound that this viewer wants; None for none."""
        self.skipped = 0
        """Frames that were replaced before they were sent."""
        self._urgent: deque[bytes] = deque(maxlen=4)
        self._frame: bytes | None = None
        self._sound: deque[bytes] = deque(maxlen=MOST_SOUND)
        self._more = asyncio.Event()

    def put(self, packet: bytes) -> None:
        """Something that must not be skipped: a description or an end."""
        self._urgent.append(packet)
        self._more.set()

    def put_frame(self, packet: bytes) -> None:
        """The newest frame."""
        self.skipped += self._frame is not None
        self._frame = packet
        self._more.set()

    def put_sound(self, packet: bytes) -> None:
        self._sound.append(packet)
        self._more.set()

    def forget(self) -> None:
        """Another stream begins: nothing of the old one is of use."""
        self._frame = None
        self._sound.clear()

    @property
    def idle(self) -> bool:
        """Whether nothing waits."""
        return not (self._urgent or self._frame or self._sound)

    async def take(self) -> bytes:
        """The next packet, as soon as there is one."""
        while True:
            # A frame before sound: sound is sent ahead of its time, a frame at it.
            if self._urgent:
                return self._urgent.popleft()
            if self._frame is not None:
                packet, self._frame = self._frame, None
                return packet
            if self._sound:
                return self._sound.popleft()
            self._more.clear()
            await self._more.wait()


class Viewers:
    """All of them, and what one who comes late needs to know. To be used from one event loop only."""

    def __init__(self) -> None:
        self.mailboxes: set[Mailbox] = set()
        self.joined, self.listening = asyncio.Event(), asyncio.Event()
        """Whether anybody was ever there, and whether anybody wanted sound."""
        self._description: bytes | None = None
        self._frame: bytes | None = None
        self._recent: dict[int, deque[bytes]] = {codec: deque(maxlen=MOST_SOUND // 2) for codec in CODECS.values()}

    @property
    def idle(self) -> bool:
        """Whether nothing waits for anybody."""
        return all(mailbox.idle for mailbox in self.mailboxes)

    def enter(self) -> Mailbox:
        """A new viewer gets what the stream is, and its present state."""
        mailbox = Mailbox()
        if self._description is not None:
            mailbox.put(self._description)
        if self._frame is not None:
            mailbox.put_frame(self._frame)
        self.mailboxes.add(mailbox)
        self.joined.set()
        return mailbox

    def leave(self, mailbox: Mailbox) -> None:
        self.mailboxes.discard(mailbox)

    def listen(self, mailbox: Mailbox, codec: int | None) -> None:
        """A viewer wants sound of this codec from now on; the last half second comes at once, since its time is just coming."""
        if codec is not None and mailbox.codec != codec:
            for packet in self._recent[codec]:
                mailbox.put_sound(packet)
        mailbox.codec = codec
        if codec is not None:
            self.listening.set()

    def describe(self, packet: bytes) -> None:
        """Another stream begins."""
        self._description, self._frame = packet, None
        for pieces in self._recent.values():
            pieces.clear()
        for mailbox in self.mailboxes:
            mailbox.forget()
            mailbox.put(packet)

    def frame(self, packet: bytes) -> None:
        self._frame = packet
        for mailbox in self.mailboxes:
            mailbox.put_frame(packet)

    def sound(self, packets: dict[int, bytes]) -> None:
        """A piece of sound, by codec."""
        for codec, packet in packets.items():
            self._recent[codec].append(packet)
        for mailbox in self.mailboxes:
            if mailbox.codec in packets:
                mailbox.put_sound(packets[mailbox.codec])

    def end(self, packet: bytes) -> None:
        self._frame = None
        for mailbox in self.mailboxes:
            mailbox.put(packet)
