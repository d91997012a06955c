# SPDX-License-Identifier: GPL-2.0-or-later
"""The files of a VM are moved to another place, while it is off and while it runs; also if the node that does it dies."""

import glob
import json
import os
import re

from labkit import guests, settings as lab_settings
from support.cluster import Cluster

CLUSTER = Cluster("sysstore", {"a": []}, nodes=3, memory_mb=400, shared_locks=False)

DONE, REFUSED = 0, 3
VOLUME = lab_settings.VOLUME_PATH
OTHER = f"{lab_settings.VOLUME_PATH}/other"
# What a copy has to read and write twice: so much that it is met on its way.
LARGE_BYTES = 600 << 20


def there(cluster, *names):
    return os.path.exists(cluster.lab.volume_path(*names))


def nothing_is_left(cluster):
    return glob.glob(cluster.lab.volume_path("**", "*.clusterd-*"), recursive=True) == []


def new_guest(cluster, name):
    """It runs, and its disk is its own; a directory to go to is there."""
    cluster.add_guest(name, exclusive=True)
    cluster.until(f"{name} runs", lambda: name in cluster.where())
    cluster.until(f"{name} writes", lambda: guests.read_disk(cluster.lab, name).sequence > 3)
    os.makedirs(cluster.lab.volume_path("other"), exist_ok=True)


def starts(cluster, name):
    cluster.ctl("vm", "start", name)
    cluster.until(f"{name} runs", lambda: name in cluster.where())


def moved(cluster, name):
    """Its disk is in the other directory, and only there."""
    cluster.until(f"the disk of {name} is there alone",
                  lambda: there(cluster, "other", "disk.raw") and not there(cluster, name, "disk.raw") and nothing_is_left(cluster))


def test_there_and_back(cluster):
    new_guest(cluster, "s")
    cluster.ctl("vm", "stop", "s", "--force")
    before = guests.read_disk(cluster.lab, "s")

    plan = json.loads(cluster.try_ctl("vm", "move", "s", "--storage", OTHER, "--dry-run", "--json").stdout)
    assert [file["to"] for file in plan["plan"]] == [f"{OTHER}/disk.raw"], plan
    assert there(cluster, "s", "disk.raw") and not there(cluster, "other", "disk.raw")
    said = cluster.try_ctl("vm", "move", "s", "--storage", OTHER)
    assert said.returncode == DONE, said
    moved(cluster, "s")
    starts(cluster, "s")
    cluster.ctl("vm", "stop", "s", "--force")

    # A file that is there already is never written over.
    with open(cluster.lab.volume_path("s", "disk.raw"), "wb") as file:
        file.write(b"somebody else's")
    said = cluster.try_ctl("vm", "move", "s", "--disk", f"vda={lab_settings.VOLUME_PATH}/s/disk.raw")
    assert said.returncode == REFUSED and "disk.raw" in said.stderr, said
    os.unlink(cluster.lab.volume_path("s", "disk.raw"))
    cluster.ctl("vm", "move", "s", "--disk", f"vda={lab_settings.VOLUME_PATH}/s/disk.raw")
    cluster.until("it is back", lambda: not there(cluster, "other", "disk.raw") and nothing_is_left(cluster))
    starts(cluster, "s")
    cluster.until("it goes on writing", lambda: guests.read_disk(cluster.lab, "s").sequence > before.sequence)
    assert guests.read_disk(cluster.lab, "s").boots > before.boots
    cluster.remove("s")


def test_copying_node_dies(cluster):
    """Another node makes the copy anew, once the dead one is known to be off."""
    new_guest(cluster, "d")
    cluster.ctl("vm", "stop", "d", "--force")
    with open(cluster.lab.volume_path("d", "disk.raw"), "ab") as file:
        for _ in range(LARGE_BYTES >> 20):
            file.write(os.urandom(1 << 20))
    cluster.ctl("vm", "move", "d", "--storage", OTHER, "--no-wait")
    cluster.until("a copy is being made", lambda: not nothing_is_left(cluster))
    who = re.search(r"d: copy of the files on (n\d)", "\n".join(event["message"] for event in cluster.events())).group(1)
    cluster.power_off(who)
    moved(cluster, "d")
    starts(cluster, "d")
    cluster.power_on(who)
    cluster.until(f"{who} is online", lambda: cluster.node_state(who, via=cluster.node(who)) == "online")
    cluster.remove("d")
    os.unlink(cluster.lab.volume_path("other", "disk.raw"))


def sequence(cluster, name, directory):
    return guests.read_disk(cluster.lab, name, cluster.lab.volume_path(directory, "disk.raw")).sequence


