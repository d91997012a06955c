# SPDX-License-Identifier: GPL-2.0-or-later
"""VMs that come from plain libvirt: one that runs there when it is added, a definition that is left behind on a node, and a disk
that is no longer the one of the definition."""

import os
import shutil
import signal
import time

from labkit import guests, settings as lab_settings
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


def test_a_vm_that_runs_is_adopted(cluster):
    """It goes on in the same QEMU, and is the cluster's: a crash is seen, and mended. So is one that was started beside the cluster."""
    path = guests.write(cluster.lab, guests.Guest("mine"))
    cluster.lab.check("n2", ["virsh", "define", path])
    done = cluster.try_ctl("vm", "add", path, "--adopt")
    assert done.returncode == REFUSED and "runs on no node under libvirt" in done.stderr, done.stderr
    cluster.lab.check("n2", ["virsh", "start", "mine"])
    cluster.until("mine counts", lambda: cluster.follower.wait_ticks("mine", 2))
    runs = cluster.qemu("mine")
    cluster.ctl("vm", "add", path, "--adopt", via="n1")
    cluster.added.add("mine")
    assert cluster.vm("mine")["state"] == "running" and cluster.qemu("mine").pid == runs.pid and runs.node == "n2"
    assert cluster.lab.check("n2", ["virsh", "list", "--all", "--persistent", "--name"]).split() == []
    assert event(cluster, "vm-adopted", "mine runs on n2, and is the cluster's now")

    os.kill(runs.pid, signal.SIGKILL)
    cluster.until("it is started again", lambda: [qemu.pid for qemu in cluster.sampler.alive("mine")] not in ([], [runs.pid]))
    cluster.until("it counts again", lambda: cluster.follower.wait_ticks("mine", 2))
    assert event(cluster, "vm-crashed", "mine")

    cluster.ctl("vm", "stop", "mine", "--force")
    cluster.lab.check("n3", ["virsh", "create", path])
    cluster.until("status says what to do", lambda: cluster.problem("mine", "runs on n3 under libvirt"))
    runs = cluster.qemu("mine")
    cluster.ctl("vm", "adopt", "mine")
    assert cluster.vm("mine")["state"] == "running" and cluster.qemu("mine").pid == runs.pid and runs.node == "n3"
    cluster.until("status is quiet", lambda: not cluster.problem("mine"))
    cluster.place(mine="n1")
    cluster.verdict()
    cluster.remove("mine")


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


# A volume on the lab's array itself. Through a node's bindfs, QEMU 7.2 meets its own image locks when a snapshot makes a disk the
# backing file of another: "Failed to get shared "write" lock".
DIRECT = f"/mnt/array/{lab_settings.VOLUME}/snap"


def snapshot(cluster, node, name, image):
    """As backup programs make them: the guest writes to a new image from now on, whose backing file is the old one."""
    path = f"{DIRECT}/{image}"
    cluster.lab.check(node, ["virsh", "snapshot-create-as", name, image, "--disk-only", "--no-metadata", "--atomic",
                             "--diskspec", f"vda,file={path}"])
    return path


def change_definition(cluster, *changes):
    path = cluster.lab.volume_path("snap", "snap.xml")
    with open(path, encoding="utf-8") as file:
        text = file.read()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def test_a_vm_with_a_snapshot_stays_down(cluster):
    """It is not started from the image below when its node dies; `status` warns while it runs, and says why it is down. A snapshot
    that was committed is history; with its new image in the definition the VM goes on with all that it had written."""
    path = guests.write(cluster.lab, guests.Guest("snap", exclusive=True))
    change_definition(cluster, (f"{lab_settings.VOLUME_PATH}/snap/disk.raw", f"{DIRECT}/disk.raw"))
    cluster.ctl("volume", "add", "direct", DIRECT)
    cluster.until("the volume is there on all nodes", cluster.volumes_are_ok)
    cluster.ctl("vm", "add", path, "--start", "--preferred", "n1")
    cluster.added.add("snap")
    assert cluster.where()["snap"] == "n1"
    snapshot(cluster, "n1", "snap", "s1")
    cluster.until("status warns", lambda: cluster.problem("VM snap runs with disks that differ", "/snap/s1 now"))
    cluster.lab.check("n1", ["virsh", "blockcommit", "snap", "vda", "--active", "--pivot", "--wait"])
    cluster.until("status is quiet again", lambda: not cluster.problem("snap"))

    image = snapshot(cluster, "n1", "snap", "s2")
    cluster.until("status warns again", lambda: cluster.problem("VM snap runs with disks that differ", image))
    assert cluster.follower.wait_ticks("snap", 2)
    cluster.power_off("n1")
    cluster.until("it is blocked", lambda: cluster.vm("snap", via="n2")["state"] == "blocked")
    assert not cluster.follower.wait(lambda: cluster.sampler.alive("snap"), QUIET_S)
    assert cluster.problem("VM snap is not started", image, via="n2")
    done = cluster.try_ctl("vm", "start", "snap", via="n2")
    assert done.returncode == REFUSED and image in done.stderr, done.stderr

    cluster.ctl("vm", "stop", "snap", via="n2")
    cluster.ctl("vm", "remove", "snap", "--yes", via="n2")
    change_definition(cluster, (f"{DIRECT}/disk.raw", image), ("type='raw'", "type='qcow2'"))
    began = time.monotonic()
    cluster.ctl("vm", "add", path, "--start", "--preferred", "n2", via="n2")
    cluster.runs_again("snap", began)
    said = cluster.follower.track("snap").said
    assert not said.lost and not said.trouble, said
    cluster.power_on("n1")
    cluster.until("n1 is back", lambda: cluster.node_state("n1") == "online")
    cluster.ctl("vm", "stop", "snap", "--force")
    cluster.ctl("vm", "remove", "snap", "--yes")
    cluster.added.discard("snap")
    cluster.ctl("volume", "remove", "direct")
    cluster.verdict()
    shutil.rmtree(cluster.lab.volume_path("snap"))
