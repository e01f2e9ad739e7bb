"""Items made ahead in a thread."""

import threading
import time

import pytest

from recon.prefetch import prefetch


def test_order_is_kept():
    assert list(prefetch(iter(range(100)))) == list(range(100))


def test_errors_come_in_their_place():
    def items():
        yield 1
        raise ValueError("broken")

    stream = prefetch(items())
    assert next(stream) == 1
    with pytest.raises(ValueError, match="broken"):
        next(stream)


def test_no_more_than_depth_is_made_ahead():
    made = []

    def items():
        for i in range(50):
            made.append(i)
            yield i

    stream = prefetch(items(), depth=3)
    next(stream)
    time.sleep(0.2)
    assert len(made) <= 6
    stream.close()


def test_stopping_early_ends_the_thread_and_the_source():
    closed = threading.Event()

    def items():
        try:
            while True:
                yield 0
        finally:
            closed.set()

    stream = prefetch(items())
    next(stream)
    before = threading.active_count()
    stream.close()
    assert closed.is_set()
    assert threading.active_count() == before - 1
