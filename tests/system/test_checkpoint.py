# SPDX-License-Identifier: GPL-2.0-or-later
"""Checkpoints of VMs: made while they run and while they are off, carried by every move and by a failover, gone back to from any
node, also if the agent or its node dies in the middle."""

import json
import os
import re
import shutil
import subprocess

import pytest

from labkit import console, guests, settings as lab_settings
from support.cluster import Cluster
from support.marks import seldom

CLUSTER = Cluster("syscheckpoint", {"a": []}, nodes=3, memory_mb=400, shared_locks=False)

DONE, REFUSED = 0, 3
SIZE = "64M"
# The second disk holds a word that the test writes while the VM is off.
FIRST, LATER = b"the first moment", b"what came later."


def image(cluster, name, disk):
    return cluster.lab.volume_path(name, f"{disk}.qcow2")


def run(*words):
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert done.returncode == 0, (words, done.stdout)
    return done.stdout


def new_guest(cluster, name, disks=("vda",), shape=lambda xml: xml):
    """It runs from qcow2 images, of which it writes to the first."""
    path = guests.write(cluster.lab, guests.Guest(name, exclusive=True))
    inside = f"{lab_settings.VOLUME_PATH}/{name}"
    for disk in disks:
        run("qemu-img", "create", "-q", "-f", "qcow2", image(cluster, name, disk), SIZE)
    xml = guests.definition(guests.Guest(name, exclusive=True))
    xml = xml.replace("type='raw'", "type='qcow2'").replace("disk.raw", "vda.qcow2")
    more = "".join(f"<disk type='file' device='disk'><driver name='qemu' type='qcow2' cache='none'/>"
                   f"<source file='{inside}/{disk}.qcow2'/><target dev='{disk}' bus='virtio'/></disk>" for disk in disks[1:])
    at = xml.index("<controller type='usb'")
    with open(cluster.lab.volume_path(name, f"{name}.xml"), "w", encoding="utf-8") as file:
        file.write(shape(xml[:at] + more + xml[at:]))
    cluster.ctl("vm", "add", path, "--start")
    cluster.until(f"{name} runs", lambda: name in cluster.where())
    writes_on(cluster, name)


def said(cluster, name):
    return console.read(cluster.lab, name)


def writes_on(cluster, name, count=5):
    """Until the guest has acknowledged so many more writes."""
    aim = said(cluster, name).acknowledged + count
    cluster.until(f"{name} writes", lambda: said(cluster, name).acknowledged >= aim)


def raw_of(cluster, name, disk):
    """What the disk of a VM that is off holds, as a raw file."""
    path = cluster.lab.volume_path(name, f"{disk}.look")
    run("qemu-img", "convert", "-O", "raw", image(cluster, name, disk), path)
    return path


def sequence(cluster, name):
    path = raw_of(cluster, name, "vda")
    found = guests.read_disk(cluster.lab, name, path).sequence
    os.unlink(path)
    return found


def write_word(cluster, name, disk, word):
    text = image(cluster, name, disk) + ".word"
    with open(text, "wb") as file:
        file.write(word)
    run("qemu-io", "-f", "qcow2", "-c", f"write -s {text} 0 {len(word)}", image(cluster, name, disk))
    os.unlink(text)


def word(cluster, name, disk):
    path = raw_of(cluster, name, disk)
    with open(path, "rb") as file:
        found = file.read(len(FIRST))
    os.unlink(path)
    return found


def snapshots(cluster, name, disk):
    return re.findall(r"clusterd-\d+", run("qemu-img", "snapshot", "-U", "-l", image(cluster, name, disk)))


def checkpoints(cluster, name):
    return json.loads(cluster.ctl("vm", "checkpoint", "list", name, "--json"))["checkpoints"]


def stop(cluster, name):
    cluster.ctl("vm", "stop", name, "--force")
    assert cluster.vm(name)["state"] == "off"


def start(cluster, name):
    cluster.ctl("vm", "start", name)
    writes_on(cluster, name)


def is_sound(cluster, name, *disks):
    for disk in disks:
        run("qemu-img", "check", "-q", image(cluster, name, disk))


