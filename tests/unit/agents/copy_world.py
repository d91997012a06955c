# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs the built agent `vm` on files in a temporary directory: the file actions of a storage move. They need neither libvirt nor
root. Faults of the storage come at the call that a test names (copy_faults.c)."""

import json
import os
import random
import signal
import subprocess

AGENT = os.environ["VM_AGENT"]
FAULTS = os.environ["COPY_FAULTS"]
LIMIT_S = 60
MIB = 1 << 20
# A clone leaves nothing to break off; file systems that can clone must be tested like the others.
NO_CLONE = "ioctl:*=EOPNOTSUPP"


class Agent:
    """One action of the agent."""

    def __init__(self, action, faults="", stdin=None, command=(), **params):
        environment = {**os.environ, **{f"OCF_RESKEY_{name}": str(value) for name, value in params.items()},
                       "OCF_RESKEY_uri": "qemu+unix:///system?socket=/nonexistent", "LD_PRELOAD": FAULTS,
                       "CLUSTERD_COPY_FAULTS": f"{NO_CLONE},{faults}", "ASAN_OPTIONS": "verify_asan_link_order=0:detect_leaks=0"}
        self.process = subprocess.Popen([*command, AGENT, action], env=environment, text=True, stdout=subprocess.PIPE,
                                        stdin=subprocess.PIPE if stdin else subprocess.DEVNULL, stderr=subprocess.PIPE)
        self.stdin = stdin
        self.lines = []

    def wait_stop(self):
        """Until the fault `stop` is reached."""
        _, status = os.waitpid(self.process.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status), f"it ended: {self.process.stdout.read()}"
        return self

    def signal(self, number):
        self.process.send_signal(number)

    def end(self):
        """The last line, with the exit code as `code`; {} for one that was killed."""
        out, log = self.process.communicate(self.stdin, timeout=LIMIT_S)
        self.lines = [json.loads(line) for line in out.splitlines()]
        code = self.process.returncode
        if code == -signal.SIGKILL:
            return {}
        assert code >= 0 and self.lines, f"exit code {code}: {out}{log}"
        return {**self.lines[-1], "code": code}


def shows(final, words="", **members):
    found = {name: final.get(name) for name in members}
    assert found == members and words in final["reason"] and "\n" not in final["reason"], final
    return final


class World:
    """Two volumes, and a VM whose files move from the one to the other."""

    def __init__(self, path):
        self.path = str(path)
        self.volumes = {name: os.path.join(self.path, name) for name in ("csv1", "csv2")}
        for directory in self.volumes.values():
            os.mkdir(directory)
        self.files = []

    def at(self, volume, name):
        return os.path.join(self.volumes[volume], name)

    def write(self, path, size=9 * MIB + 123, holes=True, seed=1):
        """Data at the beginning, in the middle and, without holes, everywhere."""
        chance = random.Random(seed)
        with open(path, "wb") as file:
            for start, length in ((0, 5 * MIB), (6 * MIB, MIB)) if holes else ((0, size),):
                file.seek(start)
                file.write(chance.randbytes(length))
            file.truncate(size)
        return path

    def disk(self, name="web.img", **how):
        """A file that moves."""
        source = self.write(self.at("csv1", name), **how)
        self.files.append((source, self.at("csv2", name)))
        return self.files[-1]

    def part(self, target, move=7):
        return f"{target}.clusterd-{move}.part"

    def begin(self, action, faults="", move=7, **params):
        lines = "\n".join(f"{source}\t{target}" for source, target in self.files)
        return Agent(action, faults, **{"name": "web", "files": lines, "move": move, **params})

    def do(self, action, faults="", **params):
        return self.begin(action, faults, **params).end()

    def names(self, volume):
        return sorted(os.listdir(self.volumes[volume]))


def content(path):
    with open(path, "rb") as file:
        return file.read()


def assert_complete(world, before):
    """All targets are there with the right content, as their parts."""
    for (_, target), data in zip(world.files, before):
        assert content(target) == data
        assert os.path.samefile(target, world.part(target))


def sources(world):
    return [content(source) for source, _ in world.files]


def assert_nothing_left(world, before):
    assert world.names("csv2") == [] and sources(world) == before


def replace(path):
    with open(f"{path}.new", "wb") as file:
        file.write(content(path))
    os.utime(f"{path}.new", ns=(0, os.stat(path).st_mtime_ns))
    os.rename(f"{path}.new", path)
