# SPDX-License-Identifier: GPL-2.0-or-later
"""Daemons die or hang on a node that lives. VMs are not theirs: they run on, unless nobody can answer for them any more."""

import time

import pytest

from support.cluster import Cluster
from support.marks import seldom

CLUSTER = Cluster("sysdaemon", nodes=3)
VMS = ("a", "b", "c")


def spread(cluster):
    cluster.place(a="n1", b="n2", c="n3")
    return {name: cluster.qemu(name).pid for name in VMS}


def untouched(cluster, before, since, longest_s=3):
    """The same QEMUs, no boot, no long pause, nobody fenced."""
    assert {name: cluster.qemu(name).pid for name in VMS} == before
    for name in VMS:
        cluster.goes_on(name, since, longest_s)
    assert not cluster.fencings(since=since)


def online_again(cluster, node, since_events=("node-online",)):
    """The node's clusterd, a new one, is online: an event of this story tells."""
    def seen():
        kinds = [row["kind"] for row in cluster.events() if row["subject"] == node]
        return all(kind in kinds for kind in since_events) and cluster.node_state(node) == "online"
    cluster.until(f"{node} is online again", seen)


@pytest.mark.parametrize("node", ["n1", seldom("n3")])
def test_kill_of_clusterd(cluster, node):
    """Of the coordinator's and of another's: its VMs are adopted as they run."""
    before = spread(cluster)
    assert cluster.config("restart_period_ms", 600001, via=node).returncode == 0
    struck = cluster.kill(node, "clusterd")
    online_again(cluster, node)
    untouched(cluster, before, struck)
    cluster.verdict()


def test_a_node_that_moves_vms_in_clear_text(cluster):
    """`status` warns of it on every node, for as long as it is so."""
    before = spread(cluster)
    path = cluster.lab.settings.path("nodes", "n2", "etc/clusterd/clusterd.conf")
    with open(path, encoding="utf-8") as file:
        usual = file.read()
    for text, warned in ((usual.replace("[clusterd]", "[clusterd]\nmigrate_uri = qemu+tcp://%s/system"), True), (usual, False)):
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        struck = cluster.kill("n2", "clusterd")
        for node in cluster.nodes:
            cluster.until(f"{node} {'warns' if warned else 'warns no more'}", lambda node=node, warned=warned: cluster.node_state("n2", node) == "online" and bool(
                cluster.problem("migrate_uri is qemu+tcp on n2", "guest memory", "clusterd.conf on n2", via=node)) is warned)
        untouched(cluster, before, struck)
    cluster.verdict()


def test_kill_of_all_clusterds(cluster):
    """At once: the cluster forms anew from what is on disk, and adopts all VMs."""
    before = spread(cluster)
    assert cluster.config("restart_period_ms", 600002).returncode == 0
    struck = time.monotonic()
    for node in cluster.nodes:
        cluster.kill(node, "clusterd")
    for node in cluster.nodes:
        online_again(cluster, node)
    untouched(cluster, before, struck)
    cluster.verdict()


def test_kill_of_clusterd_during_a_migration(cluster):
    """Its agent dies with it, libvirt's migration may not: one copy runs in the end, the same guest."""
    spread(cluster)
    struck = time.monotonic()
    cluster.ctl("vm", "move", "c", "--to", "n2", "--live", "--no-wait")
    cluster.until("c is on its way", lambda: cluster.qemus("c", struck))
    cluster.kill("n3", "clusterd")
    online_again(cluster, "n3")
    cluster.at_rest()
    cluster.verdict()
    cluster.goes_on("c", struck, longest_s=10)


@pytest.mark.parametrize("node", ["n1", seldom("n3")])
def test_kill_of_corosync(cluster, node):
    """A new corosync is back before anybody has missed the node: another view, and no VM is touched."""
    before = spread(cluster)
    assert cluster.config("restart_period_ms", 600003, via=node).returncode == 0
    pid = cluster.unit_pid(node, "corosync")
    struck = cluster.kill(node, "corosync")
    cluster.until("corosync is back", lambda: cluster.unit_pid(node, "corosync") not in (None, pid))
    cluster.until("a new view has formed", lambda: any(row["kind"] == "view" for row in cluster.events(via=node)))
    untouched(cluster, before, struck)
    cluster.verdict()


def test_kill_of_libvirtd(cluster):
    """QEMU runs on without it; the new libvirtd finds it."""
    before = spread(cluster)
    pid = cluster.unit_pid("n3", "libvirtd")
    struck = cluster.kill("n3", "libvirtd")
    cluster.until("libvirtd is back", lambda: cluster.unit_pid("n3", "libvirtd") not in (None, pid))
    cluster.lab.ask_init("n3", {"wait": "libvirtd"})
    untouched(cluster, before, struck)
    cluster.ctl("vm", "move", "c", "--to", "n2", "--live")
    assert cluster.where()["c"] == "n2"
    cluster.goes_on("c", struck, longest_s=3)
    cluster.verdict()


def test_clusterd_hangs_for_three_seconds(cluster):
    """Not long enough to be dead: nothing happens to its VM."""
    before = spread(cluster)
    struck = cluster.stop("n3", "clusterd")
    cluster.until("three seconds have passed", lambda: time.monotonic() > struck + 3)
    cluster.go_on("n3", "clusterd")
    cluster.until("n3 answers for itself", lambda: cluster.status("n3")["usable"])
    untouched(cluster, before, struck)
    cluster.verdict()


@pytest.mark.parametrize("node", ["n1", seldom("n3")])
def test_clusterd_hangs_for_good(cluster, node):
    """Nobody answers for its VM: the node is fenced or its watchdog cuts it, then the VM runs elsewhere."""
    spread(cluster)
    name = "a" if node == "n1" else "c"
    struck = cluster.stop(node, "clusterd")
    cluster.runs_again(name, struck)
    assert cluster.where()[name] != node
    assert cluster.lab.describe()[node]["power"] == "off"
    cluster.verdict()


def test_a_second_silence_gets_its_full_time(cluster):
    """No fence device. Its clusterd was away once before: that must not count towards the watchdog's deadline now."""
    cluster.set_fence_device(None)
    spread(cluster)
    cluster.kill("n1", "clusterd")
    online_again(cluster, "n1")
    struck = cluster.stop("n1", "clusterd")
    cluster.runs_again("a", struck)
    began = cluster.qemus("a", struck)[0].first_seen
    # Left out of the view 4 s after its last word, which was up to a second before it stopped; then self_fence_ms.
    assert began - struck > 4 - 1 + 10 - 0.5, f"a was launched {began - struck:.2f} s after clusterd on n1 stopped"
    cluster.verdict()
