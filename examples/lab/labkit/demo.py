# SPDX-License-Identifier: GPL-2.0-or-later
"""The demonstration: three nodes, six guests, and what can befall them. Every figure it prints is measured.

Witnesses are the guests themselves (their consoles, stamped with the host's clock; their disks) and the list of QEMU
processes. clusterctl is asked only to do things and to say when it is done.
"""

import contextlib
import json
import os
import shutil
import signal
import sys
import textwrap
import time

from . import build, console, errors, guests, sampler, settings as lab_settings
from .lab import Lab

NODES = 3
LOG_LINES = 40  # of each log, if something was not so
GUESTS = [f"web{i}" for i in range(1, 7)]
STEP_TIMEOUT_S = 60


class Timeline:
    """What happened when: lines for a person, as wide as his terminal, or one JSON object per line."""

    def __init__(self, as_json):
        self._as_json = as_json
        self._began = time.monotonic()
        self._color = not as_json and sys.stdout.isatty()
        self.faults = []

    def _now(self):
        return time.monotonic() - self._began

    def _show(self, indent, text, style=""):
        """A time, then the text; what does not fit goes on below it."""
        lead = f"{self._now():7.2f} s" + " " * indent
        lines = textwrap.wrap(text, shutil.get_terminal_size().columns - len(lead), break_on_hyphens=False) or [""]
        if style and self._color:
            lines = [f"\033[{style}m{line}\033[0m" for line in lines]
        print(lead + ("\n" + " " * len(lead)).join(lines), flush=True)

    def heading(self, text):
        if self._as_json:
            print(json.dumps({"t": round(self._now(), 3), "step": text}), flush=True)
        else:
            print()
            self._show(2, text, "1")

    def say(self, text, **facts):
        if self._as_json:
            print(json.dumps({"t": round(self._now(), 3), "what": text, **facts}), flush=True)
        else:
            self._show(4, text)

    def require(self, good, text, **facts):
        """A fact that must be true; if it is not, the demo goes on and fails at its end."""
        if good:
            self.say(text, ok=True, **facts)
            return
        self.faults.append(text)
        if self._as_json:
            print(json.dumps({"t": round(self._now(), 3), "what": text, "ok": False, **facts}), flush=True)
        else:
            self._show(4, f"NOT SO: {text}", "1;31")


