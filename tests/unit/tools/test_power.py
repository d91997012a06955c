# SPDX-License-Identifier: GPL-2.0-or-later
"""The lab's watchdogs: a node that fed its own in time is not cut, even if the controller was held up (labkit/power.py)."""

import os
import socket
import sys

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..", "examples", "lab"))

# pylint: disable=wrong-import-position
from labkit import power  # noqa: E402


class Controller:
    """Its loop does not run, as if something else held it up; it notes whom a watchdog cuts."""

    def __init__(self):
        self.cut = []

    def watch(self, fd, mask, handler):
        pass

    def unwatch(self, fd):
        pass

    def bark(self, node):
        self.cut.append(node)


@pytest.fixture(name="armed")
def fixture_armed():
    """(watchdog, the node's end), past its deadline."""
    here, there = socket.socketpair()
    here.setblocking(False)
    watchdog = power.Watchdog(Controller(), "n1", None)
    watchdog.connection = here
    watchdog.keep_alive()
    with here, there:
        yield watchdog, there


@pytest.mark.parametrize("said, cut", [(b"", ["n1"]), (b"\0", [])], ids=["silent", "fed"])
def test_what_lies_unread_counts(armed, said, cut):
    watchdog, node = armed
    node.sendall(said)
    late = watchdog.deadline + 0.001
    watchdog.timeout_s = 3600  # what feeding it now gives
    watchdog.check(late)
    assert watchdog.controller.cut == cut


def test_closing_without_magic_does_not_save_it(armed):
    watchdog, node = armed
    node.close()
    watchdog.check(watchdog.deadline + 0.001)
    assert watchdog.controller.cut == ["n1"]
