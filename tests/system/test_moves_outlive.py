# SPDX-License-Identifier: GPL-2.0-or-later
"""Moves whose clusterd dies or is restarted in the middle: libvirt goes on with what it was told, the agent sees it through, and
the next clusterd finds the guest as it was, with its memory."""

import os

import pytest

from support.cluster import Cluster
from support.marks import seldom

CLUSTER = Cluster("sysoutlive", {"a": [], "c": ["--possible", "n3"]}, nodes=3, memory_mb=1000)

BLACKOUT_S = 5
# So slow that clusterd dies in the middle of it (a guest has some 40 MB to send).
SLOW_MBPS = 60


def nonces(cluster, name):
    return list(cluster.follower.track(name).said.nonces)


def begin(cluster, *words):
    return cluster.ask("vm", "move", *words, "--no-wait")["operation"]


def ended(cluster, number):
    def state():
        return cluster.ask("operation", "show", str(number))["operation"]
    cluster.until(f"operation {number} has ended", lambda: state()["state"] != "running")
    return state()


def blow(cluster, how):
    """clusterd on n1 ends, and its init starts it again."""
    before = cluster.unit_pid("n1", "clusterd")
    if how == "kill":
        cluster.kill("n1", "clusterd")
    else:
        cluster.lab.check("n1", ["kill", str(before)])
    cluster.until("another clusterd is on n1", lambda: cluster.unit_pid("n1", "clusterd") not in (before, None, 0))


def remembers(cluster, name, before):
    """The guest is what it was: neither started anew nor put back to an older state."""
    said = cluster.follower.track(name).said
    assert said.nonces == before, f"{name} was started afresh"
    assert not said.repeated and not said.foreign and not said.trouble, said


@pytest.mark.parametrize("how", ["kill", "restart"])
def test_live_migration(cluster, how):
    cluster.place(a="n1", c="n3")
    before = nonces(cluster, "a")
    assert cluster.config("migrate_bandwidth_mbps", SLOW_MBPS, usual=0).returncode == 0
    number = begin(cluster, "a", "--to", "n2")
    cluster.until("a is on its way", lambda: len(cluster.sampler.alive("a")) == 2)
    blow(cluster, how)
    assert ended(cluster, number)["state"] == "done"
    assert cluster.where()["a"] == "n2" and cluster.vm("a")["owner"] == "n2"
    # Not as long as it takes until the next clusterd knows what is to be done.
    cluster.goes_on("a", cluster.began, BLACKOUT_S)
    remembers(cluster, "a", before)
    cluster.verdict()


def being_written(directory):
    """What of saved memory is there and not complete, by the word that libvirt begins it with."""
    found = []
    for name in os.listdir(directory):
        if name.endswith(".part"):
            with open(os.path.join(directory, name), "rb") as file:
                found += [name] if file.read(16) == b"LibvirtQemudPart" else []
    return found


@pytest.mark.parametrize("how", ["kill", seldom("restart")])
def test_quick_move(cluster, how):
    """The storage stands still while the memory is written, so that clusterd surely dies in the middle of it."""
    name = f"big-{how}"
    cluster.add_guest(name, memory_mb=500, dirty_mbps=100)
    cluster.follower.wait_ticks(name, 20)
    cluster.place(**{name: "n1"})
    before = nonces(cluster, name)
    directory = cluster.lab.volume_path(".clusterd")
    number = begin(cluster, name, "--to", "n2", "--quick")
    cluster.until(f"{name} is being saved", lambda: being_written(directory))
    cluster.lab.stall_storage("n1")
    try:
        assert being_written(directory), "it was saved too quickly"
        blow(cluster, how)
    finally:
        cluster.lab.resume_storage("n1")
    said = ended(cluster, number)
    cluster.until(f"{name} runs", lambda: cluster.vm(name)["state"] == "running")
    remembers(cluster, name, before)
    assert said["state"] == "done" and cluster.where()[name] == "n2", said
    cluster.goes_on(name, cluster.began, 60)
    cluster.until("nothing of its saved memory is left", lambda: not any("saved" in name for name in os.listdir(directory)))
    cluster.verdict()
    cluster.remove(name)


@pytest.mark.thorough
def test_six_at_once_both_ways(cluster):
    """Three from n1 to n2 and three from n2 to n1. All wait for their turn, and none meets itself on the way."""
    guests = {f"{node}{number}": (node, other) for node, other in (("n1", "n2"), ("n2", "n1")) for number in range(3)}
    for name, (node, _) in guests.items():
        cluster.add_guest(name, "--possible", "n1,n2", "--preferred", node)
    cluster.every_vm_runs()
    cluster.place(**{name: node for name, (node, _) in guests.items()})
    before = {name: nonces(cluster, name) for name in guests}
    operations = [begin(cluster, name, "--to", other, "--live") for name, (_, other) in guests.items()]
    assert [ended(cluster, number)["state"] for number in operations] == ["done"] * len(guests)
    assert {name: cluster.where()[name] for name in guests} == {name: other for name, (_, other) in guests.items()}
    for name, known in before.items():
        remembers(cluster, name, known)
    cluster.verdict()
    for name in guests:
        cluster.remove(name)
