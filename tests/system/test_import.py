# SPDX-License-Identifier: GPL-2.0-or-later
"""A VM of a libvirt host outside comes into the cluster, off or live. The host that is played by n3's libvirt knows nothing of the cluster."""

import os

from labkit import console, guests, settings as lab_settings
from support.cluster import Cluster

CLUSTER = Cluster("sysimport", {"a": []}, nodes=3, shared_locks=False)

DONE, USAGE, REFUSED = 0, 2, 3
FROM = "qemu+tls://n3/system"
OUTSIDE = "/var/lib/outside"


def outside(cluster, name, **more):
    """Defines a guest on n3, with its disk on n3's own storage."""
    guest = guests.Guest(name, **more)
    path = cluster.lab.volume_path(f"{name}.xml")
    with open(path, "w", encoding="utf-8") as file:
        file.write(guests.definition(guest).replace(f"{lab_settings.VOLUME_PATH}/{name}/disk.raw", f"{OUTSIDE}/{name}.raw"))
    cluster.lab.check("n3", ["sh", "-c", f"mkdir -p {OUTSIDE}; head -c {guests.DISK_BYTES} /dev/zero >{OUTSIDE}/{name}.raw; "
                             f"virsh define {lab_settings.VOLUME_PATH}/{name}.xml"])


def libvirt_knows(cluster, node, name):
    return name in cluster.lab.check(node, ["virsh", "list", "--all", "--name"]).split()


def test_import(cluster):
    outside(cluster, "imp", exclusive=True)
    os.makedirs(cluster.lab.volume_path("imp"), exist_ok=True)
    words = ("vm", "import", FROM, "imp", "--storage", f"{lab_settings.VOLUME_PATH}/imp", "--node", "n1")
    disk = ("--disk", f"vda={lab_settings.VOLUME_PATH}/imp/disk.raw")
    assert cluster.try_ctl("vm", "import", FROM, "imp").returncode == USAGE
    said = cluster.try_ctl(*words[:5], "nowhere", "--node", "n1")
    assert said.returncode == REFUSED and "there is no volume 'nowhere'" in said.stderr, said
    said = cluster.try_ctl(*words[:5], "/var/tmp", "--node", "n1")
    assert said.returncode == REFUSED and "cannot be made highly available" in said.stderr, said

    said = cluster.try_ctl(*words, *disk, "--dry-run")
    assert said.returncode == DONE and "imp/disk.raw" in said.stdout
    assert not os.path.exists(cluster.lab.volume_path("imp", "disk.raw"))

    said = cluster.try_ctl(*words, *disk, "--remove-source", "--start")
    assert said.returncode == DONE, said
    cluster.added.add("imp")
    cluster.until("imp runs in the cluster", lambda: "imp" in cluster.where())
    cluster.until("imp writes to its new disk", lambda: guests.read_disk(cluster.lab, "imp").sequence > 3)
    assert not libvirt_knows(cluster, "n3", "imp") or cluster.where()["imp"] == "n3"
    assert cluster.lab.run("n3", ["ls", OUTSIDE]).stdout == ""
    said = cluster.try_ctl(*words, *disk)
    assert said.returncode == REFUSED and "has a VM imp already" in said.stderr, said
    cluster.verdict()
    cluster.remove("imp")