def test_one_disk_by_every_route(cluster):
    """Live, quickly, and by a power cut: the checkpoint goes along, and what it held is there again."""
    new_guest(cluster, "s")
    before = said(cluster, "s").acknowledged
    cluster.ctl("vm", "checkpoint", "create", "s", "first")
    after = said(cluster, "s").acknowledged
    assert [(row["name"], row["disks"], row["running"], row["state"]) for row in checkpoints(cluster, "s")] == [
        ("first", ["vda"], True, "whole")]
    here = cluster.where()["s"]
    there, third = [node for node in cluster.nodes if node != here]
    writes_on(cluster, "s")
    cluster.ctl("vm", "move", "s", "--to", there, "--live")
    writes_on(cluster, "s")
    cluster.ctl("vm", "move", "s", "--to", third, "--quick")
    writes_on(cluster, "s")
    struck = cluster.power_off(third)
    cluster.runs_again("s", struck)
    writes_on(cluster, "s")

    refused = cluster.try_ctl("vm", "checkpoint", "revert", "s", "first")
    assert refused.returncode == REFUSED and "only a VM that is off" in refused.stderr, refused
    cluster.ctl("vm", "checkpoint", "revert", "s", "first", "--stop")
    assert before <= sequence(cluster, "s") <= after + 20, "it is not the disk of that moment"
    is_sound(cluster, "s", "vda")
    start(cluster, "s")
    cluster.power_on(third)
    cluster.until(f"{third} is online", lambda: cluster.node_state(third) == "online")
    assert len(snapshots(cluster, "s", "vda")) == 1
    cluster.ctl("vm", "checkpoint", "remove", "s", "first")
    assert (checkpoints(cluster, "s"), snapshots(cluster, "s", "vda")) == ([], [])
    writes_on(cluster, "s")
    stop(cluster, "s")
    is_sound(cluster, "s", "vda")
    cluster.remove("s")


def test_two_disks_are_of_one_moment(cluster):
    """Also if they were made while it was off; and a copy of the files takes them along."""
    new_guest(cluster, "t", ("vda", "vdb"))
    stop(cluster, "t")
    write_word(cluster, "t", "vdb", FIRST)
    then = sequence(cluster, "t")
    cluster.ctl("vm", "checkpoint", "create", "t", "off")
    start(cluster, "t")
    cluster.ctl("vm", "checkpoint", "create", "t", "running")
    ids = {row["name"]: f"clusterd-{row['id']}" for row in checkpoints(cluster, "t")}
    assert sorted(snapshots(cluster, "t", "vda")) == sorted(snapshots(cluster, "t", "vdb")) == sorted(ids.values())

    os.makedirs(cluster.lab.volume_path("elsewhere"), exist_ok=True)
    refused = cluster.try_ctl("vm", "move", "t", "--storage", f"{lab_settings.VOLUME_PATH}/elsewhere")
    assert refused.returncode == REFUSED and "internal snapshots (2)" in refused.stderr, refused
    stop(cluster, "t")
    write_word(cluster, "t", "vdb", LATER)
    cluster.ctl("vm", "move", "t", "--storage", f"{lab_settings.VOLUME_PATH}/elsewhere")
    cluster.until("the originals are gone", lambda: not os.path.exists(image(cluster, "t", "vdb")))
    cluster.ctl("vm", "move", "t", "--storage", f"{lab_settings.VOLUME_PATH}/t")
    cluster.until("they are back", lambda: not os.path.exists(cluster.lab.volume_path("elsewhere", "vdb.qcow2")))
    assert word(cluster, "t", "vdb") == LATER
    cluster.ctl("vm", "checkpoint", "revert", "t", "off")
    assert (word(cluster, "t", "vdb"), sequence(cluster, "t")) == (FIRST, then)
    is_sound(cluster, "t", "vda", "vdb")
    start(cluster, "t")
    cluster.ctl("vm", "checkpoint", "remove", "t", "off")
    assert snapshots(cluster, "t", "vda") == snapshots(cluster, "t", "vdb") == [ids["running"]]
    stop(cluster, "t")
    cluster.ctl("vm", "checkpoint", "remove", "t", "running")
    assert snapshots(cluster, "t", "vda") == snapshots(cluster, "t", "vdb") == []
    is_sound(cluster, "t", "vda", "vdb")
    cluster.remove("t")


def test_refusals(cluster):
    """Each by one line, before anything is begun."""
    refused = cluster.try_ctl("vm", "checkpoint", "create", "a", "x")
    assert refused.returncode == REFUSED and "vda is of format raw" in refused.stderr, refused
    new_guest(cluster, "r")
    cluster.ctl("vm", "checkpoint", "create", "r", "one")
    for words, text in ((("create", "r", "one"), "r has a checkpoint 'one' already"), (("create", "r", "a b"), "valid name"),
                        (("revert", "r", "two"), "r has no checkpoint 'two'"), (("remove", "r", "two"), "r has no checkpoint 'two'"),
                        (("create", "nobody", "x"), "nobody")):
        refused = cluster.try_ctl("vm", "checkpoint", *words)
        assert refused.returncode == REFUSED and text in refused.stderr, (words, refused)
    cluster.remove("r")


