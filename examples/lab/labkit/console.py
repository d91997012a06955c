# SPDX-License-Identifier: GPL-2.0-or-later
"""What guests say on their consoles, read from the volume: which node a guest runs on does not matter.

read() takes a whole console afterwards. Follower stamps each line with the host's clock while it is written, which alone shows
how long a guest stood still: its own clock stops with it.
"""

import contextlib
import ctypes
import dataclasses
import os
import re
import select
import struct
import threading
import time

_LINE = re.compile(
    rb"(?:tick (?P<tick>\d+) (?P<ms>\d+) ack (?P<ack>\d+)"
    rb"|boot (?P<boot>\d+) nonce (?P<nonce>[0-9a-f]{16}) seq (?P<seq>\d+) name \S+"
    rb"|(?P<foreign>FOREIGN WRITER .*)"
    rb"|(?P<trouble>(?:READBACK MISMATCH|disk error|disk unreadable|no disk|Kernel panic).*))\r?$")


@dataclasses.dataclass
class Said:
    """All that one guest has said so far."""

    ticks: int = 0
    boots: int = 0
    acknowledged: int = 0  # highest sequence number it ever called written
    last_tick: int = 0
    last_tick_ms: int = 0
    foreign: list = dataclasses.field(default_factory=list)
    trouble: list = dataclasses.field(default_factory=list)
    lost: list = dataclasses.field(default_factory=list)  # (acknowledged, found at the next boot)
    nonces: list = dataclasses.field(default_factory=list)
    repeated: int = 0  # ticks that were no higher than the one before: two copies count, or old memory went on

    def take(self, line):
        """One line; returns its match, or None for what the firmware or kernel says."""
        match = _LINE.search(line)
        if not match:
            return None
        if match["tick"]:
            self.ticks += 1
            self.repeated += int(match["tick"]) <= self.last_tick
            self.last_tick, self.last_tick_ms = int(match["tick"]), int(match["ms"])
            self.acknowledged = max(self.acknowledged, int(match["ack"]))
        elif match["boot"]:
            self.boots += 1
            self.last_tick = 0
            self.nonces.append(match["nonce"].decode())
            # A boot finds at least what was acknowledged before it, or a write was lost.
            if int(match["seq"]) < self.acknowledged:
                self.lost.append((self.acknowledged, int(match["seq"])))
        elif match["foreign"]:
            self.foreign.append(match["foreign"].decode())
        else:
            self.trouble.append(match["trouble"].decode(errors="replace"))
        return match


def names(lab):
    return sorted(name[:-4] for name in os.listdir(lab.volume_path("console")) if name.endswith(".log"))


def read(lab, name):
    said = Said()
    with contextlib.suppress(FileNotFoundError), open(lab.volume_path("console", f"{name}.log"), "rb") as file:
        for line in file:
            said.take(line)
    return said


@dataclasses.dataclass
class Track:
    """One guest as the follower knows it. Times are time.monotonic()."""

    said: Said = dataclasses.field(default_factory=Said)
    tick_times: list = dataclasses.field(default_factory=list)  # when each tick was seen
    boot_times: list = dataclasses.field(default_factory=list)
    offset: int = 0
    rest: bytes = b""

    def longest_gap(self, since=0.0, until=None):
        """The longest time without a tick in (since, until), in seconds, and when it began. A tick before `since` counts as
        the beginning of the first gap; `until` (default: now) ends the last one."""
        until = time.monotonic() if until is None else until
        before = [at for at in self.tick_times if at <= since][-1:] or [since]
        times = before + [at for at in self.tick_times if since < at < until] + [until]
        gaps = [(later - earlier, earlier) for earlier, later in zip(times, times[1:])]
        return max(gaps, default=(0.0, since))


class Follower(threading.Thread):
    """Follows all consoles of a lab: a thread that inotify wakes. Use as a context manager, or start() and stop()."""

    COALESCE_S = 0.004  # QEMU writes a serial line byte by byte; one reading per line is enough

    def __init__(self, lab):
        super().__init__(daemon=True, name="console follower")
        self._directory = lab.volume_path("console")
        self._tracks = {}
        self._changed = threading.Condition()
        self._stop_read, self._stop_write = os.pipe()
        self._inotify = _inotify_open(self._directory)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        os.write(self._stop_write, b"1")
        self.join()
        for fd in (self._stop_read, self._stop_write, self._inotify):
            os.close(fd)

    def track(self, name):
        with self._changed:
            return self._tracks.setdefault(name, Track())

    def wait(self, condition, timeout_s):
        """Waits until condition(), called after each change, is true. Returns what it said last."""
        with self._changed:
            return self._changed.wait_for(condition, timeout_s)

    def wait_ticks(self, name, count=1, since=None, timeout_s=60):
        """Waits for `count` ticks after `since` (default: now); returns the time of the last of them, or None."""
        since = time.monotonic() if since is None else since
        track = self.track(name)

        def seen():
            later = [at for at in track.tick_times[-count - 200:] if at > since]
            return later[count - 1] if len(later) >= count else None
        return self.wait(seen, timeout_s)

    def run(self):
        poll = select.poll()
        poll.register(self._inotify, select.POLLIN)
        poll.register(self._stop_read, select.POLLIN)
        changed = set(name for name in os.listdir(self._directory))
        while True:
            now = time.monotonic()
            with self._changed:
                if any([self._read(name, now) for name in changed]):
                    self._changed.notify_all()
            if any(fd == self._stop_read for fd, _ in poll.poll()):
                return
            time.sleep(self.COALESCE_S)
            changed = _inotify_names(self._inotify)

    def _read(self, name, now):
        if not name.endswith(".log"):
            return False
        track = self._tracks.setdefault(name[:-4], Track())
        try:
            with open(os.path.join(self._directory, name), "rb") as file:
                file.seek(track.offset)
                data = file.read()
        except OSError:
            return False
        track.offset += len(data)
        lines = (track.rest + data).split(b"\n")
        track.rest = lines.pop()
        for line in lines:
            match = track.said.take(line)
            if match and match["tick"]:
                track.tick_times.append(now)
            elif match and match["boot"]:
                track.boot_times.append(now)
        return bool(lines)


_IN_MODIFY, _IN_CREATE = 0x2, 0x100
_EVENT = struct.Struct("iIII")


def _inotify_open(directory):
    libc = ctypes.CDLL(None, use_errno=True)
    fd = libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK)
    if fd < 0 or libc.inotify_add_watch(fd, directory.encode(), _IN_MODIFY | _IN_CREATE) < 0:
        raise OSError(ctypes.get_errno(), f"inotify on {directory}")
    return fd


def _inotify_names(fd):
    found = set()
    with contextlib.suppress(BlockingIOError):
        data, at = os.read(fd, 65536), 0
        while at < len(data):
            _, mask, _, length = _EVENT.unpack_from(data, at)
            found.add(data[at + _EVENT.size:at + _EVENT.size + length].rstrip(b"\0").decode())
            at += _EVENT.size + length
    return found