def test_import_of_a_running_vm(cluster):
    """It moves live, is taken over, and its guest does not notice."""
    outside(cluster, "run", exclusive=True)
    os.makedirs(cluster.lab.volume_path("run"), exist_ok=True)
    cluster.lab.check("n3", ["virsh", "start", "run"])
    cluster.until("run counts", lambda: console.read(cluster.lab, "run").ticks > 3)
    words = ("vm", "import", FROM, "run", "--storage", f"{lab_settings.VOLUME_PATH}/run", "--node", "n1",
             "--disk", f"vda={lab_settings.VOLUME_PATH}/run/disk.raw")
    said = cluster.try_ctl(*words, "--dry-run")
    assert said.returncode == DONE and "run/disk.raw" in said.stdout, said
    assert not os.path.exists(cluster.lab.volume_path("run", "disk.raw"))
    assert libvirt_knows(cluster, "n3", "run") and not libvirt_knows(cluster, "n1", "run")

    ticks = console.read(cluster.lab, "run").ticks
    said = cluster.try_ctl(*words, "--remove-source", "--priority", "7", timeout_s=180)
    assert said.returncode == DONE, said
    cluster.added.add("run")
    shown = cluster.ask("vm", "show", "run")["vm"]
    assert (shown["state"], shown["owner"], shown["wanted"], shown["priority"]) == ("running", "n1", "running", 7), shown
    assert not libvirt_knows(cluster, "n3", "run") and cluster.lab.run("n3", ["ls", OUTSIDE]).stdout == ""
    assert "run" not in cluster.lab.check("n1", ["virsh", "list", "--all", "--persistent", "--name"]).split()
    cluster.until("run counts on", lambda: console.read(cluster.lab, "run").ticks > ticks + 3)

    # It is a VM of the cluster as any other.
    cluster.ctl("vm", "move", "run", "--to", "n2", "--live")
    assert cluster.where()["run"] == "n2"
    written = guests.read_disk(cluster.lab, "run").sequence
    cluster.until("run writes to its new disk", lambda: guests.read_disk(cluster.lab, "run").sequence > written)
    assert guests.read_disk(cluster.lab, "run").boots == 1
    cluster.verdict()
    cluster.remove("run")


def test_export(cluster):
    """A VM leaves for n3's libvirt, which is the outside here; a move that fails leaves it in the cluster as it was."""
    cluster.add_guest("ex", "--priority", "7", "--possible", "n1,n2", exclusive=True)
    cluster.until("ex writes", lambda: guests.read_disk(cluster.lab, "ex").sequence > 3)
    cluster.lab.check("n3", ["mkdir", "-p", OUTSIDE])
    words = ("vm", "export", "ex", "--to", FROM, "--storage", OUTSIDE, "--node", "n1")
    cluster.ctl("vm", "stop", "ex", "--force")
    boots = guests.read_disk(cluster.lab, "ex").boots

    # The target has a file of that name: found before anything changes.
    cluster.lab.check("n3", ["touch", f"{OUTSIDE}/disk.raw"])
    said = cluster.try_ctl(*words)
    assert said.returncode == REFUSED and "disk.raw" in said.stderr, said
    cluster.lab.check("n3", ["rm", f"{OUTSIDE}/disk.raw"])
    said = cluster.try_ctl(*words, "--dry-run")
    assert said.returncode == DONE and f"{OUTSIDE}/disk.raw" in said.stdout, said
    assert "ex" in [vm["name"] for vm in cluster.status()["vms"]] and not libvirt_knows(cluster, "n1", "ex")

    # There is room, but for no further file: a dry run cannot know that. The cluster gets its VM back.
    shown = cluster.ask("vm", "show", "ex")["vm"]
    cluster.lab.check("n3", ["mount", "-t", "tmpfs", "-o", "size=64m,nr_inodes=1", "none", OUTSIDE])
    said = cluster.try_ctl(*words)
    assert said.returncode == 1 and "ex is a VM of the cluster again, as it was" in said.stderr, said
    again = cluster.ask("vm", "show", "ex")["vm"]
    assert {key: again[key] for key in ("priority", "possible", "xml")} == {key: shown[key] for key in ("priority", "possible", "xml")}
    assert not libvirt_knows(cluster, "n1", "ex") and not libvirt_knows(cluster, "n3", "ex")
    cluster.lab.check("n3", ["umount", OUTSIDE])

    said = cluster.try_ctl(*words, "--remove-source")
    assert said.returncode == DONE, said
    cluster.added.discard("ex")
    assert "ex" not in [vm["name"] for vm in cluster.status()["vms"]]
    assert libvirt_knows(cluster, "n3", "ex") and not libvirt_knows(cluster, "n1", "ex")
    assert not os.path.exists(cluster.lab.volume_path("ex", "disk.raw"))
    cluster.lab.check("n3", ["virsh", "start", "ex"])
    cluster.until("ex goes on with its disk", lambda: guests.read_disk(
        cluster.lab, "ex", f"/proc/{cluster.lab.init_pid('n3')}/root{OUTSIDE}/disk.raw").boots > boots)
    cluster.lab.check("n3", ["virsh", "destroy", "ex"])
    cluster.lab.check("n3", ["virsh", "undefine", "ex"])
    cluster.verdict()


