# SPDX-License-Identifier: GPL-2.0-or-later
"""VMs that come from plain libvirt: one that runs there when it is added, and a definition that is left behind on a node."""

import shutil

from labkit import guests
from support.cluster import Cluster

CLUSTER = Cluster("sysadopt", {"a": []}, nodes=3)

REFUSED = 3
QUIET_S = 5  # so long is watched what must not happen


def autostarts(cluster, node, name):
    said = cluster.lab.check(node, ["virsh", "dominfo", name])
    return any(line.split() == ["Autostart:", "enable"] for line in said.splitlines())


def event(cluster, kind, *words):
    return any(row["kind"] == kind and all(word in row["message"] for word in words) for row in cluster.events())


def test_a_vm_that_runs_is_not_added(cluster):
    """All nodes are asked first, whether it is to be started or not. What runs goes on, and nothing of the VM is left."""
    path = guests.write(cluster.lab, guests.Guest("own"))
    cluster.lab.check("n2", ["virsh", "define", path])
    cluster.lab.check("n2", ["virsh", "start", "own"])
    cluster.until("own counts", lambda: cluster.follower.wait_ticks("own", 2))
    runs = cluster.qemu("own")
    for options in ([], ["--start", "--preferred", "n1"]):
        done = cluster.try_ctl("vm", "add", path, *options)
        assert done.returncode == REFUSED, done.stdout + done.stderr
        assert "VM own runs on n2 under libvirt" in done.stderr and "virsh shutdown own" in done.stderr
        assert cluster.vm("own")["state"] is None
        assert not cluster.follower.wait(lambda: [qemu.pid for qemu in cluster.sampler.alive("own")] != [runs.pid], QUIET_S)
    assert cluster.where()["own"] == "n2"

    cluster.lab.check("n2", ["virsh", "destroy", "own"])
    cluster.ctl("vm", "add", path, "--start", "--preferred", "n1")
    cluster.added.add("own")
    assert cluster.where()["own"] == "n1"

    # Beside the cluster, while that has it stopped: left alone, told of, and never started twice.
    cluster.ctl("vm", "stop", "own", "--force")
    cluster.lab.check("n2", ["virsh", "start", "own"])
    cluster.until("status tells of it", lambda: cluster.problem("own", "runs on n2 under libvirt"))
    done = cluster.try_ctl("vm", "start", "own")
    assert done.returncode == REFUSED and "own runs on n2 under libvirt" in done.stderr, done.stderr
    runs = cluster.qemu("own")
    assert not cluster.follower.wait(lambda: [qemu.pid for qemu in cluster.sampler.alive("own")] != [runs.pid], QUIET_S)
    cluster.lab.check("n2", ["virsh", "destroy", "own"])
    cluster.until("status is quiet again", lambda: not cluster.problem("own"))
    cluster.ctl("vm", "start", "own")
    cluster.verdict()
    cluster.remove("own")
    cluster.lab.check("n2", ["virsh", "undefine", "own"])


def test_a_vm_whose_memory_is_saved_is_not_added(cluster):
    """A start from its disk would lose that memory, and a later start by hand bring it back over a newer disk."""
    path = guests.write(cluster.lab, guests.Guest("saved"))
    cluster.lab.check("n3", ["virsh", "define", path])
    cluster.lab.check("n3", ["virsh", "start", "saved"])
    cluster.lab.check("n3", ["virsh", "managedsave", "saved"])
    done = cluster.try_ctl("vm", "add", path, "--start")
    assert done.returncode == REFUSED and "the memory of saved is saved there" in done.stderr, done.stderr
    assert "n3" in done.stderr and cluster.vm("saved")["state"] is None
    cluster.lab.check("n3", ["virsh", "managedsave-remove", "saved"])
    cluster.lab.check("n3", ["virsh", "undefine", "saved"])
    shutil.rmtree(cluster.lab.volume_path("saved"))


def test_a_definition_with_autostart_is_left_over(cluster):
    """It loses its autostart when the VM is added, and when somebody sets it later; so the VM never runs twice, though its
    former node loses its power and boots."""
    path = guests.write(cluster.lab, guests.Guest("auto"))
    cluster.lab.check("n1", ["virsh", "define", path])
    cluster.lab.check("n1", ["virsh", "autostart", "auto"])
    done = cluster.try_ctl("vm", "add", path, "--start", "--preferred", "n2", via="n3")
    assert done.returncode == 0, done.stderr
    assert "warning: n1: libvirt had a definition of auto" in done.stderr and "autostart" in done.stderr, done.stderr
    cluster.added.add("auto")
    assert not autostarts(cluster, "n1", "auto")

    cluster.lab.check("n1", ["virsh", "autostart", "auto"])
    cluster.until("its autostart is taken away", lambda: not autostarts(cluster, "n1", "auto"))
    cluster.until("that is told", lambda: event(cluster, "vm-definition", "n1", "auto"))

    cluster.place(a="n3", auto="n2")
    cluster.power_off("n1")
    cluster.until("n1 is out of the view", lambda: cluster.node_state("n1", via="n2") in ("fenced", "offline"))
    cluster.power_on("n1")
    cluster.until("n1 is back", lambda: cluster.node_state("n1") == "online")
    assert not cluster.follower.wait(lambda: len(cluster.sampler.alive("auto")) > 1, QUIET_S)
    cluster.verdict()
    cluster.remove("auto")
    cluster.lab.check("n1", ["virsh", "undefine", "auto"])
