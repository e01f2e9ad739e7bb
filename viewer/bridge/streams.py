"""What senders say of themselves beside their frames."""

from collections import OrderedDict

from viewer.bridge.ue import Introduction

_MOST_STREAMS = 1024
"""Of those that were heard last. One that was forgotten, because so many others came, introduces itself again."""


class Stream:
    """One sender's, of one name. It is what its introductions say, whether they come before its frames or after them."""

    def __init__(self) -> None:
        self.introduction: Introduction | None = None
        """The newest one."""
        self.changed = False
        """Whether there were introductions of other channels or another head: which of the frames were meant then is not known."""

    def introduce(self, introduction: Introduction) -> None:
        """Once more, or for the first time."""
        before, self.introduction = self.introduction, introduction
        if before is not None and (before.head, before.channels) != (introduction.head, introduction.channels):
            self.changed = True


class Streams:
    """Those that are known, by the subject's name and the stream's number. No more than _MOST_STREAMS are kept, whoever says what."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[str, int], Stream] = OrderedDict()

    def of(self, subject: str, number: int) -> Stream:
        """The one of that number, which may be new."""
        key = subject, number
        stream = self._known.setdefault(key, Stream())
        self._known.move_to_end(key)
        if len(self._known) > _MOST_STREAMS:
            self._known.popitem(last=False)
        return stream