def test_while_it_runs(cluster):
    """It stays on its node and goes on, on the copy; and a failover afterwards starts it from there."""
    new_guest(cluster, "r")
    node = cluster.where()["r"]
    boots = guests.read_disk(cluster.lab, "r").boots
    said = cluster.try_ctl("vm", "move", "r", "--storage", OTHER, "--json")
    assert said.returncode == DONE, said
    moved(cluster, "r")
    assert cluster.where()["r"] == node
    before = sequence(cluster, "r", "other")
    cluster.until("it goes on writing", lambda: sequence(cluster, "r", "other") > before)
    assert guests.read_disk(cluster.lab, "r", cluster.lab.volume_path("other", "disk.raw")).boots == boots
    shown = json.loads(cluster.ctl("vm", "show", "r", "--json"))["vm"]
    assert shown["other_disks"] == "" and not shown["paused"], shown
    struck = cluster.power_off(node)
    cluster.runs_again("r", struck)
    before = sequence(cluster, "r", "other")
    cluster.until("it writes there", lambda: sequence(cluster, "r", "other") > before)
    cluster.power_on(node)
    cluster.until(f"{node} is online", lambda: cluster.node_state(node) == "online")
    cluster.remove("r")
    os.unlink(cluster.lab.volume_path("other", "disk.raw"))


def test_into_another_format_and_back(cluster):
    """QEMU converts the disk of a VM that runs; it starts from there, too. One that is off is refused before anything begins."""
    new_guest(cluster, "f")
    boots = guests.read_disk(cluster.lab, "f").boots
    there_disk = f"vda={OTHER}/disk.qcow2,format=qcow2"
    assert "becomes qcow2" in cluster.ctl("vm", "move", "f", "--disk", there_disk, "--dry-run")
    said = cluster.try_ctl("vm", "move", "f", "--disk", there_disk)
    assert said.returncode == DONE, said
    cluster.until("the disk is there alone",
                  lambda: there(cluster, "other", "disk.qcow2") and not there(cluster, "f", "disk.raw") and nothing_is_left(cluster))
    with open(cluster.lab.volume_path("other", "disk.qcow2"), "rb") as file:
        assert file.read(4) == b"QFI\xfb"
    shown = json.loads(cluster.ctl("vm", "show", "f", "--json"))["vm"]
    assert shown["other_disks"] == "" and not shown["paused"] and "qcow2" in shown["xml"], shown
    cluster.ctl("vm", "stop", "f", "--force")
    back = f"vda={VOLUME}/f/disk.raw,format=raw"
    for dry in ((), ("--dry-run",)):
        said = cluster.try_ctl("vm", "move", "f", "--disk", back, *dry)
        assert said.returncode == REFUSED and "only while the VM runs" in said.stderr, said
    starts(cluster, "f")
    cluster.ctl("vm", "move", "f", "--disk", back)
    cluster.until("the disk is back alone",
                  lambda: there(cluster, "f", "disk.raw") and not there(cluster, "other", "disk.qcow2") and nothing_is_left(cluster))
    before = guests.read_disk(cluster.lab, "f").sequence
    cluster.until("it goes on writing", lambda: guests.read_disk(cluster.lab, "f").sequence > before)
    assert guests.read_disk(cluster.lab, "f").boots == boots + 1
    cluster.remove("f")


def test_files_and_node_at_once(cluster):
    """One command: its files go elsewhere, then the VM, in the way that was asked for; the guest does not notice."""
    new_guest(cluster, "n")
    boots = guests.read_disk(cluster.lab, "n").boots
    node = cluster.where()["n"]
    target = next(name for name in cluster.nodes if name != node)
    said = cluster.try_ctl("vm", "move", "n", "--storage", OTHER, "--to", target, "--quick", "--json")
    document = json.loads(said.stdout)
    assert said.returncode == DONE and document["storage"]["operation"]["kind"] == "storage move", said
    assert document["operation"]["vms"][0]["mode"] == "quick" and cluster.where()["n"] == target
    moved(cluster, "n")
    before = sequence(cluster, "n", "other")
    cluster.until("it goes on writing", lambda: sequence(cluster, "n", "other") > before)
    assert guests.read_disk(cluster.lab, "n", cluster.lab.volume_path("other", "disk.raw")).boots == boots
    cluster.remove("n")
    os.unlink(cluster.lab.volume_path("other", "disk.raw"))


def test_its_node_dies_while_qemu_copies(cluster):
    """It runs elsewhere from the original, and nothing is left of the copy."""
    new_guest(cluster, "q")
    with open(cluster.lab.volume_path("q", "disk.raw"), "r+b") as file:
        file.truncate(LARGE_BYTES)
    cluster.ctl("vm", "stop", "q", "--force")
    starts(cluster, "q")
    node = cluster.where()["q"]
    cluster.ctl("vm", "move", "q", "--storage", OTHER, "--no-wait")
    cluster.until("QEMU copies", lambda: there(cluster, "other", "disk.raw"))
    struck = cluster.power_off(node)
    cluster.runs_again("q", struck)
    cluster.until("nothing is left", lambda: nothing_is_left(cluster) and not there(cluster, "other", "disk.raw"))
    cluster.power_on(node)
    cluster.until(f"{node} is online", lambda: cluster.node_state(node) == "online")
    cluster.remove("q")
