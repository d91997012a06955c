# SPDX-License-Identifier: GPL-2.0-or-later
"""What must be true at the end of every story, whatever was done to the cluster. The witnesses are the QEMU processes and the
guests' own consoles and disks; what clusterctl says is held against them."""

import time

from labkit import guests

TRUTH_S = 30
HERE = ("online", "drained", "draining")
GONE = ("fenced", "offline", "lost", "fencing", "silent")


class Verdict:
    """The part of Cluster (cluster.py) that judges."""

    def verdict(self):
        """All of it. At the end of a story, when everything that a test broke is mended or its VMs run elsewhere."""
        self.every_vm_runs()
        self.status_tells_truth()
        self.acknowledged_kept()
        self.no_vm_twice()
        self.no_write_lost()

    def no_vm_twice(self):
        """No two QEMUs of a VM at any time, but for a migration's; and no guest ever saw a second writer."""
        doubles = [pair for pair in self.sampler.doubles if pair.last_seen > self.began]
        assert not doubles, "two copies ran: " + "; ".join(
            f"{pair.name} on {pair.older.node} and {pair.younger.node} for {pair.seconds:.2f} s from "
            f"{pair.first_seen - self.began:.2f} s on" for pair in doubles)
        for name in self.added:
            foreign = self.follower.track(name).said.foreign
            assert not foreign, f"{name} saw another writer on its disk: {foreign[0]}"

    def no_write_lost(self):
        """What a guest called written is on its disk, and was found by each boot after it."""
        for name in sorted(self.added):
            said = self.follower.track(name).said
            assert not said.lost, f"{name} had {said.lost[0][0]} acknowledged, its next boot found {said.lost[0][1]}"
            assert not said.trouble, f"{name} had trouble with its disk: {said.trouble[0]}"
            promised = said.acknowledged
            disk = guests.read_disk(self.lab, name)
            assert disk.sequence >= promised, f"{name} has {disk.sequence} on its disk, but had {promised} acknowledged"

    def acknowledged_kept(self, nodes=None):
        """Every change that clusterctl called done is known to each of these nodes (default: all that can be reached)."""
        for node in nodes or self.reachable():
            for key, value in self.acknowledged.items():
                self.until(f"{node} knows {key} = {value}", lambda node=node, key=key, value=value: self.setting(key, via=node) == value,
                           TRUTH_S)
            self.until(f"{node} knows all VMs",
                       lambda node=node: self.added <= {vm["name"] for vm in self.status(via=node)["vms"]}, TRUTH_S)

    def every_vm_runs(self, names=None, timeout_s=90):
        """One QEMU each, counting, and clusterctl says so too."""
        names = sorted(names or self.added)
        self.until("every VM runs: " + " ".join(names), lambda: self.not_running(names) == [], timeout_s)
        now = time.monotonic()
        for name in names:
            assert self.follower.wait_ticks(name, 2, since=now, timeout_s=timeout_s), f"{name} does not count"

    def not_running(self, names=None):
        names = sorted(names or self.added)
        status = {vm["name"]: vm for vm in self.status()["vms"]}
        alive = [qemu.name for qemu in self.sampler.alive()]
        return [name for name in names if alive.count(name) != 1 or status.get(name, {}).get("state") != "running"]

    def at_rest(self):
        """Nothing is under way."""
        self.until("the cluster is at rest", lambda: self.status_lies() == [] and not self.status()["operations"])

    def status_tells_truth(self, nodes=None):
        """Each of these nodes (default: all that can be reached) says what is so, within a while: a report may be on its way."""
        deadline = time.monotonic() + TRUTH_S
        while True:
            lies = self.status_lies(nodes)
            if not lies:
                self.mark("so it is: status tells the truth")
                return
            assert time.monotonic() < deadline, "status does not tell the truth:\n  " + "\n  ".join(lies)
            time.sleep(0.2)

    def status_lies(self, nodes=None):
        """What is not as `status` says, one line each."""
        lab = self.lab.describe()
        lies = []
        for node in nodes or self.reachable():
            status = self.status(via=node)
            if not status["usable"]:
                lies.append(f"{node}: its view is not usable")
                continue
            lies += [f"{node} says: {lie}" for lie in self._vm_lies(status) + self._node_lies(status, lab)]
            healthy = all(state["power"] == "on" and state["network"] == "up" and not state["frozen"] for state in lab.values())
            if healthy and not lies:
                lies += [f"{node} has a problem: {entry}" for entry in status["problems"]]
        return lies

    def _vm_lies(self, status):
        where = {}
        for qemu in self.sampler.alive():
            where.setdefault(qemu.name, []).append(qemu.node)
        lies = []
        for vm in status["vms"]:
            found = where.pop(vm["name"], [])
            if vm["state"] == "running" and found != [vm["owner"]]:
                lies.append(f"{vm['name']} runs on {vm['owner']}; its QEMUs are on {found}")
            elif vm["state"] in ("off", "blocked", "failed", "saved") and found:
                lies.append(f"{vm['name']} is {vm['state']}; its QEMUs are on {found}")
        return lies + [f"nothing of {name}; its QEMUs are on {found}" for name, found in where.items()]

    @staticmethod
    def _node_lies(status, lab):
        lies = []
        for entry in status["nodes"]:
            # A node that only corosync.conf knows (test_corosync_conf.py) is as one that is off.
            state = lab.get(entry["name"], {"power": "off", "network": "down", "frozen": False})
            there = state["power"] == "on" and state["network"] == "up" and not state["frozen"]
            if entry["state"] not in (HERE if there else GONE):
                lies.append(f"{entry['name']} is {entry['state']}; its power is {state['power']}, its network {state['network']}")
        return lies
