# SPDX-License-Identifier: GPL-2.0-or-later
"""The power controller (the "BMC") of a lab: one process outside all nodes. Run as: python3 -m labkit.power LAB READY_FD

It owns the switch (its network namespace), boots nodes, cuts their power, and answers on three kinds of sockets:

  control.sock               the lab's own commands, JSON lines (see Controller.do_*)
  sockets/NODE/power.sock    seen by that node as /run/lab/power.sock; fence_lab speaks to it:
                               {"op":"off"|"on"|"status"|"list","node":"n2"}  ->  {"ok":true,"state":"off","ms":38}
                             "off" is answered only once nothing of the node lives.
  sockets/NODE/watchdog      seen as /run/lab/watchdog: a hardware watchdog, as far as a socket can be one. It knows the node
                             by the socket. As with the kernel's /dev/watchdog:
                               opening (connecting) arms it, with a timeout of 10 s; only one may have it open;
                               any byte keeps it alive;
                               "V" as the last byte before closing disarms it (magic close); closing without leaves it armed,
                               and only a new opener's keepalive can save the node;
                               "T<seconds>\n" and "M<milliseconds>\n" set the timeout (and keep alive).
                             Past the timeout it cuts the node's power.

Everything is event driven: sockets, pidfds of the nodes' PID 1, POLLPRI of their cgroups, and one timeout for the watchdogs.
"""

import contextlib
import functools
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time

from . import cgroup, kernel, network, settings as lab_settings

WATCHDOG_TIMEOUT_S = 10.0
OFF_TIMEOUT_S = 20.0


def log(text):
    print(f"{time.monotonic():.3f} {text}", flush=True)


class Machine:
    """One node as its power supply sees it."""

    def __init__(self, controller, node):
        self.controller = controller
        self.node = node
        settings = controller.settings
        self.group = cgroup.Group(settings.cgroup_base, cgroup.ROOT_PREFIX + settings.name, node)
        self.pid = None
        self.pidfd = None
        self.events = None
        self.boots = 0
        self.off_waiters = []

    @property
    def on(self):
        return self.pid is not None

    def power_on(self):
        if self.on:
            return
        self.group.create()
        done = subprocess.run([sys.executable, "-m", "labkit.boot", self.controller.settings.name, self.node],
                              stdout=subprocess.PIPE, text=True, check=False)
        if done.returncode != 0:
            raise OSError(f"node {self.node} did not boot; see {self.controller.settings.path('bmc.log')}")
        self.pid = int(done.stdout)
        self.pidfd = os.pidfd_open(self.pid)
        self.boots += 1
        self.controller.watch(self.pidfd, select.EPOLLIN, self.on_dead)
        with open(self.controller.settings.path("nodes", f"{self.node}.pid"), "w", encoding="ascii") as file:
            file.write(f"{self.pid} {kernel.start_time(self.pid)}\n")
        self.controller.switch.connect(self.node)
        log(f"{self.node}: on, PID 1 is {self.pid}")

    def power_off(self, done):
        """Cuts the power; done(ms) is called when nothing of the node lives."""
        if not self.on:
            done(0)
            return
        self.off_waiters.append((time.monotonic(), done))
        if len(self.off_waiters) > 1:
            return
        log(f"{self.node}: power is cut")
        # cgroup.kill reaches what is frozen. The SIGKILL of PID 1 does the same by way of the pid namespace, also where there
        # is no cgroup2.
        self.group.kill()
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)

    def on_dead(self):
        """PID 1 is gone; the kernel lets it go only after all others of its namespace. What `exec` put there from outside may
        take a moment longer."""
        self.controller.unwatch(self.pidfd)
        os.close(self.pidfd)
        self.pidfd = None
        if not self.group.exists or not self.group.event("populated"):
            self.finish_off()
            return
        self.group.kill()
        self.events = os.open(os.path.join(self.group.path, "cgroup.events"), os.O_RDONLY)
        self.controller.watch(self.events, select.EPOLLPRI, self.on_group_event)
        self.on_group_event()

    def on_group_event(self):
        os.lseek(self.events, 0, os.SEEK_SET)
        os.read(self.events, 4096)
        if self.group.event("populated"):
            return
        self.controller.unwatch(self.events)
        os.close(self.events)
        self.events = None
        self.finish_off()

    def finish_off(self):
        if self.group.exists:
            self.group.freeze(False)
        self.pid = None
        self.controller.watchdogs[self.node].disarm()
        network.remove_cable(self.node)
        log(f"{self.node}: off")
        for since, done in self.off_waiters:
            done(round((time.monotonic() - since) * 1000))
        self.off_waiters.clear()

    def bindfs_pids(self):
        found = []
        for pid in self.group.pids():
            with contextlib.suppress(OSError), open(f"/proc/{pid}/comm", encoding="ascii") as file:
                if file.read() == "bindfs\n":
                    found.append(pid)
        return found


