# SPDX-License-Identifier: GPL-2.0-or-later
"""Quick moves that something breaks in the middle: one copy runs, with its memory where it was saved to the end, and nothing of the
saved memory is left on the volume."""

import itertools
import os

import pytest

from support.cluster import Cluster
from support.marks import seldom

CLUSTER = Cluster("sysquick", {"a": ["--possible", "n3"]}, nodes=3, memory_mb=1000)

MEMORY_MB = 160
number = itertools.count()


def files(cluster):
    return [name for name in os.listdir(cluster.lab.volume_path(".clusterd")) if "saved" in name]


def begins_with(cluster, word, suffix):
    """A state file with that ending begins with libvirt's word for how far it is."""
    for name in files(cluster):
        if name.endswith(suffix) or (suffix == ".restoring-" and suffix in name):
            with open(cluster.lab.volume_path(".clusterd", name), "rb") as file:
                if file.read(16) == word:
                    return name
    return None


def is_being_saved(cluster):
    return begins_with(cluster, b"LibvirtQemudPart", ".part")


def is_being_restored(cluster):
    return begins_with(cluster, b"LibvirtQemudSave", ".restoring-")


def kill_agent(cluster, node, action):
    cluster.mark(f"the agent that does {action} on {node} is killed")
    cluster.lab.check(node, ["pkill", "-KILL", "-f", f"vm {action}$"])


def kill_libvirtd(cluster, node):
    cluster.kill(node, "libvirtd")


def kill_clusterd(cluster, node):
    before = cluster.unit_pid(node, "clusterd")
    cluster.kill(node, "clusterd")
    cluster.until(f"another clusterd is on {node}", lambda: cluster.unit_pid(node, "clusterd") not in (before, None, 0))


def guest(cluster):
    """A guest on n1 whose memory cannot be packed, so that saving and restoring it takes a while."""
    name = f"q{next(number)}"
    cluster.add_guest(name, "--possible", "n1,n2", "--preferred", "n1", memory_mb=MEMORY_MB, dirty_mbps=20)
    assert cluster.follower.wait_ticks(name, 5, timeout_s=180), f"{name} does not boot"
    assert cluster.where()[name] == "n1"
    return name, list(cluster.follower.track(name).said.nonces)


def begin(cluster, name):
    return cluster.ask("vm", "move", name, "--to", "n2", "--quick", "--no-wait")["operation"]


def has_ended(cluster, operation):
    said = cluster.ask("operation", "show", str(operation))  # None: that node's clusterd has just been killed
    return bool(said) and said["operation"]["state"] != "running"


def comes_to_rest(cluster, name, nonces, kept, operation):
    """The end of each story. kept: the guest goes on; else it is started afresh."""
    cluster.until(f"operation {operation} has ended", lambda: has_ended(cluster, operation), timeout_s=120)
    cluster.until(f"{name} runs", lambda: cluster.vm(name)["state"] == "running" and name in cluster.where(), timeout_s=120)
    assert cluster.follower.wait_ticks(name, 3, timeout_s=120), f"{name} does not count"
    said = cluster.follower.track(name).said
    if kept:
        assert said.nonces == nonces, f"{name} was started afresh"
    else:
        assert said.nonces[:-1] == nonces, f"{name} was to start afresh once"
    cluster.until("nothing of its saved memory is left", lambda: not files(cluster), timeout_s=120)
    for node in cluster.nodes:
        if cluster.lab.describe()[node]["power"] == "off":
            cluster.power_on(node)
    cluster.verdict()
    cluster.remove(name)


@pytest.mark.parametrize("what, kept", [seldom("agent", True), ("clusterd", True), seldom("target", True), ("source", False)])
def test_broken_while_it_is_saved(cluster, what, kept):
    name, nonces = guest(cluster)
    operation = begin(cluster, name)
    cluster.until(f"{name} is being saved", lambda: is_being_saved(cluster))
    cluster.lab.stall_storage("n1")
    assert is_being_saved(cluster), "it was saved too quickly"
    try:
        if what == "agent":
            kill_agent(cluster, "n1", "save")
        elif what == "clusterd":
            kill_clusterd(cluster, "n1")
        else:
            cluster.power_off("n2" if what == "target" else "n1")
    finally:
        if what != "source":
            cluster.lab.resume_storage("n1")
    if what == "target":
        cluster.until(f"{name} is saved", lambda: cluster.vm(name)["state"] in ("saved", "restoring", "running"))
    comes_to_rest(cluster, name, nonces, kept, operation)


@pytest.mark.parametrize("what", ["clusterd", seldom("target"), "source"])
def test_broken_between_save_and_restore(cluster, what):
    """The only target's libvirtd is away when the memory is saved, and comes when the damage is done."""
    name, nonces = guest(cluster)
    cluster.ctl("vm", "set", name, "--possible", "n2")
    operation = begin(cluster, name)
    cluster.until(f"{name} is being saved", lambda: is_being_saved(cluster))
    cluster.lab.ask_init("n2", {"stop": "libvirtd"})
    cluster.until(f"{name} is saved", lambda: cluster.vm(name)["state"] in ("saved", "blocked"))
    if what == "clusterd":
        kill_clusterd(cluster, "n1")
    else:
        cluster.power_off("n2" if what == "target" else "n1")
    if what == "target":
        cluster.until("n2 is fenced", lambda: cluster.node_state("n2") not in ("online", "lost", "fencing"))
        cluster.power_on("n2")
    else:
        cluster.lab.ask_init("n2", {"start": "libvirtd"})
    comes_to_rest(cluster, name, nonces, True, operation)


@pytest.mark.parametrize("what, kept", [seldom("agent", True), ("clusterd", True), seldom("source", True), ("target", False)])
def test_broken_while_it_is_restored(cluster, what, kept):
    name, nonces = guest(cluster)
    operation = begin(cluster, name)
    cluster.until(f"{name} is being restored", lambda: is_being_restored(cluster))
    cluster.lab.stall_storage("n2")
    try:
        if what == "agent":
            kill_agent(cluster, "n2", "restore")
        elif what == "clusterd":
            kill_clusterd(cluster, "n2")
        else:
            cluster.power_off("n2" if what == "target" else "n1")
    finally:
        if what != "target":
            cluster.lab.resume_storage("n2")
    comes_to_rest(cluster, name, nonces, kept, operation)


def test_a_vm_that_is_removed_leaves_nothing(cluster):
    """Its memory is discarded by force, and nobody can remove the file before the storage is back."""
    name, _ = guest(cluster)
    cluster.ctl("vm", "set", name, "--possible", "n2")
    begin(cluster, name)
    cluster.until(f"{name} is being saved", lambda: is_being_saved(cluster))
    cluster.lab.ask_init("n2", {"stop": "libvirtd"})
    cluster.until(f"{name} is saved", lambda: cluster.vm(name)["state"] in ("saved", "blocked"))
    cluster.ctl("vm", "stop", name, "--force")
    cluster.remove(name)
    cluster.until("nothing of its saved memory is left", lambda: not files(cluster))
    cluster.lab.ask_init("n2", {"start": "libvirtd"})
    cluster.verdict()