class Demo:
    """The steps, in the order in which they are shown."""

    def __init__(self, lab, timeline, follower, watch):
        self.lab = lab
        self.line = timeline
        self.follower = follower
        self.watch = watch

    # -- asking --

    def node(self, *avoid):
        for name, state in self.lab.describe().items():
            if state["power"] == "on" and state["network"] == "up" and name not in avoid:
                return name
        raise errors.LabError("no node of the demo's lab is left that could be asked")

    def clusterctl(self, *words, via=None):
        return self.lab.check(via or self.node(), ["clusterctl", *words, "--timeout", str(STEP_TIMEOUT_S)],
                              timeout_s=STEP_TIMEOUT_S + 10)

    def status(self):
        return self.lab.clusterctl_json(self.node(), "status") or {"vms": [], "nodes": [], "operations": []}

    def where(self):
        """VM -> node, by the QEMU processes."""
        return {qemu.name: qemu.node for qemu in self.watch.alive()}

    def on(self, node):
        return sorted(name for name, at in self.where().items() if at == node)

    def explain(self):
        """After something that was not so: what the cluster itself says of it."""
        try:
            node = self.node()
        except errors.LabError as error:
            self.line.say(str(error))
            return
        for words in (("status",), ("event", "list", "--limit", "40")):
            done = self.lab.run(node, ["clusterctl", *words])
            for line in (done.stdout + done.stderr).splitlines():
                self.line.say(f"clusterctl {words[0]}: {line}")

    def settle(self, what, condition, timeout_s=STEP_TIMEOUT_S):
        """Waits for a state of the cluster; says so if it does not come."""
        deadline = time.monotonic() + timeout_s
        while not condition():
            if time.monotonic() > deadline:
                self.line.require(False, f"{what} within {timeout_s} s")
                self.explain()
                return False
            time.sleep(0.1)
        return True

    def all_settled(self):
        """All VMs run, one QEMU each, and nothing is under way."""
        status = self.status()
        states = [vm.get("state") for vm in status["vms"]]
        return (states == ["running"] * len(GUESTS) and not status.get("operations")
                and sorted(qemu.name for qemu in self.watch.alive()) == GUESTS)

    def spread(self):
        return ", ".join(f"{node}: {' '.join(self.on(node)) or '-'}" for node in self.lab.settings.node_names)

    # -- the steps --

    def start_guests(self):
        self.line.heading(f"{len(GUESTS)} guests are added to the cluster, which places and starts them")
        for name in GUESTS:
            # The disk of the one whose files move is its own: QEMU copies no disk that others may write to.
            guests.add(self.lab, guests.Guest(name, exclusive=name == GUESTS[0]))
        for name in GUESTS:
            if not self.follower.wait(lambda name=name: self.follower.track(name).tick_times, STEP_TIMEOUT_S):
                raise errors.LabError(f"guest {name} does not start; see: clusterctl status")
        self.settle("all guests run", self.all_settled)
        self.line.say("all guests count on their consoles and write to their disks", placement=self.where())
        self.line.say(self.spread())

    def moved_live(self, names, began):
        """All of these went on without a boot; prints how long each stood still."""
        for name in names:
            self.follower.wait_ticks(name, 2)
        for name in names:
            track = self.follower.track(name)
            gap, _ = track.longest_gap(began)
            boots = [at for at in track.boot_times if at > began]
            # Between two ticks lie 0.1 s when nothing happens; what is beyond is the time it stood still.
            stood_ms = max(0, round((gap - 0.1) * 1000))
            self.line.require(not boots, f"{name} is on {self.where().get(name)}; it was paused for {stood_ms} ms and did not restart",
                              vm=name, node=self.where().get(name), stood_still_ms=stood_ms)

    def drain(self, node):
        names = self.on(node)
        self.line.heading(f"node drain {node}: its guests ({' '.join(names)}) leave it live")
        began = time.monotonic()
        self.clusterctl("node", "drain", node)
        took = time.monotonic() - began
        self.line.require(self.on(node) == [], f"{node} is empty after {took:.2f} s", node=node, seconds=round(took, 3))
        self.moved_live(names, began)
        return names

    def resume(self, node, names):
        self.line.heading(f"node resume {node}: its guests come back")
        began = time.monotonic()
        self.clusterctl("node", "resume", node)
        self.settle(f"{' '.join(names)} are back on {node}", lambda: set(names) <= set(self.on(node)) and self.all_settled())
        self.line.say(f"{node} works again, {time.monotonic() - began:.2f} s; {self.spread()}", placement=self.where())
        self.moved_live(names, began)

    def move(self, name):
        source = self.where().get(name)
        self.line.heading(f"vm move {name} --best-node (it is on {source})")
        began = time.monotonic()
        self.clusterctl("vm", "move", name, "--best-node")
        took = time.monotonic() - began
        self.line.require(self.where().get(name) != source, f"{name} left {source} for the best node in {took:.2f} s",
                          vm=name, seconds=round(took, 3))
        self.moved_live([name], began)

    def move_files(self, name):
        """Its disk gets another place while it runs; what follows runs from there."""
        directory = f"{lab_settings.VOLUME_PATH}/fast"
        node = self.where().get(name)
        os.makedirs(self.lab.volume_path("fast"))
        self.line.heading(f"vm move {name} --storage {directory} (it goes on running on {node})")
        began = time.monotonic()
        self.clusterctl("vm", "move", name, "--storage", directory)
        took = time.monotonic() - began
        self.line.require(os.path.exists(self.lab.volume_path("fast", "disk.raw")) and self.where().get(name) == node,
                          f"{name} runs on {node} from its disk in {directory} after {took:.2f} s", vm=name, seconds=round(took, 3))
        if self.settle("the former disk is removed", lambda: not os.path.exists(self.lab.volume_path(name, "disk.raw"))):
            self.line.say("its former disk is removed")
        self.moved_live([name], began)

    def lose(self, node, what, strike):
        """Strikes a node; its guests must run again elsewhere, and must not run twice on the way."""
        names = self.on(node)
        others = [name for name in GUESTS if name not in names]
        self.line.heading(f"{what} of {node} (it runs {' '.join(names)})")
        acknowledged = {name: self.follower.track(name).said.acknowledged for name in names}
        boots = {name: len(self.follower.track(name).boot_times) for name in names}
        began = time.monotonic()
        strike(node)
        back = {}
        for name in names:
            track = self.follower.track(name)
            if self.follower.wait(lambda t=track, n=name: len(t.boot_times) > boots[n], STEP_TIMEOUT_S):
                back[name] = track.boot_times[boots[name]] - began
            launched = min((q.first_seen for q in self.watch.qemus if q.name == name and q.first_seen > began), default=began) - began
            self.line.require(name in back, f"{name} runs again on {self.where().get(name)}: QEMU {launched:.2f} s after the {what}, "
                              f"the guest is up after {back.get(name, 0):.2f} s", vm=name, node=self.where().get(name),
                              launched_s=round(launched, 3), up_s=round(back.get(name, 0), 3))
        if len(back) < len(names):
            self.explain()
        for name in names:
            said = self.follower.track(name).said
            self.line.require(not said.lost and said.acknowledged >= acknowledged[name],
                              f"{name} found all {acknowledged[name]} writes it had acknowledged", vm=name)
        for name in others:
            gap, _ = self.follower.track(name).longest_gap(began)
            self.line.require(gap < 2.0, f"{name} on {self.where().get(name)} went on (longest pause {gap:.2f} s)", vm=name,
                              longest_pause_s=round(gap, 3))

    def return_of(self, node):
        self.line.heading(f"{node} comes back")
        began = time.monotonic()
        self.lab.heal(node)
        self.lab.power_on(node)
        self.lab.wait_for_nodes()
        self.lab.wait_usable()
        self.line.say(f"{node} is a member again after {time.monotonic() - began:.2f} s", node=node)
        self.settle("the cluster is at rest", self.all_settled)
        self.line.say(self.spread(), placement=self.where())

    def verdict(self):
        self.line.heading("What the guests and the sampler saw")
        said = {name: console.read(self.lab, name) for name in GUESTS}
        writes = sum(entry.acknowledged for entry in said.values())
        self.line.require(not any(entry.lost for entry in said.values()), f"none of {writes} acknowledged writes was lost",
                          writes=writes)
        self.line.require(not any(entry.foreign for entry in said.values()), "no guest ever saw a second writer on its disk")
        self.line.require(not any(entry.trouble for entry in said.values()), "no guest saw an error of its disk")
        self.line.require(not self.watch.doubles, f"no VM ran twice in {self.watch.samples} looks at all QEMU processes "
                          f"({len(self.watch.qemus)} of them, {len(self.watch.migrations)} live migrations)",
                          qemus=len(self.watch.qemus), migrations=len(self.watch.migrations))

    def run(self):
        nodes = self.lab.settings.node_names
        self.start_guests()
        names = self.drain(nodes[0])
        self.resume(nodes[0], names)
        self.move(GUESTS[0])
        self.move_files(GUESTS[0])
        victim = max(nodes, key=lambda node: len(self.on(node)))
        self.lose(victim, "power cut", self.lab.power_off)
        self.return_of(victim)
        candidates = [node for node in nodes if node != victim and self.on(node)]
        if candidates:
            self.lose(candidates[-1], "network cut", self.lab.cut)
            self.return_of(candidates[-1])
        else:
            self.line.require(False, "a second node has guests to lose")
        self.verdict()