class Watchdog:
    """The protocol of the file's head, for one node."""

    def __init__(self, controller, node, listener):
        self.controller = controller
        self.node = node
        self.listener = listener
        self.connection = None
        self.magic = False
        self.timeout_s = WATCHDOG_TIMEOUT_S
        self.deadline = None

    def disarm(self):
        self.deadline = None
        self.timeout_s = WATCHDOG_TIMEOUT_S
        self.hang_up()

    def hang_up(self):
        if self.connection:
            self.controller.unwatch(self.connection.fileno())
            self.connection.close()
            self.connection = None

    def keep_alive(self):
        self.deadline = time.monotonic() + self.timeout_s

    def on_open(self):
        connection, _ = self.listener.accept()
        if self.connection or not self.controller.machines[self.node].on:
            connection.close()  # as EBUSY
            return
        self.connection = connection
        connection.setblocking(False)
        self.magic = False
        if self.deadline is None:
            self.timeout_s = WATCHDOG_TIMEOUT_S
        self.keep_alive()
        self.controller.watch(connection.fileno(), select.EPOLLIN, self.on_data)

    def on_data(self):
        try:
            data = self.connection.recv(4096)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.hang_up()
            if self.magic:
                self.deadline = None
                log(f"{self.node}: watchdog disarmed")
            return
        self.magic = data.endswith(b"V")
        for line in data.split(b"\n"):
            unit = {b"T": 1.0, b"M": 0.001}.get(line[:1])
            if unit and line[1:].isdigit() and int(line[1:]) > 0:
                self.timeout_s = int(line[1:]) * unit
        self.keep_alive()

    def is_late(self, now):
        return self.deadline is not None and now >= self.deadline

    def check(self, now):
        if self.is_late(now) and self.connection:
            self.on_data()  # it may have been fed while this loop was held up by something else
        if self.is_late(now):
            log(f"{self.node}: watchdog not kept alive for {self.timeout_s:g} s")
            self.deadline = None
            self.controller.bark(self.node)


class Controller:
    """The event loop, and what the sockets can ask for."""

    def __init__(self, settings):
        self.settings = settings
        self.epoll = select.epoll()
        self.handlers = {}
        self.journal = open(settings.path("power.jsonl"), "a", encoding="utf-8")  # pylint: disable=consider-using-with
        self.switch = network.Switch()
        self.machines = {node: Machine(self, node) for node in settings.node_names}
        self.watchdogs = {}
        self.watchdog_cuts = dict.fromkeys(settings.node_names, 0)
        self.listen(settings.path("control.sock"), self.serve_control)
        for node in settings.node_names:
            self.listen(settings.path("sockets", node, "power.sock"), functools.partial(self.serve_node, node))
            listener = self.make_listener(settings.path("sockets", node, "watchdog"))
            watchdog = Watchdog(self, node, listener)
            self.watchdogs[node] = watchdog
            self.watch(listener.fileno(), select.EPOLLIN, watchdog.on_open)

    def watch(self, fd, mask, handler):
        self.handlers[fd] = handler
        self.epoll.register(fd, mask)

    def unwatch(self, fd):
        del self.handlers[fd]
        self.epoll.unregister(fd)

    @staticmethod
    def make_listener(path):
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        listener.bind(path)
        os.chmod(path, 0o600)
        listener.listen(64)
        return listener

    def listen(self, path, serve):
        listener = self.make_listener(path)

        def accept():
            connection, _ = listener.accept()
            self.watch(connection.fileno(), select.EPOLLIN, Conversation(self, connection, serve).on_data)
        self.watch(listener.fileno(), select.EPOLLIN, accept)

    def run(self):
        while True:
            armed = [dog.deadline for dog in self.watchdogs.values() if dog.deadline is not None]
            timeout = max(0.0, min(armed) - time.monotonic()) if armed else None
            for fd, _ in self.epoll.poll(timeout):
                handler = self.handlers.get(fd)
                if handler:
                    handler()
            now = time.monotonic()
            for dog in self.watchdogs.values():
                dog.check(now)
            self.reap()

    @staticmethod
    def reap():
        """A node's PID 1 becomes our child when its boot process ends; so do its processes that `exec` left."""
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass

    def bark(self, node):
        self.watchdog_cuts[node] += 1
        self.machines[node].power_off(lambda ms: None)

    # -- what a node may ask (fence_lab) --

    def serve_node(self, asker, request, reply):
        """As serve_power; each request and answer is noted with its time, so that a measurement sees when a node was
        fenced, also one that was off already."""
        record = {"from": asker, "op": request.get("op"), "node": request.get("node")}
        self.note(record)

        def noted(answer):
            self.note({**record, "answer": answer})
            reply(answer)
        self.serve_power(request, noted)

    def note(self, record):
        print(json.dumps({"t": time.monotonic(), **record}), file=self.journal, flush=True)

    def serve_power(self, request, reply):
        operation, node = request.get("op"), request.get("node")
        if operation == "list":
            reply({"ok": True, "nodes": {name: _state(machine) for name, machine in self.machines.items()}})
        elif node not in self.machines:
            reply({"ok": False, "error": f"no plug '{node}'; there are {', '.join(self.machines)}"})
        elif operation == "status":
            reply({"ok": True, "state": _state(self.machines[node])})
        elif operation == "off":
            self.machines[node].power_off(lambda ms: reply({"ok": True, "state": "off", "ms": ms}))
        elif operation == "on":
            self.machines[node].power_on()
            reply({"ok": True, "state": "on"})
        else:
            reply({"ok": False, "error": f"unknown operation '{operation}'"})

    # -- what the lab's commands may ask --

    def serve_control(self, request, reply):
        handler = getattr(self, "do_" + str(request.get("op")).replace("-", "_"), None)
        if not handler:
            self.serve_power(request, reply)
            return
        handler(request, reply)

    def do_cut(self, request, reply):
        self.switch.set_cut(request["node"], request["cut"], self.machines[request["node"]].on)
        reply({"ok": True})

    def do_parts(self, request, reply):
        self.switch.set_parts(request["parts"], [node for node, machine in self.machines.items() if machine.on])
        reply({"ok": True})

    def do_signal_storage(self, request, reply):
        pids = self.machines[request["node"]].bindfs_pids()
        for pid in pids:
            os.kill(pid, {"stop": signal.SIGSTOP, "continue": signal.SIGCONT, "kill": signal.SIGKILL}[request["signal"]])
        reply({"ok": bool(pids), "error": f"node {request['node']} has no volume attached"})

    def do_describe(self, _, reply):
        now = time.monotonic()
        nodes = {}
        for name, machine in self.machines.items():
            dog = self.watchdogs[name]
            nodes[name] = {
                "power": _state(machine), "pid": machine.pid, "boots": machine.boots,
                "frozen": machine.group.exists and machine.group.event("frozen"),
                "network": "cut" if name in self.switch.cut else "up", "part": self.switch.part_of.get(name, 0),
                "storage": _storage(machine), "processes": len(machine.group.pids()),
                "watchdog_ms": None if dog.deadline is None else max(0, round((dog.deadline - now) * 1000)),
                "watchdog_cuts": self.watchdog_cuts[name],
            }
        reply({"ok": True, "nodes": nodes})


