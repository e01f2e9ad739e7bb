import os
import sys
import threading

import pytest

from viewer.stream.prompt_thread import run_promptly


@pytest.mark.skipif(sys.platform != "linux", reason="is of Linux")
def test_a_thread_keeps_its_policy_and_its_nice():
    seen = []

    def look() -> None:
        before = (os.sched_getscheduler(0), os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))
        run_promptly()
        seen.extend([before, (os.sched_getscheduler(0), os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))])

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert seen[0] == seen[1]
