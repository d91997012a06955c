# SPDX-License-Identifier: GPL-2.0-or-later
"""The logs of a node's corosync and clusterd as moments on the host's CLOCK_MONOTONIC.

Both write wall-clock times in milliseconds, which libqb takes from CLOCK_REALTIME_COARSE: a line carries the time of the last
tick of the kernel before it, so it is up to 4 ms too early (at 250 Hz). A difference between two lines of them is as much in
doubt; what is timed by the lab itself (power.jsonl, consoles, QEMU processes) is not. The two clocks are read together at the
start of each run, as the wall clock may be set.
"""

import datetime
import json
import re
import time

_TIME = re.compile(r"^([A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d\.\d{3}) (.*)$")
TICK_MS = 4


class Clock:
    """Turns wall-clock times of log lines into monotonic ones."""

    def __init__(self):
        self.shift = min((time.monotonic() - time.time() for _ in range(5)), key=abs)
        self._year = datetime.datetime.now().year

    def monotonic(self, stamp):
        moment = datetime.datetime.strptime(f"{self._year} {stamp}", "%Y %b %d %H:%M:%S.%f")
        return moment.timestamp() + self.shift


class Journal:
    """What has been written to the logs of some nodes since it was made."""

    def __init__(self, lab, nodes):
        self._lab = lab
        self._nodes = nodes
        self._clock = Clock()
        self._began = time.monotonic()
        self._offsets = {(node, log): self._size(node, log) for node in nodes for log in ("corosync", "clusterd")}

    def _path(self, node, log):
        return self._lab.settings.path("nodes", node, "var", "log", f"{log}.log")

    def _size(self, node, log):
        try:
            with open(self._path(node, log), "rb") as file:
                return file.seek(0, 2)
        except FileNotFoundError:
            return 0

    def lines(self, node, log):
        """[(monotonic time, text)] of one node's log."""
        found = []
        with open(self._path(node, log), "rb") as file:
            file.seek(self._offsets[node, log])
            for line in file.read().decode(errors="replace").splitlines():
                match = _TIME.match(line)
                if match:
                    found.append((self._clock.monotonic(match[1]), match[2]))
        return found

    def first(self, log, pattern, node=None):
        """(time, match) of the first line in any node's log (or in one's) that matches; (None, None) if there is none."""
        best = (None, None)
        for name in [node] if node else self._nodes:
            for at, text in self.lines(name, log):
                match = re.search(pattern, text)
                if match and (best[0] is None or at < best[0]):
                    best = (at, match)
        return best

    def all(self, log, pattern, node):
        return [(at, match) for at, text in self.lines(node, log) for match in [re.search(pattern, text)] if match]

    def power(self, operation, node, answered):
        """Times at which the power controller was asked this about the node (or answered it)."""
        times = []
        with open(self._lab.settings.path("power.jsonl"), encoding="utf-8") as file:
            for line in file:
                row = json.loads(line)
                if row["t"] >= self._began and row["node"] == node and row["op"] == operation and ("answer" in row) == answered:
                    times.append(row["t"])
        return times