def _state(machine):
    return "on" if machine.on else "off"


def _storage(machine):
    pids = machine.bindfs_pids()
    if not pids:
        return "none"
    with contextlib.suppress(OSError, IndexError), open(f"/proc/{pids[0]}/stat", encoding="utf-8") as file:
        return "stalled" if file.read().rpartition(")")[2].split()[0] == "T" else "ok"
    return "none"


class Conversation:
    """JSON lines over one connection; answers may come later than the next request."""

    def __init__(self, controller, connection, serve):
        self.controller = controller
        self.connection = connection
        self.serve = serve
        self.buffer = b""

    def on_data(self):
        try:
            data = self.connection.recv(65536)
        except OSError:
            data = b""
        if not data:
            self.controller.unwatch(self.connection.fileno())
            self.connection.close()
            return
        self.buffer += data
        while b"\n" in self.buffer:
            line, self.buffer = self.buffer.split(b"\n", 1)
            try:
                self.serve(json.loads(line), self.reply)
            except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
                log(f"request {line!r}: {error!r}")
                self.reply({"ok": False, "error": f"{type(error).__name__}: {error}"})

    def reply(self, answer):
        with contextlib.suppress(OSError):
            self.connection.sendall(json.dumps(answer).encode() + b"\n")


def main():
    settings = lab_settings.load(sys.argv[1])
    ready = int(sys.argv[2])
    # Leaves its parent, which then has no child that it would have to reap one day.
    if os.fork():
        os._exit(0)
    kernel.become_subreaper()
    # It stands for hardware, which does not queue for a processor behind the guests. Its children are ordinary again.
    with contextlib.suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(1))
    # A mount namespace of our own, because cgroup2 may have to be mounted where the host has none.
    kernel.unshare(kernel.CLONE_NEWNET | kernel.CLONE_NEWNS)
    kernel.mount(None, "/", None, kernel.MS_REC | kernel.MS_PRIVATE)
    settings.cgroup_base = cgroup.mount_point(settings.path("cgroup")) or ""
    settings.save()
    group = cgroup.Group(settings.cgroup_base, cgroup.ROOT_PREFIX + settings.name, "bmc")
    group.create()
    group.enter()
    with open(settings.path("bmc.pid"), "w", encoding="ascii") as file:
        file.write(f"{os.getpid()} {kernel.start_time(os.getpid())}\n")
    controller = Controller(settings)
    os.write(ready, b"1")
    os.close(ready)
    controller.run()


if __name__ == "__main__":
    main()
