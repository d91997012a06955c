# SPDX-License-Identifier: GPL-2.0-or-later
"""What runs in a node under tini: attaches the volume, starts the daemons in order and restarts those that die.

It plays systemd's part for four units, and no more: Type=notify (sd_notify over $NOTIFY_SOCKET, so that "started" means
ready), After=, Restart=always with RestartSec=100ms, and a longer pause after five deaths in ten seconds.

/run/lab-init.sock takes one JSON line per connection and answers with one:
    {"wait": "corosync"}        answers once the unit is ready; with an error if its program, or one it waits for, is missing
    {"stop"|"start"|"restart": "clusterd"}   a stopped unit stays down until it is started
    {"units": true}             {"corosync": {"pid": 7, "ready": true, "wanted": true, "deaths": 0}, ...}
    {"volume": "mount"|"lose"}  attaches the volume (again), or kills its bindfs
This file stands alone: a node sees only a copy of it.
"""

import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import time

VOLUME = "csv1"
SOCKET_PATH = "/run/lab-init.sock"
RESTART_S = 0.1
RESTART_MANY_S = 1.0

# name: (command, what must be ready first, says by itself when it is ready)
UNITS = {
    "corosync": (["/usr/sbin/corosync", "-f"], (), True),
    "virtlockd": (["/usr/sbin/virtlockd"], (), True),
    "libvirtd": (["/usr/sbin/libvirtd", "--listen"], ("virtlockd",), True),
    "clusterd": (["/usr/sbin/clusterd"], ("corosync", "libvirtd"), False),
}


def say(text):
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


class Missing(Exception):
    """A program that a node needs is not installed on the host."""

    def __init__(self, program):
        super().__init__(f"the program {program} is missing; on the host, as root, run: tools/packages.sh run")


def call(*command, **options):
    try:
        return subprocess.run(command, check=False, **options).returncode
    except FileNotFoundError:
        raise Missing(command[0]) from None


def mount_volume(options):
    """One bindfs per node: locks reach the other nodes through it if the options say so, and stopping or killing it is a storage
    failure.

    A lock that reaches the other nodes ends a little after its file was closed, as with every FUSE file system that forwards locks.
    QEMU takes such a lock for that of another process when it opens an image anew, as it does for a block job.

    O_DIRECT is QEMU's towards bindfs; bindfs clears it below, so all nodes meet in the host's page cache.
    """
    path = f"/srv/{VOLUME}"
    while call("umount", "-l", path, stderr=subprocess.DEVNULL) == 0:
        pass
    if call("bindfs", *options, "--multithreaded", "--no-allow-other", f"/mnt/array/{VOLUME}", path) != 0:
        raise OSError(f"bindfs could not mount {path}; see the lines above in /var/log/init.log")
    # The consoles go to a terminal server, so to say: their files appear on the volume, but writing to them does not wait
    # for it. A guest's counter then goes on while its storage stalls, as a real guest would.
    if call("mount", "--bind", f"/mnt/array/{VOLUME}/console", f"{path}/console") != 0:
        raise OSError(f"{path}/console could not be mounted; see the lines above in /var/log/init.log")


def volume_options():
    with open("/run/lab/volume-options", encoding="ascii") as file:
        return file.read().split()


def leave_apparmor():
    """Debian's AppArmor profile of libvirtd goes by its path, so it would hold in a node too, where paths mean other things."""
    try:
        with open("/proc/self/attr/exec", "w", encoding="ascii") as file:
            file.write("exec unconfined")
    except OSError:
        pass  # no AppArmor here


