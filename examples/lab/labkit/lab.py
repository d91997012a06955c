# SPDX-License-Identifier: GPL-2.0-or-later
"""A lab from outside: bring it up, take it down, speak to its power controller, run commands in its nodes.

The command line (cli.py), the demo and the system tests all stand on this class.
"""

import contextlib
import fcntl
import json
import os
import shutil
import select
import signal
import socket
import subprocess
import sys
import time

from . import build, cgroup, disk, errors, inside, kernel, settings as lab_settings

QUORUM_TIMEOUT_S = 60
KILL_TIMEOUT_S = 20


class Lab(inside.Inside):
    """All that is known of it is on disk (settings), so any number of processes may hold one."""

    def __init__(self, settings):
        self.settings = settings

    @classmethod
    def open(cls, name="lab"):
        return cls(lab_settings.load(name))

    # -- up --

    @classmethod
    def up(cls, settings, build_dir=None, say=lambda text: None):
        """Brings a lab up. build_dir: a CMake build to install from; None: build the release preset."""
        need_root()
        lab_settings.check_name(settings.name)
        if not 2 <= settings.nodes <= lab_settings.MAX_NODES:
            raise errors.LabError(f"a lab has 2 to {lab_settings.MAX_NODES} nodes, not {settings.nodes}")
        lab = cls(settings)
        with lab.locked():
            if lab.controller_alive():
                raise errors.LabError(f"lab '{settings.name}' is up already; take it down with: lab --lab {settings.name} down")
            if os.path.exists(settings.state):
                say("clearing what a crash left")
                lab._clear()
            try:
                lab._bring_up(build_dir, say)
            except BaseException:
                # Also for ctrl-C: what is half up is of no use to anyone. The logs are worth a look, so they are shown.
                lab.show_logs()
                lab._clear()
                raise
        return lab

    def _bring_up(self, build_dir, say):
        settings = self.settings
        os.makedirs(settings.path("volumes", lab_settings.VOLUME, "console"), mode=0o700)
        os.chmod(settings.state, 0o700)
        if settings.clusterd and not build_dir:
            say("building clusterd")
            build_dir = build.compile_release()
        say("staging")
        build.stage(settings, build_dir if settings.clusterd else None)
        settings.boot_id = kernel.boot_id()
        settings.save()
        told = {"units": ["corosync", "virtlockd", "libvirtd"] + (["clusterd"] if settings.clusterd else []),
                "volume-options": ["--enable-lock-forwarding"] if settings.shared_locks else []}
        disk.make_certificates(settings)
        disk.make_authkey(settings)
        for node in settings.node_names:
            disk.create(settings, node)
            os.makedirs(settings.path("sockets", node))
            for name, words in told.items():
                with open(settings.path("sockets", node, name), "w", encoding="ascii") as file:
                    file.write(" ".join(words) + "\n")
        self._start_controller()
        self.settings = lab_settings.load(settings.name)
        say("booting " + ", ".join(settings.node_names))
        for node in settings.node_names:
            self.power_on(node)
        self.wait_for_nodes()
        if settings.clusterd:
            say("waiting for clusterd")
            self.wait_usable()
            self._register()

    def _start_controller(self):
        ready_read, ready_write = os.pipe()
        log = os.open(self.settings.path("bmc.log"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        # The path to labkit goes by the environment, not the command: it may have a space in it.
        subprocess.Popen([sys.executable, "-m", "labkit.power", self.settings.name, str(ready_write)],
                         cwd="/", env=dict(os.environ, PYTHONPATH=lab_settings.LAB_DIR, PYTHONDONTWRITEBYTECODE="1"),
                         stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=[ready_write], start_new_session=True).wait()
        os.close(ready_write)
        os.close(log)
        with os.fdopen(ready_read, "rb") as ready:
            if ready.read(1) != b"1":
                raise errors.LabError(f"the lab's power controller did not start; see {self.settings.path('bmc.log')}")

    def wait_for_nodes(self, nodes=None, timeout_s=QUORUM_TIMEOUT_S):
        """Until on each of these nodes corosync has quorum with all of them in it and libvirtd answers."""
        nodes = nodes or self.settings.node_names
        deadline = time.monotonic() + timeout_s
        for node in nodes:
            for unit in ("corosync", "libvirtd"):
                self.ask_init(node, {"wait": unit}, deadline)
        for node in nodes:
            while not (self.is_quorate(node) and set(nodes) <= set(self.members(node))):
                if time.monotonic() > deadline:
                    raise errors.LabError(f"node {node}: no quorum with {', '.join(nodes)} after {timeout_s} s; "
                                          f"see: lab exec {node} -- tail /var/log/corosync.log")
                time.sleep(0.05)  # corosync has no notifier that a script could wait on

    def wait_usable(self, timeout_s=QUORUM_TIMEOUT_S, nodes=None):
        """Until clusterd on each of these nodes says that its view is usable and holds them all."""
        nodes = nodes or self.settings.node_names
        deadline = time.monotonic() + timeout_s
        while True:
            behind = [node for node in nodes if not self._sees_usable(node, nodes)]
            if not behind:
                return
            if time.monotonic() > deadline:
                raise errors.LabError(f"clusterd on {', '.join(behind)} has no usable view of {', '.join(nodes)} after {timeout_s} s; "
                                      f"see: lab exec {behind[0]} -- tail /var/log/clusterd.log")
            time.sleep(0.1)

    def _sees_usable(self, node, nodes):
        status = self.clusterctl_json(node, "status")
        if not status or not status.get("usable"):
            return False
        states = {entry.get("name"): entry.get("state") for entry in status.get("nodes", [])}
        return all(states.get(name) in ("online", "drained", "draining") for name in nodes)

    def _register(self):
        node = self.settings.node_names[0]
        for command in (["volume", "add", lab_settings.VOLUME, lab_settings.VOLUME_PATH],
                        ["fence-device", "add", "lab-pdu", "--agent", "fence_lab", "--param", "plug={node}"]):
            self.check(node, ["clusterctl", *command])
        if self.settings.self_fence_ms:
            self.check(node, ["clusterctl", "config", "set", "self_fence_ms", str(self.settings.self_fence_ms)])

    # -- down --

    @classmethod
    def down(cls, name):
        """Takes a lab down, whatever state it is in. Returns False if there was none."""
        need_root()
        lab_settings.check_name(name)
        state = os.path.join(lab_settings.STATE_ROOT, name)
        if not os.path.exists(state):
            return False
        try:
            settings = lab_settings.load(name)
        except errors.LabError:
            settings = lab_settings.Settings(name=name)
        lab = cls(settings)
        with lab.locked():
            lab._clear()
        return True

    def _clear(self):
        """Kills all processes of the lab, then removes its cgroups and files. Mounts, networks and other namespaces have no
        name anywhere: they go with the last process that is in them."""
        private = self.settings.path("cgroup")
        base = cgroup.mount_point(private)
        top = cgroup.Group(base, cgroup.ROOT_PREFIX + self.settings.name)
        pids = [pid for pid in [self._recorded("bmc.pid")] + [self._recorded("nodes", f"{node}.pid")
                                                             for node in self.settings.node_names] if pid]
        # The nodes before the controller: it reaps them, so nothing is left to the host's init, which in a container may not.
        for node in self.settings.node_names:
            group = cgroup.Group(base, cgroup.ROOT_PREFIX + self.settings.name, node)
            group.kill()
            group.wait("populated", False, KILL_TIMEOUT_S)
        top.kill()
        fds = []
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                fd = os.pidfd_open(pid)
                fds.append(fd)
                signal.pidfd_send_signal(fd, signal.SIGKILL)
        gone = top.wait("populated", False, KILL_TIMEOUT_S)
        for fd in fds:
            gone = _wait_pidfd(fd, KILL_TIMEOUT_S) and gone
        if not gone:
            raise errors.LabError(f"lab '{self.settings.name}': processes {top.pids()} do not die (stuck in the kernel?); "
                                  f"nothing more was removed; look at /proc/PID/stack, then run down again")
        top.remove()
        if base == private:
            kernel.umount(private)
        shutil.rmtree(self.settings.state)
        with contextlib.suppress(OSError):
            os.rmdir(lab_settings.STATE_ROOT)

    def _recorded(self, *names):
        """A pid from a file, if it is still the same process: same boot of the host, same start time."""
        try:
            with open(self.settings.path(*names), encoding="ascii") as file:
                pid, start = map(int, file.read().split())
        except (OSError, ValueError):
            return None
        return pid if self.settings.boot_id == kernel.boot_id() and kernel.start_time(pid) == start else None

    def show_logs(self, lines=8):
        """The ends of all logs, on standard error: what a failure leaves, before its lab is removed."""
        names = ["bmc.log", "power.jsonl"]
        names += [f"nodes/{node}/var/log/{log}.log" for node in self.settings.node_names for log in ("init", "corosync", "libvirtd", "clusterd")]
        for name in names:
            with contextlib.suppress(OSError), open(self.settings.path(name), encoding="utf-8", errors="replace") as file:
                tail = file.read().strip().splitlines()[-lines:]
                if tail:
                    print(f"--- {name}", *tail, sep="\n", file=sys.stderr)

    @contextlib.contextmanager
    def locked(self):
        """One `up` or `down` at a time. The lock lies beside the state, as `down` removes that."""
        path = f"/run/lock/clusterd-lab-{self.settings.name}.lock"
        with open(path, "w", encoding="ascii") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise errors.LabError(f"another up or down of lab '{self.settings.name}' is at work ({path})") from None
            try:
                yield
            finally:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(path)

    # -- the power controller --

    def controller_alive(self):
        return self._recorded("bmc.pid") is not None if os.path.exists(self.settings.path("lab.json")) and self._reload() else False

    def _reload(self):
        try:
            self.settings.boot_id = lab_settings.load(self.settings.name).boot_id
        except errors.LabError:
            return False
        return True

    def ask(self, operation, timeout_s=60, **arguments):
        """One request to the power controller."""
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(timeout_s)
                connection.connect(self.settings.path("control.sock"))
                connection.sendall(json.dumps({"op": operation, **arguments}).encode() + b"\n")
                answer = json.loads(connection.makefile().readline() or "{}")
        except (OSError, ValueError) as error:
            raise errors.LabError(f"the power controller of lab '{self.settings.name}' does not answer ({error}); "
                                  f"run: lab --lab {self.settings.name} down") from None
        if not answer.get("ok"):
            raise errors.LabError(answer.get("error", "the power controller gave no answer"))
        return answer

    def describe(self):
        return self.ask("describe")["nodes"]

    def power_off(self, node):
        return self.ask("off", node=self.settings.check_node(node))["ms"]

    def power_on(self, node):
        self.ask("on", node=self.settings.check_node(node))

    def cut(self, node):
        self.ask("cut", node=self.settings.check_node(node), cut=True)

    def heal(self, node=None):
        """A node's cable, or all cables and partitions."""
        if node:
            self.ask("cut", node=self.settings.check_node(node), cut=False)
            return
        for name in self.settings.node_names:
            self.ask("cut", node=name, cut=False)
        self.ask("parts", parts=[])

    def partition(self, parts):
        named = [self.settings.check_node(node) for part in parts for node in part]
        if len(parts) < 2 or len(named) != len(set(named)):
            raise errors.LabError("a partition has two parts or more, and no node twice: partition n1,n2 / n3")
        self.ask("parts", parts=parts)

    def stall_storage(self, node):
        self.ask("signal-storage", node=self.settings.check_node(node), signal="stop")

    def resume_storage(self, node):
        if self.describe()[self.settings.check_node(node)]["storage"] == "none":
            self.ask_init(node, {"volume": "mount"})
        else:
            self.ask("signal-storage", node=node, signal="continue")

    def lose_storage(self, node):
        self.ask("signal-storage", node=self.settings.check_node(node), signal="kill")

    def freeze(self, node):
        group = self._living(node)
        group.freeze(True)
        if not group.wait("frozen", True, 10):
            raise errors.LabError(f"node {node} does not freeze within 10 s: a process waits in the kernel (its storage stalls?)")

    def thaw(self, node):
        self._living(node).freeze(False)

    def _living(self, node):
        self.init_pid(node)
        group = self.group(node)
        if not group.exists:
            raise errors.LabError("freeze and thaw need cgroup2, which this kernel does not offer")
        return group

    def group(self, *names):
        base = self.settings.cgroup_base
        if base and not os.path.exists(os.path.join(base, "cgroup.procs")):
            # The controller had to mount cgroup2 for itself.
            base = f"/proc/{self._recorded('bmc.pid')}/root{base}"
        return cgroup.Group(base, cgroup.ROOT_PREFIX + self.settings.name, *names)

    def volume_path(self, *names):
        """A path on the volume as the host sees it."""
        return self.settings.path("volumes", lab_settings.VOLUME, *names)


def _wait_pidfd(fd, timeout_s):

    ended = bool(select.select([fd], [], [], timeout_s)[0])
    os.close(fd)
    return ended


def need_root():
    if os.geteuid() != 0:
        raise errors.LabError("the lab makes namespaces, mounts and cgroups: run it as root")
