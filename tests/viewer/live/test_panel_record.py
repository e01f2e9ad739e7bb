"""What a take's files are called, and how long saving them takes."""

import time
from dataclasses import replace
from datetime import datetime

from tests.avatar3d.tiny import tiny_avatar, tiny_motion
from viewer.live.look import Look
from viewer.live.panel_record import seconds_left, take_name
from viewer.live.take import Moment


def test_a_takes_files_have_the_name_of_when_it_was_begun():
    avatar = tiny_avatar()
    motion = tiny_motion(avatar.head, 2)
    moment = Moment(time.monotonic() - 3600, motion.at(0.0), None, avatar, Look(), motion, 0.0, 1.0)
    name = take_name("me", [moment, replace(moment, time=time.monotonic())])
    ago = datetime.now() - datetime.strptime(name, "me-%Y-%m-%d-%H%M%S")
    assert 3599 <= ago.total_seconds() <= 3610


def test_time_left_follows_what_was_done():
    assert seconds_left(10.0, 25, 100) == "about 30 s left"
    assert seconds_left(3.0, 0, 100) == "about 300 s left"
    assert seconds_left(10.0, 100, 100) == "about 1 s left"
