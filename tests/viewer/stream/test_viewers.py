import asyncio
from concurrent.futures import ThreadPoolExecutor

from viewer.stream.packets import OPUS, PCM16
from viewer.stream.viewers import MOST_SOUND, Viewers


def _run(work):
    """A coroutine in a thread of its own: a test before this one may have left a browser's loop running in this one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()


def _taken(viewers_do) -> list[bytes]:
    """What a mailbox gives out after `viewers_do(viewers, mailbox)`."""

    async def run() -> list[bytes]:
        viewers = Viewers()
        viewers.describe(b"about")
        mailbox = viewers.enter()
        viewers_do(viewers, mailbox)
        out = []
        while not mailbox.idle:
            out.append(await mailbox.take())
        return out

    return _run(run())


def test_a_slow_viewer_gets_the_newest_frame():
    def busy(viewers, mailbox):
        for number in range(1000):
            viewers.frame(b"%d" % number)
        assert mailbox.skipped == 999

    assert _taken(busy) == [b"about", b"999"]


def test_what_waits_does_not_grow():
    def busy(viewers, mailbox):
        viewers.listen(mailbox, OPUS)
        for number in range(1000):
            viewers.sound({OPUS: b"o%d" % number, PCM16: b"p%d" % number})
            viewers.frame(b"%d" % number)

    taken = _taken(busy)
    assert len(taken) == 2 + MOST_SOUND and taken[-1] == b"o999"


def test_who_comes_late_gets_the_present_state_and_the_sound_that_is_due():
    def late(viewers, mailbox):
        for number in range(100):
            viewers.frame(b"f%d" % number)
            viewers.sound({OPUS: b"o%d" % number, PCM16: b"p%d" % number})
        other = viewers.enter()
        viewers.listen(other, PCM16)
        viewers.leave(mailbox)

        async def all_of_it():
            return [await other.take() for _ in range(14)]

        taken = asyncio.get_running_loop().create_task(all_of_it())
        late.taken = taken

    async def run():
        viewers = Viewers()
        viewers.describe(b"about")
        late(viewers, viewers.enter())
        return await late.taken

    taken = _run(run())
    assert taken[:2] == [b"about", b"f99"] and taken[2:] == [b"p%d" % number for number in range(88, 100)]


def test_nobody_gets_sound_who_does_not_want_it():
    def both(viewers, mailbox):
        viewers.sound({OPUS: b"o"})
        viewers.listen(mailbox, OPUS)
        viewers.listen(mailbox, None)
        viewers.sound({OPUS: b"later"})

    # The piece that had been on its way when the sound was on.
    assert _taken(both) == [b"about", b"o"]


def test_another_stream_makes_the_old_one_void():
    def again(viewers, mailbox):
        viewers.listen(mailbox, OPUS)
        viewers.frame(b"old")
        viewers.sound({OPUS: b"old"})
        viewers.describe(b"new")

    assert _taken(again) == [b"about", b"new"]


def test_an_end_is_told_after_all_else_is_void():
    def over(viewers, mailbox):
        viewers.frame(b"last")
        viewers.end(b"end")
        assert viewers.enter().idle is False

    assert b"end" in _taken(over)
