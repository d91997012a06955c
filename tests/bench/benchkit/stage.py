# SPDX-License-Identifier: GPL-2.0-or-later
"""A lab for a measurement, with guests where it wants them, and what all measurements do alike: options, going down, output."""

import argparse
import contextlib
import json
import os
import signal
import sys
import time

from labkit import build, console, errors, guests, sampler, settings as lab_settings
from labkit.lab import Lab

SETTLE_S = 120
LOOK_S = 0.05
TICK_MS = 100


def parser(description, runs):
    options = argparse.ArgumentParser(description=description)
    options.add_argument("--json", action="store_true", help="JSON on standard output; the table goes to standard error")
    options.add_argument("--runs", type=int, default=runs, metavar="N", help=f"measurements of each kind (default {runs})")
    options.add_argument("--build-dir", metavar="DIR", help="measure this build (default: build/release, built when needed)")
    options.add_argument("--calm", type=float, metavar="PERCENT",
                         help="before each run wait until others use less than this of the processors (at most 2 minutes)")
    options.add_argument("--lab", default="bench", metavar="NAME", help="name of the lab (default: bench)")
    return options


def say(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


def main(run, options):
    """Runs a measurement: run(options) -> (result, lines of text). Ends well on ctrl-C."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    try:
        options.build_dir = options.build_dir or os.environ.get("CLUSTERD_TEST_BUILD") or build.compile_release()
        result, lines = run(options)
    except (errors.LabError, AssertionError) as error:
        say(f"failed: {error}")
        return 1
    except KeyboardInterrupt:
        say("interrupted")
        return 130
    print("\n".join(lines), file=sys.stderr if options.json else sys.stdout, flush=True)
    if options.json:
        print(json.dumps(result))
    return 0


class Stage:
    """A lab that is up, its witnesses, and the guests on it."""

    def __init__(self, lab, follower, watch):
        self.lab = lab
        self.follower = follower
        self.watch = watch
        self.names = []

    def ctl(self, *words, via=None, timeout_s=SETTLE_S):
        return self.lab.check(via or self.lab.settings.node_names[0], ["clusterctl", *words, "--timeout", str(timeout_s)],
                              timeout_s=timeout_s + 15)

    def status(self, via=None):
        return self.lab.clusterctl_json(via or self.lab.settings.node_names[0], "status") or {}

    def where(self):
        return {qemu.name: qemu.node for qemu in self.watch.alive()}

    def add_guests(self, count, **more):
        for i in range(1, count + 1):
            name = f"g{i}"
            guests.add(self.lab, guests.Guest(name, **more))
            self.names.append(name)
        self.rest()

    def until(self, what, condition, timeout_s=SETTLE_S):
        deadline = time.monotonic() + timeout_s
        while not condition():
            if time.monotonic() > deadline:
                raise errors.LabError(f"not within {timeout_s} s: {what}")
            time.sleep(LOOK_S)

    def rest(self):
        """All guests count, nothing is under way, and the cluster says so."""
        def quiet():
            status = self.status()
            return (status.get("usable") and not status.get("operations")
                    and all(vm["state"] == "running" for vm in status["vms"])
                    and all(node["state"] == "online" for node in status["nodes"])
                    and all(state == "ok" for node in status["nodes"] for state in node["volumes"].values())
                    and set(self.names) <= set(self.where()))
        self.until("the cluster is at rest", quiet)
        now = time.monotonic()
        for name in self.names:
            if not self.follower.wait_ticks(name, 3, since=now, timeout_s=SETTLE_S):
                raise errors.LabError(f"guest {name} does not count")

    def steady(self, names):
        """The guests count."""
        now = time.monotonic()
        for name in names:
            if not self.follower.wait_ticks(name, 5, since=now):
                raise errors.LabError(f"guest {name} does not count")

    def blackouts(self, names, began):
        """VM -> ms that it stood still since then: between two of its ten lines a second, less the 100 ms that lie between them
        anyway. Waits for three ticks of each first."""
        now = time.monotonic()
        found = {}
        for name in names:
            if not self.follower.wait_ticks(name, 3, since=now):
                raise errors.LabError(f"guest {name} does not count after its move")
            gap, _ = self.follower.track(name).longest_gap(began, now)
            found[name] = round(max(0.0, gap * 1000 - TICK_MS), 1)
        return found

    def slow_cables(self, nodes, mibps):
        """From now on each of the nodes sends no more than that."""
        for node in nodes:
            self.lab.check(node, ["tc", "qdisc", "add", "dev", "eth0", "root", "tbf", "rate", f"{mibps * 8 * 1024 * 1024}",
                                  "burst", "256k", "latency", "5ms"])

    def place(self, wanted):
        """Moves guests, two at a time as clusterd does it, until each is where it is wanted."""
        moving = [name for name, node in wanted.items() if self.where().get(name) != node]
        for name in moving:
            self.ctl("vm", "move", name, "--to", wanted[name], "--no-wait")
        self.until("the guests are where they are to be",
                   lambda: all(self.where().get(name) == node for name, node in wanted.items()))
        self.rest()


@contextlib.contextmanager
def stage(options, sample_s=0.02, **settings):
    """A lab with nothing on it, taken down at the end whatever happens."""
    Lab.down(options.lab)
    try:
        lab = Lab.up(lab_settings.Settings(name=options.lab, **settings), options.build_dir, say)
        with console.Follower(lab) as follower, sampler.Sampler(lab, sample_s) as watch:
            at = Stage(lab, follower, watch)
            try:
                yield at
            except (errors.LabError, AssertionError):
                _show(at)  # before it is taken down
                raise
    finally:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        Lab.down(options.lab)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))


def _show(at):
    for node in at.lab.settings.node_names:
        with contextlib.suppress(errors.LabError):
            say(f"status on {node}:\n{at.lab.run(node, ['clusterctl', 'status', '--timeout', '5']).stdout}")
        with contextlib.suppress(OSError), open(at.lab.settings.path("nodes", node, "var", "log", "clusterd.log"),
                                                encoding="utf-8", errors="replace") as file:
            print(*file.read().splitlines()[-25:], sep="\n", file=sys.stderr)
    say(f"QEMUs: {at.where()}")
