# SPDX-License-Identifier: GPL-2.0-or-later
"""What the tests of the resource agents stand on: agent processes in the nodes of a lab without clusterd, and guests that only
agents start."""

import json
import os
import queue
import re
import shutil
import subprocess
import sys
import threading
import time

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
REPOSITORY = os.path.join(HERE, "..", "..")
sys.path.insert(0, os.path.join(REPOSITORY, "examples", "lab"))

# pylint: disable=wrong-import-position
from labkit import build, console, guests, inside, settings as lab_settings  # noqa: E402
from labkit.lab import Lab  # noqa: E402

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="the lab needs root")

# Several modules use a lab of this name; two of them may run side by side (pytest-xdist).
NAME = os.environ.get("CLUSTERD_AGENTS_LAB", "agentstest" + os.environ.get("PYTEST_XDIST_WORKER", ""))
NODES = ("n1", "n2")
AGENTS = os.environ.get("CLUSTERD_AGENTS") or os.path.abspath(os.path.join(REPOSITORY, "build", "release", "resource-agents"))


class Agent:
    """One agent process in a node. Its lines are read as they come and stamped."""

    def __init__(self, lab, where, program, action, text=None, stdout=None, **params):
        environment = {f"OCF_RESKEY_{key}": str(value) for key, value in params.items()}
        # A shell's $$ is the agent's own pid after exec: signals must go to it, not to nsenter.
        command = ["sh", "-c", 'echo "pid $$" >&2; exec "$@"', "sh", os.path.join(AGENTS, program), action]
        command = lab.command(where, ["env", *(f"{key}={value}" for key, value in environment.items()), *command])
        self.lab, self.where = lab, where
        self.began = time.monotonic()
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=stdout or subprocess.PIPE, stderr=subprocess.PIPE,
                                        text=True, env=inside.environment(), preexec_fn=lab.group(where).enter)
        self.pid = int(self.process.stderr.readline().split()[1])
        self.lines, self.errors, self.news = [], [], queue.Queue()
        self.threads = [threading.Thread(target=self._read_errors, daemon=True)]
        if not stdout:
            self.threads.append(threading.Thread(target=self._read, daemon=True))
        for thread in self.threads:
            thread.start()
        try:
            self.process.stdin.write(text or "")
            self.process.stdin.close()
        except BrokenPipeError:
            pass

    def _read(self):
        for line in self.process.stdout:
            entry = (time.monotonic(), json.loads(line))
            self.lines.append(entry)
            self.news.put(entry)
        self.news.put(None)

    def _read_errors(self):
        for line in self.process.stderr:
            self.errors.append(line.strip())

    def hears(self, number):
        """Whether it has come so far that it takes the signal itself: before, that would just end it."""
        status = self.lab.run(self.where, ["cat", f"/proc/{self.pid}/status"]).stdout
        masks = [int(line.split()[1], 16) for line in status.splitlines() if line.startswith(("SigBlk:", "SigCgt:"))]
        return any(mask >> (number - 1) & 1 for mask in masks)

    def signal(self, name):
        self.lab.run(self.where, ["kill", f"-{name}", str(self.pid)])

    def wait(self, timeout_s=60):
        code = self.process.wait(timeout_s)
        for thread in self.threads:
            thread.join(5)
        return code

    def end(self, timeout_s=60):
        """Waits for its end; returns its final line with the exit code in it."""
        code = self.wait(timeout_s)
        finals = [line for _, line in self.lines if "result" in line]
        assert len(finals) <= 1, finals
        final = finals[0] if finals else {}
        if finals:
            assert self.lines[-1][1] is final, "the final line is not the last"
        return {**final, "code": code}

    def progress(self):
        return [line["progress"] for _, line in self.lines if "progress" in line]

    def wait_line(self, accept, timeout_s=60):
        """The next line that is accepted, with the time it came."""
        deadline = time.monotonic() + timeout_s
        seen = []
        while True:
            try:
                entry = self.news.get(timeout=max(0.01, deadline - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"no such line within {timeout_s} s; seen: {seen}; errors: {self.errors}") from None
            assert entry, f"the agent ended; seen: {seen}; errors: {self.errors}"
            if accept(entry[1]):
                return entry
            seen.append(entry[1])

    def wait_event(self, event, name, timeout_s=60):
        return self.wait_line(lambda line: line.get("event") == event and line.get("name") == name, timeout_s)


class World:
    """A lab with guests that only agents start."""

    def __init__(self, lab):
        self.lab = lab
        self.agents = []
        self.kept = None  # a guest that outlives a test, if it runs on n1

    def guest(self, name, **more):
        """Writes a guest; returns the parameters that name it and its XML."""
        shutil.rmtree(self.lab.volume_path(name), ignore_errors=True)
        log = self.lab.volume_path("console", f"{name}.log")
        if os.path.exists(log):
            os.unlink(log)
        guest = guests.Guest(name, **more)
        guests.write(self.lab, guest)
        return Vm(self, guest)

    def agent(self, where, program, action, text=None, **params):
        process = Agent(self.lab, where, program, action, text, **params)
        self.agents.append(process)
        return process

    def watch(self, node, **params):
        watch = self.agent(node, "vm", "watch", **params)
        watch.wait_line(lambda line: line.get("event") == "listed")
        return watch

    def clean(self):
        for agent in self.agents:
            if agent.process.poll() is None:
                agent.signal("KILL")
                agent.process.wait(10)
        self.agents.clear()
        for node in NODES:
            self.lab.run(node, ["sh", "-c", "pkill -CONT -x libvirtd; pkill -CONT -x virtlockd; true"])
            self.lab.wait_for_nodes([node])
            kept = self.running(node) == [self.kept.name] if self.kept and node == "n1" else False
            for name in [] if kept else self.present(node):
                self.lab.run(node, ["virsh", "destroy", name])

    def kill_qemu(self, node, name, how="KILL"):
        at = time.monotonic()
        self.lab.check(node, ["sh", "-c", f"kill -{how} $(cat /run/libvirt/qemu/{name}.pid)"])
        return at

    def libvirtd(self, node, how):
        """Signals a node's libvirtd; the lab's init restarts one that was killed."""
        self.lab.check(node, ["sh", "-c", f"kill -{how} $(pidof libvirtd)"])

    def virtlockd(self, node, how):
        self.lab.check(node, ["sh", "-c", f"kill -{how} $(pidof virtlockd)"])

    def phase(self, node, name):
        """How far libvirtd has written that a migration of the guest is."""
        status = self.lab.check(node, ["cat", f"/run/libvirt/qemu/{name}.xml"])
        found = re.search(r"phase='(\w+)'", status)
        return found.group(1) if found else None

    def running(self, node):
        return self.lab.check(node, ["virsh", "list", "--name", "--state-running"]).split()

    def present(self, node):
        return self.lab.check(node, ["virsh", "list", "--name"]).split()


class Vm:
    """A guest and the agent's actions on it."""

    def __init__(self, world, guest):
        self.world, self.name, self.uuid = world, guest.name, str(guest.uuid)
        self.xml = guests.definition(guest)

    def begin(self, node, action, **params):
        text = self.xml if action in ("start", "restore") else None
        return self.world.agent(node, "vm", action, text, name=self.name, uuid=self.uuid, **params)

    def do(self, node, action, **params):
        return self.begin(node, action, **params).end()

    def start(self, node, generation=1):
        final = self.do(node, "start", generation=generation)
        assert (final["result"], final["state"], final["code"]) == ("ok", "running", 0), final

    def begin_move(self, source, target, generation=2, transport="tls", **params):
        return self.begin(source, "migrate_to", target=target, target_uri=f"qemu+{transport}://{target}/system", shared=1,
                          generation=generation, **params)

    @property
    def state_file(self):
        return f"{lab_settings.VOLUME_PATH}/saved/{self.name}.state"

    def files(self):
        directory = self.world.lab.volume_path("saved")
        return sorted(name for name in os.listdir(directory) if name.startswith(self.name)) if os.path.isdir(directory) else []

    def ticks(self):
        return console.read(self.world.lab, self.name).ticks


def lab_of(name, **settings):
    """A lab for a module's fixture."""
    build.install_packages(["build", "run"])
    if not os.path.exists(os.path.join(AGENTS, "vm")):
        build.compile_release()
    Lab.down(name)
    yield World(Lab.up(lab_settings.Settings(name=name, nodes=len(NODES), clusterd=False, **settings)))
    Lab.down(name)


@pytest.fixture(scope="module", name="shared")
def shared_world():
    yield from lab_of(NAME)


@pytest.fixture(name="world")
def clean_world(shared):
    yield shared
    shared.clean()


def wait_until(condition, timeout_s=60):
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def wait_ticks(vm, count=3, timeout_s=90):
    """Until the guest has counted further: it runs."""
    aim = vm.ticks() + count
    wait_until(lambda: vm.ticks() >= aim, timeout_s)


def shows(final, **expected):
    assert {key: final.get(key) for key in expected} == expected, final
    return final
