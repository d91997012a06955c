# SPDX-License-Identifier: GPL-2.0-or-later
"""The lab's control groups: what knows every process of a node, kills all at once, and freezes all at once.

Only cgroup2 has cgroup.kill and a freezer that SIGKILL gets through, and it needs no controller for either. It may be the
only hierarchy (a Debian 12 host), sit beside version 1 (mounted at .../unified), or not be mounted at all: then it is mounted in
a mount namespace of the caller, where the host does not see it.
"""

import errno
import os
import select
import time

from . import kernel

ROOT_PREFIX = "clusterd-lab-"


def mount_point(private_dir):
    """Where cgroup2 is, mounted at private_dir if nowhere else; None if the kernel has none. Call in a private mount
    namespace if it may have to be mounted."""
    with open("/proc/self/mounts", encoding="utf-8") as file:
        for line in file:
            fields = line.split()
            if fields[2] == "cgroup2" and os.access(fields[1], os.W_OK) and "ro" not in fields[3].split(","):
                return fields[1]
    try:
        os.makedirs(private_dir, exist_ok=True)
        kernel.unshare(kernel.CLONE_NEWNS)
        kernel.mount(None, "/", None, kernel.MS_REC | kernel.MS_PRIVATE)
        kernel.mount("cgroup2", private_dir, "cgroup2")
        return private_dir
    except OSError:
        return None


class Group:
    """One cgroup. Does nothing, and says so by `exists`, where there is no cgroup2."""

    def __init__(self, base, *names):
        self.path = os.path.join(base, *names) if base else None

    def create(self):
        if self.path:
            os.makedirs(self.path, exist_ok=True)

    @property
    def exists(self):
        return bool(self.path) and os.path.isdir(self.path)

    def _write(self, name, value):
        with open(os.path.join(self.path, name), "w", encoding="ascii") as file:
            file.write(value)

    def enter(self, pid=0):
        if self.exists:
            self._write("cgroup.procs", str(pid))

    def pids(self):
        if not self.exists:
            return []
        try:
            with open(os.path.join(self.path, "cgroup.procs"), encoding="ascii") as file:
                return [int(line) for line in file]
        except OSError:
            return []

    def kill(self):
        """SIGKILL to all in it and below, frozen or not, with no fork slipping through."""
        if self.exists:
            self._write("cgroup.kill", "1")

    def freeze(self, on):
        self._write("cgroup.freeze", "1" if on else "0")

    def event(self, key):
        try:
            with open(os.path.join(self.path, "cgroup.events"), encoding="ascii") as file:
                return dict(line.split() for line in file).get(key) == "1"
        except OSError:
            return False

    def wait(self, key, value, timeout_s):
        """Waits until cgroup.events says key = value; the kernel wakes us by POLLPRI."""
        if not self.exists:
            return True
        deadline = time.monotonic() + timeout_s
        with open(os.path.join(self.path, "cgroup.events"), encoding="ascii") as file:
            poll = select.poll()
            poll.register(file, select.POLLPRI)
            while True:
                # Reading arms the next wake-up, so it comes before the wait.
                file.seek(0)
                if (dict(line.split() for line in file).get(key) == "1") == value:
                    return True
                left = deadline - time.monotonic()
                if left <= 0:
                    return False
                poll.poll(left * 1000)

    def remove(self):
        """Takes away the group and those below it; they must be empty."""
        if not self.exists:
            return
        for path, _, _ in os.walk(self.path, topdown=False):
            try:
                os.rmdir(path)
            except OSError as error:
                if error.errno != errno.ENOENT:
                    raise