def run(options):
    timeline = Timeline(options.json)
    name = options.lab if options.lab != "lab" else "demo"
    try:
        _run(options, name, timeline)
    finally:
        # A second ctrl-C must not keep it from clearing up.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        if Lab.down(name):
            timeline.say("all nodes, guests and networks are removed")
    if timeline.faults:
        timeline.heading(f"{len(timeline.faults)} checks failed")
        return 1
    timeline.heading("All checks passed; nothing is left behind")
    return 0


def _run(options, name, timeline):
    timeline.heading("Packages and build")
    build.install_packages(["build", "run"])
    build_dir = options.build_dir or build.compile_release()
    Lab.down(name)
    timeline.heading(f"{NODES} nodes: corosync, libvirt, clusterd, one shared volume")
    # QEMU gives up when it copies a disk on a FUSE file system that passes its locks on (resource-agents/vm/file_locks.h).
    lab = Lab.up(lab_settings.Settings(name=name, nodes=NODES, shared_locks=False), build_dir)
    timeline.say("the cluster has quorum, all nodes see the same volume, and there is a fence device")
    with contextlib.ExitStack() as stack:
        follower = stack.enter_context(console.Follower(lab))
        watch = stack.enter_context(sampler.Sampler(lab))
        try:
            Demo(lab, timeline, follower, watch).run()
        except Exception:
            lab.show_logs(LOG_LINES)
            raise
        if timeline.faults:
            lab.show_logs(LOG_LINES)
