# SPDX-License-Identifier: GPL-2.0-or-later
"""Looks every 20 ms which QEMU processes live in which node, and keeps every moment at which a VM had more than one.

Two QEMUs of one VM are legal only while it migrates: then the younger one was started to wait for the other's state
(-incoming). From outside one cannot see when it begins to run, so such pairs are listed apart (`migrations`) and what
the guest itself says (foreign writers, console.py) decides about them. Every other pair is in `doubles`: two that run.

It costs about one small read per node and sample; what a process is, is looked up once.
"""

import dataclasses
import os
import threading
import time

from . import kernel

INTERVAL_S = 0.02
# A child of libvirtd is looked at again for this long: it becomes QEMU only when it calls exec.
SETTLE_S = 2.0


@dataclasses.dataclass
class Qemu:
    """One QEMU process. Times are time.monotonic()."""

    name: str
    uuid: str
    node: str
    pid: int
    incoming: bool
    started: int  # in ticks of the kernel; tells which of two is younger
    first_seen: float
    last_seen: float


@dataclasses.dataclass
class Pair:
    """Two QEMUs of one VM at the same time: from the first to the last sample that showed both."""

    name: str
    older: Qemu
    younger: Qemu
    first_seen: float
    last_seen: float

    @property
    def seconds(self):
        return self.last_seen - self.first_seen


class Sampler(threading.Thread):
    """Use as a context manager, or start() and stop()."""

    def __init__(self, lab, interval_s=INTERVAL_S):
        super().__init__(daemon=True, name="qemu sampler")
        self._groups = {node: lab.group(node) for node in lab.settings.node_names}
        self._lab = lab
        self._interval_s = interval_s
        self._ended = threading.Event()
        self._known = {}  # (node, pid) -> Qemu, or the time until which it may still become one
        self._pairs = {}
        self.qemus = []
        self.samples = 0
        self.worst_gap_s = 0.0

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        self._ended.set()
        self.join()

    @property
    def doubles(self):
        return [pair for pair in self._pairs.values() if not pair.younger.incoming]

    @property
    def migrations(self):
        return [pair for pair in self._pairs.values() if pair.younger.incoming]

    def alive(self, name=None):
        """The QEMUs of the last sample."""
        return [qemu for qemu in list(self._known.values())
                if isinstance(qemu, Qemu) and (name is None or qemu.name == name)]

    def run(self):
        due = previous = time.monotonic()
        while not self._ended.is_set():
            now = time.monotonic()
            self.worst_gap_s = max(self.worst_gap_s, now - previous)
            previous = now
            self.sample(now)
            due = max(due + self._interval_s, now)
            self._ended.wait(max(0.0, due - time.monotonic()))

    def sample(self, now):
        seen = {}
        for node, group in self._groups.items():
            for pid in self._pids(node, group):
                key = (node, pid)
                entry = self._known.get(key)
                if not isinstance(entry, Qemu) and (entry is None or now < entry):
                    entry = self._look(node, pid, now) or (entry if entry is not None else now + SETTLE_S)
                seen[key] = entry
        self._known = seen
        self.samples += 1
        by_name = {}
        for entry in seen.values():
            if isinstance(entry, Qemu):
                entry.last_seen = now
                by_name.setdefault(entry.uuid, []).append(entry)
        for several in by_name.values():
            if len(several) > 1:
                self._note(sorted(several, key=lambda qemu: qemu.started), now)

    def _pids(self, node, group):
        return group.pids() if group.exists else _pids_by_namespace(self._lab, node)

    def _note(self, several, now):
        for i, older in enumerate(several):
            for younger in several[i + 1:]:
                key = (older.node, older.pid, younger.node, younger.pid)
                pair = self._pairs.setdefault(key, Pair(older.name, older, younger, now, now))
                pair.last_seen = now

    def _look(self, node, pid, now):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                words = file.read().decode(errors="replace").split("\0")
        except OSError:
            return None
        if not os.path.basename(words[0]).startswith("qemu-system") or "-uuid" not in words:
            return None
        name = words[words.index("-name") + 1].removeprefix("guest=").split(",")[0] if "-name" in words else "?"
        qemu = Qemu(name, words[words.index("-uuid") + 1], node, pid, "-incoming" in words,
                    kernel.start_time(pid) or 0, now, now)
        self.qemus.append(qemu)
        return qemu


def _pids_by_namespace(lab, node):
    """Without cgroup2: all processes of the node's pid namespace. Slower; it reads one link per process."""
    found = []
    try:
        wanted = os.readlink(f"/proc/{lab.init_pid(node)}/ns/pid")
    except Exception:  # pylint: disable=broad-except
        return found  # the node is off
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                if os.readlink(f"/proc/{entry}/ns/pid") == wanted:
                    found.append(int(entry))
            except OSError:
                continue
    return found