# -- in the middle of a revert --

TOOLS = f"{lab_settings.VOLUME_PATH}/tools"
# A qemu-img that stands still before it sets back the second disk.
SLOW = f"""#!/bin/sh
case "$*" in *"-a "*vdb.qcow2)
    touch {TOOLS}/reached
    read -r word < {TOOLS}/gate
esac
exec {TOOLS}/qemu-img.real "$@"
"""


def slow_down(cluster):
    tools = cluster.lab.volume_path("tools")
    os.makedirs(tools)
    shutil.copy(shutil.which("qemu-img"), os.path.join(tools, "qemu-img.real"))
    with open(os.path.join(tools, "qemu-img"), "w", encoding="ascii") as file:
        file.write(SLOW)
    os.chmod(os.path.join(tools, "qemu-img"), 0o755)
    os.mkfifo(os.path.join(tools, "gate"))
    for node in cluster.nodes:
        cluster.lab.check(node, ["mount", "--bind", f"{TOOLS}/qemu-img", "/usr/bin/qemu-img"])


def as_usual(cluster, *nodes):
    for node in nodes:
        cluster.lab.check(node, ["umount", "-l", "/usr/bin/qemu-img"])


def half_reverted(cluster, name):
    """Its first disk is set back, and the second one is not. Returns the node that does it, and what the first one held then."""
    new_guest(cluster, name, ("vda", "vdb"))
    stop(cluster, name)
    write_word(cluster, name, "vdb", FIRST)
    then = sequence(cluster, name)
    cluster.ctl("vm", "checkpoint", "create", name, "first")
    start(cluster, name)
    stop(cluster, name)
    write_word(cluster, name, "vdb", LATER)
    slow_down(cluster)
    cluster.ctl("vm", "checkpoint", "revert", name, "first", "--no-wait")
    cluster.until("it has come to the second disk", lambda: os.path.exists(cluster.lab.volume_path("tools", "reached")))
    assert (word(cluster, name, "vdb"), sequence(cluster, name)) == (LATER, then)
    refused = cluster.try_ctl("vm", "start", name)
    assert refused.returncode == REFUSED and f"the disks of {name} are being set back to a checkpoint" in refused.stderr, refused
    told = "\n".join(event["message"] for event in cluster.events())
    return re.search(rf"{name}: return to a checkpoint on (n\d)", told).group(1), then


def pids(cluster, node, what):
    return cluster.lab.run(node, ["pgrep", "-f", what]).stdout.split()


def ends_complete(cluster, name, then):
    cluster.until("it is set back", lambda: checkpoints(cluster, name)[0]["state"] == "whole")
    assert (word(cluster, name, "vdb"), sequence(cluster, name)) == (FIRST, then)
    is_sound(cluster, name, "vda", "vdb")
    start(cluster, name)
    cluster.remove(name)
    shutil.rmtree(cluster.lab.volume_path("tools"))


@pytest.mark.parametrize("killed", [seldom("agent"), "clusterd"])
def test_killed_in_a_revert(cluster, killed):
    """qemu-img ends with its agent, the VM does not start, and all disks are set back again."""
    who, then = half_reverted(cluster, "k")
    (agent,) = pids(cluster, who, "vm checkpoint-revert")
    (tool,) = pids(cluster, who, "snapshot -a clusterd")
    as_usual(cluster, *cluster.nodes)
    if killed == "agent":
        cluster.lab.check(who, ["kill", "-KILL", agent])
    else:
        cluster.kill(who, "clusterd")
        cluster.until(f"{who} is online again", lambda: cluster.node_state(who) == "online")
    cluster.until("its qemu-img is gone", lambda: tool not in pids(cluster, who, "snapshot -a clusterd"))
    ends_complete(cluster, "k", then)


def test_node_dies_in_a_revert(cluster):
    """Another node sets back all disks, once the dead one is known to be off."""
    who, then = half_reverted(cluster, "n")
    as_usual(cluster, *[node for node in cluster.nodes if node != who])
    cluster.power_off(who)
    ends_complete(cluster, "n", then)
    cluster.power_on(who)
    cluster.until(f"{who} is online", lambda: cluster.node_state(who) == "online")