def test_export_of_a_running_vm(cluster):
    """It is released where it runs, and moves live; a move that fails leaves it running, and the cluster takes it back."""
    cluster.add_guest("lex", "--priority", "7", "--possible", "n1,n2", exclusive=True)
    cluster.until("lex writes", lambda: guests.read_disk(cluster.lab, "lex").sequence > 3)
    owner = cluster.where()["lex"]
    other = "n2" if owner == "n1" else "n1"
    cluster.lab.check("n3", ["mkdir", "-p", OUTSIDE])
    words = ("vm", "export", "lex", "--to", FROM, "--storage", OUTSIDE)

    def is_ours():
        shown = cluster.ask("vm", "show", "lex")["vm"]
        return (shown["state"], shown["owner"], shown["priority"]) == ("running", owner, 7)

    # Found before anything changes.
    assert cluster.try_ctl(*words, "--node", other).returncode == REFUSED and is_ours()
    cluster.lab.check("n3", ["touch", f"{OUTSIDE}/disk.raw"])
    said = cluster.try_ctl(*words)
    assert said.returncode == REFUSED and "disk.raw" in said.stderr and is_ours(), said
    cluster.lab.check("n3", ["rm", f"{OUTSIDE}/disk.raw"])
    said = cluster.try_ctl(*words, "--dry-run")
    assert said.returncode == DONE and f"{OUTSIDE}/disk.raw" in said.stdout and is_ours(), said
    assert "lex" not in cluster.lab.check(owner, ["virsh", "list", "--all", "--persistent", "--name"]).split()

    # There is room, but for no further file: a dry run cannot know that.
    cluster.lab.check("n3", ["mount", "-t", "tmpfs", "-o", "size=64m,nr_inodes=1", "none", OUTSIDE])
    said = cluster.try_ctl(*words)
    assert said.returncode == 1 and "lex is a VM of the cluster again, and ran all the time" in said.stderr, said
    cluster.until("lex is the cluster's again", is_ours)
    assert "lex" not in cluster.lab.check(owner, ["virsh", "list", "--all", "--persistent", "--name"]).split()
    cluster.lab.check("n3", ["umount", OUTSIDE])

    said = cluster.try_ctl(*words, "--remove-source", timeout_s=180)
    assert said.returncode == DONE, said
    cluster.added.discard("lex")
    assert "lex" not in [vm["name"] for vm in cluster.status()["vms"]]
    assert not libvirt_knows(cluster, owner, "lex") and libvirt_knows(cluster, "n3", "lex")
    assert not os.path.exists(cluster.lab.volume_path("lex", "disk.raw"))
    disk = f"/proc/{cluster.lab.init_pid('n3')}/root{OUTSIDE}/disk.raw"
    written = guests.read_disk(cluster.lab, "lex", disk).sequence
    cluster.until("lex goes on there", lambda: guests.read_disk(cluster.lab, "lex", disk).sequence > written)
    assert guests.read_disk(cluster.lab, "lex", disk).boots == 1
    cluster.lab.check("n3", ["virsh", "destroy", "lex"])
    cluster.lab.check("n3", ["virsh", "undefine", "lex"])
    cluster.verdict()
