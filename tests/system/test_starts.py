# SPDX-License-Identifier: GPL-2.0-or-later
"""VMs that cannot start where they should: on no node for a while, since somebody holds their disk; on one, since its libvirt is
down or hangs."""

import contextlib
import fcntl
import os
import struct
import time

import pytest

from support.cluster import Cluster
from support.marks import seldom

CLUSTER = Cluster("sysstart", {"a": [], "b": []}, nodes=3)

SOON_S = 15  # a node is lost, and its VM runs elsewhere: see test_failover.py
QUIET_S = 6  # so long is watched what must not happen
F_OFD_SETLK = 37
QEMU_LOCKS = [*range(100, 110), *range(200, 210)]  # bytes of an image that say who reads and writes it, and who must not


@contextlib.contextmanager
def locked(path):
    """Somebody holds QEMU's image locks, as a dead node does for a while on a network file system."""
    with open(path, "rb") as image:
        for byte in QEMU_LOCKS:
            fcntl.fcntl(image, F_OFD_SETLK, struct.pack("hhqqi4x", fcntl.F_RDLCK, os.SEEK_SET, byte, 1, 0))
        yield


def test_a_failover_is_tried_again_while_locks_of_the_dead_node_live_on(cluster):
    cluster.add_guest("locked", "--preferred", "n3", exclusive=True)
    try:
        cluster.until("it runs on n3", lambda: cluster.where().get("locked") == "n3")
        with locked(cluster.lab.volume_path("locked", "disk.raw")):
            struck = cluster.power_off("n3")
            said = cluster.until("both nodes have failed to start it", lambda: cluster.problem("VM locked does not run", "next try in"))
            assert "lock" in said and "clusterctl vm start locked" in said, said
            assert cluster.vm("locked")["state"] == "failed" and cluster.vm("locked")["retry_ms"] > 0
        cluster.runs_again("locked", struck)
        assert cluster.where()["locked"] != "n3"
        assert cluster.problem("VM locked") is None
        cluster.verdict()
    finally:
        cluster.remove("locked")


# -- a node whose libvirt does not answer --

def verdict_of(cluster, vm, node):
    answer = cluster.ask("vm", "explain", vm)
    return next(entry for entry in answer["nodes"] if entry["node"] == node)


def away(cluster, node):
    return cluster.problem(f"libvirt on {node} does not answer")


def takes_no_vm(cluster, node, lost, third, within_s):
    """The node whose libvirt was just taken away is named and left out; its VM a runs on; b of a lost node goes to the third."""
    struck = time.monotonic()
    said = cluster.until(f"status names {node}", lambda: away(cluster, node))
    assert time.monotonic() - struck < within_s, f"it took {time.monotonic() - struck:.1f} s"
    assert f"on {node}: systemctl status libvirtd" in said, said
    shown = next(entry for entry in cluster.status()["nodes"] if entry["name"] == node)
    assert shown["state"] == "online" and shown["libvirt"] and "libvirt does not answer" in shown["reason"], shown
    verdict = verdict_of(cluster, "b", node)
    assert not verdict["possible"] and "hypervisor" in verdict["reason"], verdict
    struck = cluster.power_off(lost)
    began = cluster.until("b is launched again", lambda: cluster.qemus("b", struck))[0]
    assert began.node == third and began.first_seen - struck < SOON_S, f"{began.node}, {began.first_seen - struck:.1f} s after the blow"
    cluster.runs_again("b", struck)
    cluster.goes_on("a", struck, longest_s=3)
    assert not cluster.fencings(node)


@pytest.mark.parametrize("how", [seldom("down"), "hangs"])
def test_a_node_whose_libvirt_does_not_answer_takes_no_vm(cluster, how):
    cluster.place(a="n2", b="n1")
    if how == "down":
        cluster.lab.ask_init("n2", {"stop": "libvirtd"})
    else:
        cluster.stop("n2", "libvirtd")
    takes_no_vm(cluster, "n2", "n1", "n3", within_s=20)
    if how == "down":
        cluster.lab.ask_init("n2", {"start": "libvirtd"})
    else:
        cluster.go_on("n2", "libvirtd")
    cluster.until("n2 takes VMs again", lambda: away(cluster, "n2") is None)
    assert verdict_of(cluster, "b", "n2")["possible"]
    cluster.verdict()


def test_a_restart_of_libvirtd_is_nobodys_business(cluster):
    cluster.place(a="n2", b="n1")
    struck = cluster.kill("n2", "libvirtd")
    cluster.until("libvirtd answers again", lambda: cluster.lab.run("n2", ["virsh", "list"]).returncode == 0)
    assert not cluster.follower.wait(lambda: away(cluster, "n2"), QUIET_S), "a restart was told as a failure"
    assert not [row for row in cluster.events() if row["kind"] == "libvirt-away"]
    cluster.goes_on("a", struck, longest_s=3)
    cluster.verdict()


@pytest.mark.parametrize("how", [seldom("down"), "hangs"])
def test_a_start_that_never_reaches_libvirt_goes_elsewhere(cluster, how):
    """In the moments before the cluster knows that libvirt is away: nothing is asked, nobody is fenced."""
    cluster.place(a="n2", b="n1")
    cluster.ctl("vm", "stop", "a", "--force")
    cluster.ctl("vm", "set", "a", "--preferred", "n2")
    try:
        if how == "down":
            cluster.lab.ask_init("n2", {"stop": "libvirtd"})
        else:
            cluster.stop("n2", "libvirtd")
        struck = time.monotonic()
        cluster.ctl("vm", "start", "a", "--no-wait")
        cluster.until("it was to start on n2", lambda: cluster.vm("a")["owner"] == "n2")
        began = cluster.until("a is launched elsewhere", lambda: cluster.qemus("a", struck))[0]
        assert began.node != "n2" and began.first_seen - struck < 30, f"{began.node}, {began.first_seen - struck:.1f} s after it was asked for"
        cluster.runs_again("a", struck)
        kinds = [row["kind"] for row in cluster.events()]
        assert "vm-start-failed" in kinds and "vm-unclear" not in kinds and "fencing" not in kinds, kinds
    finally:
        cluster.ctl("vm", "set", "a", "--preferred", "")
    if how == "hangs":
        cluster.go_on("n2", "libvirtd")
    else:
        cluster.lab.ask_init("n2", {"start": "libvirtd"})
    cluster.until("n2 takes VMs again", lambda: away(cluster, "n2") is None)
    cluster.verdict()