class Unit:
    """One daemon: its process, whether it is ready, and when it is to be started again."""

    def __init__(self, name, loop):
        self.name = name
        self.command, self.after, self.notifies = UNITS[name]
        self.loop = loop
        self.process = None
        self.pidfd = None
        self.ready = False
        self.wanted = True
        self.due = 0.0
        self.deaths = []
        self.waiters = []
        self.trouble = None  # why its program cannot be started at all
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self.notify.bind(f"/run/notify-{name}")
        loop.selector.register(self.notify, selectors.EVENT_READ, self.on_notify)

    def start(self):
        log = os.open(f"/var/log/{self.name}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        environment = dict(os.environ, NOTIFY_SOCKET=f"/run/notify-{self.name}")
        try:
            self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            env=environment, start_new_session=True, preexec_fn=leave_apparmor)
        except OSError as error:
            self.fail(str(Missing(self.command[0]) if isinstance(error, FileNotFoundError) else error))
            return
        finally:
            os.close(log)
        self.trouble = None
        self.pidfd = os.pidfd_open(self.process.pid)
        self.loop.selector.register(self.pidfd, selectors.EVENT_READ, self.on_death)
        say(f"{self.name}: started as {self.process.pid}")
        if not self.notifies:
            self.become_ready()

    def fail(self, why):
        """It is tried again as one that dies often is; who waits for it hears why it does not come."""
        self.trouble = f"{self.name} cannot be started: {why}"
        self.due = time.monotonic() + RESTART_MANY_S
        say(self.trouble)
        self.loop.tell_trouble()

    def on_notify(self):
        text = self.notify.recv(4096).decode(errors="replace")
        if self.process and "READY=1" in text.split("\n"):
            self.become_ready()

    def become_ready(self):
        if not self.ready:
            self.ready = True
            say(f"{self.name}: ready")
        for reply in self.waiters:
            reply({"ok": True})
        self.waiters.clear()

    def on_death(self):
        status = self.process.wait()
        self.loop.selector.unregister(self.pidfd)
        os.close(self.pidfd)
        self.process, self.pidfd, self.ready = None, None, False
        now = time.monotonic()
        self.deaths = [at for at in self.deaths if at > now - 10] + [now]
        self.due = now + (RESTART_MANY_S if len(self.deaths) >= 5 else RESTART_S)
        say(f"{self.name}: ended with {status}" + (", restarts" if self.wanted else ""))

    def stop(self):
        self.wanted = False
        if self.process:
            self.process.send_signal(signal.SIGTERM)

    def may_start(self, units):
        return self.wanted and not self.process and all(units[name].ready for name in self.after)

    def describe(self):
        return {"pid": self.process.pid if self.process else None, "ready": self.ready, "wanted": self.wanted,
                "deaths": len(self.deaths)}


class Init:
    """The loop: starts what may start, sleeps until something happens."""

    def __init__(self, names):
        self.selector = selectors.DefaultSelector()
        self.units = {name: Unit(name, self) for name in names}
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        self.listener.bind(SOCKET_PATH)
        self.listener.listen(16)
        self.selector.register(self.listener, selectors.EVENT_READ, self.on_connection)

    def run(self):
        while True:
            now = time.monotonic()
            timeout = None
            for unit in self.units.values():
                if not unit.may_start(self.units):
                    continue
                if unit.due <= now:
                    unit.start()
                else:
                    timeout = min(timeout or 60, unit.due - now)
            # A unit that became ready by being started may let another start.
            if any(unit.may_start(self.units) and unit.due <= now for unit in self.units.values()):
                continue
            for key, _ in self.selector.select(timeout):
                key.data()

    def trouble_of(self, unit):
        """Why a unit cannot become ready: its own trouble, or that of one it waits for."""
        return unit.trouble or next(filter(None, (self.trouble_of(self.units[name]) for name in unit.after)), None)

    def tell_trouble(self):
        for unit in self.units.values():
            trouble = self.trouble_of(unit)
            if trouble:
                for reply in unit.waiters:
                    reply({"error": trouble})
                unit.waiters.clear()

    def on_connection(self):
        connection, _ = self.listener.accept()
        self.selector.register(connection, selectors.EVENT_READ, lambda: self.on_request(connection))

    def on_request(self, connection):
        self.selector.unregister(connection)

        def reply(answer):
            try:
                connection.sendall(json.dumps(answer).encode() + b"\n")
            except OSError:
                pass
            connection.close()
        try:
            ((verb, argument),) = json.loads(connection.recv(4096)).items()
            self.obey(verb, argument, reply)
        except (ValueError, KeyError) as error:
            reply({"error": f"{type(error).__name__}: {error}"})
        except (OSError, Missing) as error:
            reply({"error": str(error)})

    def obey(self, verb, argument, reply):
        if verb == "units":
            reply({name: unit.describe() for name, unit in self.units.items()})
        elif verb == "volume":
            self.obey_volume(argument)
            reply({"ok": True})
        elif verb == "wait":
            unit = self.units[argument]
            if unit.ready:
                reply({"ok": True})
            else:
                unit.waiters.append(reply)
                self.tell_trouble()
        else:
            unit = self.units[argument]
            if verb in ("stop", "restart"):
                unit.stop()
            if verb in ("start", "restart"):
                unit.wanted = True
                unit.due = 0.0
            reply({"ok": True})

    @staticmethod
    def obey_volume(what):
        if what == "mount":
            mount_volume(volume_options())
            return
        for entry in os.listdir("/proc"):
            try:
                with open(f"/proc/{entry}/comm", encoding="ascii") as file:
                    if entry.isdigit() and file.read() == "bindfs\n":
                        os.kill(int(entry), signal.SIGKILL)
            except OSError:
                continue


def main():
    say(f"node {sys.argv[1]} boots")
    with open("/run/lab/units", encoding="ascii") as file:
        names = file.read().split()
    try:
        mount_volume(volume_options())
    except (OSError, Missing) as error:
        say(f"volume {VOLUME} is not there: {error}")
    Init(names).run()


if __name__ == "__main__":
    main()
