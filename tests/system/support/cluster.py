# SPDX-License-Identifier: GPL-2.0-or-later
"""A cluster in a lab, with its witnesses: one per test module, made whole again before each test.

Idea: guests live on from test to test, so no test waits for boots that it is not about, and what a guest acknowledged in one
story must still be there in the next. After a failed test the lab is made anew, so that one fault does not colour the rest.

A test speaks to it in the words of a story (place, power_off, cut, kill, until, runs_again, ...), each of which leaves a mark in
the trace, and ends with verdict().
"""

import concurrent.futures
import contextlib
import os
import shutil
import signal
import time

from labkit import build, console, guests, sampler, settings as lab_settings
from labkit.lab import Lab

from . import trace, verdict

# The machine may be busy with other things; what must be fast is asserted by the test itself.
PATIENCE_S = 60
LOOK_S = 0.05
DEVICE = "lab-pdu"


class Cluster(verdict.Verdict):
    """guest_options: the VMs that are always there, each with its options of `vm add`. settings: as for labkit.settings.Settings."""

    def __init__(self, name, guest_options=None, **settings):
        self.name = name
        self.guest_options = guest_options or {"a": [], "b": [], "c": []}
        self._settings = settings
        self.lab = self.follower = self.sampler = None
        self.broken = False  # a test failed: make it anew
        self.began = time.monotonic()
        self.marks = []
        self.acknowledged = {}  # setting -> value that clusterctl called done
        self.added = set()  # VMs that clusterctl called added
        self._usual = {}  # settings that a test changed: what they were
        self._stopped = []  # (node, unit, pid) under SIGSTOP
        self._device_is_usual = True

    # -- the module --

    def up(self):
        build.install_packages(["build", "run"])
        Lab.down(self.name)
        wanted = lab_settings.Settings(name=self.name, **self._settings)
        self.lab = Lab.up(wanted, os.environ.get("CLUSTERD_TEST_BUILD") or build.compile_release())
        self.follower, self.sampler = console.Follower(self.lab), sampler.Sampler(self.lab)
        self.follower.start()
        self.sampler.start()
        self.acknowledged, self.added, self._usual, self._stopped = {}, set(), {}, []
        self._device_is_usual = True
        self.broken = False
        self.began = time.monotonic()
        for name, options in self.guest_options.items():
            self.add_guest(name, *options)
        self.every_vm_runs()

    def down(self):
        for witness in (self.follower, self.sampler):
            if witness:
                witness.stop()
        self.follower = self.sampler = None
        Lab.down(self.name)

    def reset(self):
        """Before each test: everything that the one before it did is mended."""
        if self.lab is None or self.broken:
            self.down()
            self.up()
        self.marks = []
        self.began = time.monotonic()
        if not self._rested():
            self.repair()
        self.mark("the story begins")

    def _rested(self):
        with contextlib.suppress(Exception):
            return (self._device_is_usual and not self._stopped and not self._usual and self.reachable() == self.nodes
                    and all(node["state"] == "online" for node in self.status()["nodes"]) and self.volumes_are_ok()
                    and self.status_lies() == [] and self.not_running() == [])
        return False

    def repair(self):
        """Power, network, storage and daemons as they should be; then waits until the cluster is at rest."""
        self.mark("everything is repaired")
        for node, unit, pid in self._stopped:
            self._signal(node, pid, signal.SIGCONT, unit, quiet=True)
        self._stopped = []
        for node, state in self.lab.describe().items():
            if state["frozen"]:
                self.lab.thaw(node)
        self.lab.heal()
        for node, state in self.lab.describe().items():
            if state["power"] == "off":
                self.lab.power_on(node)
            elif state["storage"] != "ok":
                self.lab.resume_storage(node)
        for node in self.nodes:
            for unit, what in self.lab.units(node).items():
                if not what["wanted"]:
                    self.lab.ask_init(node, {"start": unit})
        self.lab.wait_for_nodes()
        self.lab.wait_usable()
        self.until("every node has proved its volumes", self.volumes_are_ok)
        for node in self.status()["nodes"]:
            if node["state"] in ("drained", "draining"):
                self.ctl("node", "resume", node["name"])
        if not self._device_is_usual:
            self.set_fence_device()
        for key, value in list(self._usual.items()):
            assert self.config(key, value).returncode == 0
            del self._usual[key]
        self.every_vm_runs()

    # -- asking --

    @property
    def nodes(self):
        return self.lab.settings.node_names

    def reachable(self, *avoid):
        """Nodes that are on, connected and not frozen."""
        return [node for node, state in self.lab.describe().items()
                if state["power"] == "on" and not state["frozen"] and state["network"] == "up" and node not in avoid]

    def node(self, *avoid):
        found = self.reachable(*avoid)
        assert found, "no node of the lab is left that could be asked"
        return found[0]

    def try_ctl(self, *words, via=None, timeout_s=PATIENCE_S):
        """clusterctl on a node; returns subprocess.CompletedProcess. Its own --timeout ends it."""
        return self.lab.run(via or self.node(), ["clusterctl", *words, "--timeout", f"{timeout_s}s"], timeout_s=timeout_s + 15)

    def ctl(self, *words, via=None, timeout_s=PATIENCE_S):
        done = self.try_ctl(*words, via=via, timeout_s=timeout_s)
        assert done.returncode == 0, f"clusterctl {' '.join(words)} ended with {done.returncode}: {done.stderr or done.stdout}"
        return done.stdout

    def ask(self, *words, via=None):
        """What clusterctl --json says; None if it fails."""
        return self.lab.clusterctl_json(via or self.node(), *words)

    def status(self, via=None):
        """What `status` says on a node. By default a node that may act is asked: another one may not know the latest."""
        nothing = {"usable": False, "quorate": False, "vms": [], "nodes": [], "problems": [], "operations": [], "coordinator": None}
        for node in [via] if via else self.reachable():
            said = self.ask("status", via=node)
            if said and (via or said["usable"]):
                return said
        return nothing

    def vm(self, name, via=None):
        return next((vm for vm in self.status(via)["vms"] if vm["name"] == name), {"state": None, "owner": None})

    def node_state(self, node, via=None):
        return next((entry["state"] for entry in self.status(via)["nodes"] if entry["name"] == node), None)

    def volumes_are_ok(self):
        """On all nodes: each has seen the others' heartbeats move, which takes a second or two after it came."""
        rows = [node for node in self.status()["nodes"] if node["name"] in self.nodes]
        return all(state == "ok" for node in rows for state in node["volumes"].values())

    def setting(self, key, via=None):
        answer = self.ask("config", "get", key, via=via)
        return answer["value"] if answer else None

    def coordinator(self):
        return self.status()["coordinator"]

    def problem(self, *words, via=None):
        """The first line of `status` about something wrong that holds all these words; None if there is none."""
        for entry in self.status(via)["problems"]:
            text = " ".join(str(entry.get(key, "")) for key in ("what", "why", "todo"))
            if all(word in text for word in words):
                return text
        return None

    def events(self, via=None):
        """This story's events, oldest first."""
        answer = self.ask("event", "list", "--limit", "400", via=via) or {"events": []}
        since = time.time() - (time.monotonic() - self.began)
        rows = answer if isinstance(answer, list) else answer.get("events", [])
        return [row for row in rows if row["time_ms"] >= since * 1000 - 5]

    def fencings(self, node=None, since=None):
        """What was asked of the power controller in this story: [{"t", "from", "op", "node", "answer"}]"""
        since = self.began if since is None else since
        return [row for row in trace.power_journal(self.lab, since)
                if row["op"] == "off" and node in (None, row["node"])]

    # -- witnesses --

    def where(self):
        """VM -> node, by the QEMU processes."""
        return {qemu.name: qemu.node for qemu in self.sampler.alive()}

    def on(self, node):
        return sorted(name for name, at in self.where().items() if at == node)

    def qemu(self, name):
        """The one QEMU of a VM."""
        alive = self.sampler.alive(name)
        assert len(alive) == 1, f"{name} has {len(alive)} QEMU processes"
        return alive[0]

    def qemus(self, name, since=None):
        """All QEMUs of a VM that were first seen in this story (or since a moment), in order."""
        since = self.began if since is None else since
        return sorted((qemu for qemu in self.sampler.qemus if qemu.name == name and qemu.first_seen > since),
                      key=lambda qemu: qemu.first_seen)

    def boots(self, name, since=None):
        since = self.began if since is None else since
        return [at for at in self.follower.track(name).boot_times if at > since]

    # -- waiting --

    def until(self, what, condition, timeout_s=PATIENCE_S):
        """Waits for a condition; a failure says what did not happen. Returns what the condition said."""
        deadline = time.monotonic() + timeout_s
        while True:
            said = condition()
            if said:
                self.mark(f"so it is: {what}")
                return said
            assert time.monotonic() < deadline, f"not within {timeout_s} s: {what}"
            time.sleep(LOOK_S)

    def runs_again(self, name, since, timeout_s=PATIENCE_S):
        """Waits for the first boot of a VM after a moment, and for ticks after it; returns when that boot was."""
        track = self.follower.track(name)
        assert self.follower.wait(lambda: any(at > since for at in track.boot_times), timeout_s), \
            f"{name} did not run again within {timeout_s} s"
        boot = min(at for at in track.boot_times if at > since)
        assert self.follower.wait_ticks(name, 2, since=boot, timeout_s=timeout_s), f"{name} booted, but does not count"
        self.mark(f"{name} runs again on {self.where().get(name)}")
        return boot

    def goes_on(self, name, since, longest_s, timeout_s=PATIENCE_S):
        """A VM ran through: same guest, no boot, no longer pause than this."""
        assert self.follower.wait_ticks(name, 2, timeout_s=timeout_s), f"{name} does not count any more"
        assert not self.boots(name, since), f"{name} booted anew"
        gap, at = self.follower.track(name).longest_gap(since)
        assert gap <= longest_s, f"{name} stood still for {gap:.2f} s from {at - self.began:.2f} s on"

    # -- doing --

    def mark(self, text):
        self.marks.append((time.monotonic(), text))

    def add_guest(self, name, *options, via=None, **more):
        """Gives a new guest to the cluster, which starts it."""
        path = guests.write(self.lab, guests.Guest(name, **more))
        self.ctl("vm", "add", path, "--start", *options, via=via)
        self.added.add(name)
        return path

    def remove(self, name):
        """Stops a VM and forgets it."""
        self.ctl("vm", "stop", name, "--force")
        self.ctl("vm", "remove", name, "--yes")
        self.added.discard(name)
        shutil.rmtree(self.lab.volume_path(name), ignore_errors=True)

    def place(self, **wanted):
        """place(a="n1", b="n2"): moves VMs live until they are there."""
        for name, node in wanted.items():
            if self.where().get(name) != node:
                self.ctl("vm", "move", name, "--to", node, "--live")
        self.until("the VMs are placed: " + ", ".join(f"{name} on {node}" for name, node in wanted.items()),
                   lambda: all(self.where().get(name) == node for name, node in wanted.items()))
        self.at_rest()
        self.began = time.monotonic()

    def config(self, key, value, via=None, usual=None):
        """config set. Once it was answered, it must be kept. usual: what the next test finds."""
        done = self.try_ctl("config", "set", key, str(value), via=via)
        if done.returncode == 0:
            self.acknowledged[key] = str(value)
            if usual is not None:
                self._usual[key] = str(usual)
        return done

    def set_fence_device(self, *params):
        """Replaces all fence devices by one with these parameters besides the plug; None takes them away."""
        for device in self.ask("fence-device", "list")["devices"]:
            self.ctl("fence-device", "remove", device["name"])
        if params != (None,):
            words = [word for param in ("plug={node}", *params) for word in ("--param", param)]
            self.ctl("fence-device", "add", DEVICE, "--agent", "fence_lab", *words)
        self._device_is_usual = not params

    def add_fence_device(self, name, node, *params):
        """One more, for that node; it is tried before the lab's own. The next test does not find it."""
        words = [word for param in params for word in ("--param", param)]
        self.ctl("fence-device", "add", name, "--agent", "fence_lab", "--node", node, *words)
        self._device_is_usual = False

    def power_off(self, node):
        self.mark(f"power cut of {node}")
        struck = time.monotonic()
        self.lab.power_off(node)
        return struck

    def power_off_all(self):
        """All at once, as when the building's power fails."""
        self.mark("power cut of all nodes")
        struck = time.monotonic()
        with concurrent.futures.ThreadPoolExecutor(len(self.nodes)) as pool:
            list(pool.map(self.lab.power_off, self.nodes))
        return struck

    def power_on(self, node):
        self.mark(f"{node} is powered on")
        self.lab.power_on(node)

    def cut(self, node):
        self.mark(f"network cut of {node}")
        struck = time.monotonic()
        self.lab.cut(node)
        return struck

    def freeze(self, node):
        self.mark(f"{node} is frozen")
        struck = time.monotonic()
        self.lab.freeze(node)
        return struck

    def thaw(self, node):
        self.mark(f"{node} is thawed")
        self.lab.thaw(node)

    def heal(self, node=None):
        self.mark(f"the network of {node or 'all'} is healed")
        self.lab.heal(node)

    def partition(self, *parts):
        self.mark("partition " + " / ".join(",".join(part) for part in parts))
        struck = time.monotonic()
        self.lab.partition(list(parts))
        return struck

    def unit_pid(self, node, unit):
        return self.lab.units(node)[unit]["pid"]

    def kill(self, node, unit):
        """kill -9 of a daemon; its init starts it again. Returns when."""
        pid = self.unit_pid(node, unit)
        struck = time.monotonic()
        self._signal(node, pid, signal.SIGKILL, unit)
        return struck

    def stop(self, node, unit):
        """SIGSTOP of a daemon."""
        pid = self.unit_pid(node, unit)
        struck = time.monotonic()
        self._signal(node, pid, signal.SIGSTOP, unit)
        self._stopped.append((node, unit, pid))
        return struck

    def go_on(self, node, unit):
        """SIGCONT of what stop() stopped."""
        for entry in [entry for entry in self._stopped if entry[:2] == (node, unit)]:
            self._signal(*entry[:1], entry[2], signal.SIGCONT, unit)
            self._stopped.remove(entry)

    def _signal(self, node, pid, number, unit, quiet=False):
        self.mark(f"{signal.Signals(number).name} to {unit} (pid {pid}) on {node}")
        with contextlib.suppress(Exception) if quiet else contextlib.nullcontext():
            self.lab.check(node, ["kill", f"-{int(number)}", str(pid)])

    def trace(self):
        return trace.render(self)
