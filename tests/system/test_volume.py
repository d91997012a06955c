# SPDX-License-Identifier: GPL-2.0-or-later
"""Volumes: a node proves that it sees the same storage as the others; where it does not, no VM is placed. And what a node
missed while it was away, however much, it has when it is back."""

import re
import uuid

import pytest

from labkit import settings as lab_settings
from support.cluster import Cluster

CLUSTER = Cluster("sysvol", guest_options={"a": [], "b": []}, nodes=3)

BIG_VMS, BIG_BYTES = 250, 205_000  # 50 MB of definitions


def volume_on(cluster, node, via="n1"):
    """What the cluster says of csv1 on a node."""
    for entry in cluster.status(via=via)["nodes"]:
        if entry["name"] == node:
            return entry["volumes"].get("csv1")
    return None


def verdict_of(cluster, vm, node):
    answer = cluster.ask("vm", "explain", vm)
    return next(entry for entry in answer["nodes"] if entry["node"] == node)


def refused(cluster, *words):
    done = cluster.try_ctl(*words)
    assert done.returncode == 3, f"ended with {done.returncode}: {done.stderr or done.stdout}"
    return done.stderr


def test_a_stalled_volume_takes_no_vm(cluster):
    cluster.place(a="n1", b="n2")
    cluster.lab.stall_storage("n3")
    cluster.mark("the storage of n3 stalls")
    cluster.until("csv1 is stalled on n3", lambda: volume_on(cluster, "n3") == "stalled")
    assert not verdict_of(cluster, "a", "n3")["possible"]
    assert "csv1" in refused(cluster, "vm", "move", "a", "--to", "n3")
    assert cluster.problem("csv1", "n3"), "status does not name the volume and the node"
    cluster.lab.resume_storage("n3")
    cluster.until("csv1 is ok on n3", lambda: volume_on(cluster, "n3") == "ok")
    assert verdict_of(cluster, "a", "n3")["possible"]
    cluster.verdict()


def test_another_storage_at_the_path_is_noticed(cluster):
    cluster.place(a="n1", b="n2")
    cluster.lab.check("n3", ["mount", "-t", "tmpfs", "none", "/srv/csv1"])
    cluster.mark("n3 has another storage at /srv/csv1")
    try:
        cluster.until("csv1 is another one on n3", lambda: volume_on(cluster, "n3") == "different")
        assert volume_on(cluster, "n1") == "ok" and volume_on(cluster, "n2") == "ok"
        assert "csv1" in refused(cluster, "vm", "move", "b", "--to", "n3")
        # The best node is the other one, though n3 is empty.
        cluster.ctl("vm", "move", "a", "--best-node")
        cluster.until("a went to n2", lambda: cluster.where().get("a") == "n2")
    finally:
        cluster.lab.check("n3", ["umount", "/srv/csv1"])
    cluster.until("csv1 is ok on n3", lambda: volume_on(cluster, "n3") == "ok")
    cluster.verdict()


def test_a_copy_of_the_storage_is_noticed(cluster):
    """A snapshot, or half of a mirror that was split: all files are there, with the nonces that the nodes have told each other."""
    cluster.place(a="n1", b="n2")
    heartbeats = cluster.lab.check("n3", ["sh", "-c", "mkdir -p /run/copy && mount -t tmpfs none /run/copy && cp -a /srv/csv1/. /run/copy/ && "
                                          "mount --bind /run/copy /srv/csv1 && ls /srv/csv1/.clusterd"])
    cluster.mark("n3 has a copy of the storage at /srv/csv1")
    try:
        assert "heartbeat.n1" in heartbeats and "heartbeat.n2" in heartbeats, heartbeats
        cluster.until("csv1 is another one on n3", lambda: volume_on(cluster, "n3") == "different")
        assert volume_on(cluster, "n1") == "ok" and volume_on(cluster, "n2") == "ok"
        assert "csv1" in refused(cluster, "vm", "move", "b", "--to", "n3")
        assert cluster.problem("csv1", "n3", "copy"), "status does not say what is wrong on n3"
    finally:
        cluster.lab.check("n3", ["sh", "-c", "umount /srv/csv1 && umount /run/copy"])
    cluster.until("csv1 is ok on n3", lambda: volume_on(cluster, "n3") == "ok")
    cluster.verdict()


def test_a_volume_in_use_is_not_removed(cluster):
    assert "needs volume csv1" in refused(cluster, "volume", "remove", "csv1")
    cluster.verdict()


def test_a_volume_comes_and_goes(cluster):
    """It is proved on all nodes, shown with them, and forgotten on all; its contents are kept, but for the heartbeats."""
    path = f"{lab_settings.VOLUME_PATH}/second"
    cluster.lab.check("n1", ["mkdir", path])
    cluster.lab.check("n1", ["touch", f"{path}/kept"])
    cluster.ctl("volume", "add", "csv2", path)
    cluster.until("csv2 is ok on all nodes", lambda: set(cluster.ask("volume", "show", "csv2")["volume"]["nodes"].values()) == {"ok"})
    shown = cluster.ask("volume", "show", "csv2")["volume"]
    assert (shown["path"], sorted(shown["nodes"]), shown["vms"]) == (path, cluster.nodes, [])
    assert sorted(cluster.ask("volume", "show", "csv1")["volume"]["vms"]) == ["a", "b"]
    said = cluster.ctl("volume", "show", "csv2")
    assert path in said and all(f"{node}: ok" in said for node in cluster.nodes), said
    assert cluster.ctl("volume", "remove", "csv2") == "volume csv2 has been removed; its contents are kept\n"
    for node in cluster.nodes:
        cluster.until(f"{node} knows csv1 only",
                      lambda node=node: [row["name"] for row in cluster.ask("volume", "list", via=node)["volumes"]] == ["csv1"])
    assert "csv2" in refused(cluster, "volume", "show", "csv2")
    cluster.lab.check("n1", ["test", "-e", f"{path}/kept"])
    cluster.verdict()


def big_definitions(cluster):
    """VMs that are never started, whose definitions are large."""
    with open(cluster.lab.volume_path("a", "a.xml"), encoding="utf-8") as file:
        plain = file.read()
    padded = plain.replace("</domain>", f"<!-- {'x' * BIG_BYTES} --></domain>")
    for i in range(BIG_VMS):
        text = re.sub(r"<name>.*?</name>", f"<name>big{i}</name>", padded)
        text = re.sub(r"<uuid>.*?</uuid>", f"<uuid>{uuid.uuid4()}</uuid>", text)
        with open(cluster.lab.volume_path(f"big{i}.xml"), "w", encoding="utf-8") as file:
            file.write(text)


def snapshots_of(cluster, node):
    """The size of each snapshot over which a node ever caught up, by its log."""
    with open(cluster.lab.settings.path("nodes", node, "var", "log", "clusterd.log"), encoding="utf-8") as file:
        return [int(size) for size in re.findall(r"took over the cluster's state at index \d+ \((\d+) bytes\)", file.read())]


@pytest.mark.thorough
def test_fifty_megabytes_are_caught_up(cluster):
    """Two nodes were away: one while little happened, one while so much did that it needs the whole state."""
    cluster.place(a="n1", b="n2")
    big_definitions(cluster)
    before = snapshots_of(cluster, "n3")
    cluster.power_off("n3")
    cluster.until("n3 is gone", lambda: cluster.node_state("n3") in ("offline", "fenced", "lost"))
    cluster.lab.check("n1", ["bash", "-c", "for i in $(seq 0 %d); do clusterctl vm add /srv/csv1/big$i.xml >/dev/null || exit 1; done"
                             % (BIG_VMS - 1)], timeout_s=300)
    cluster.power_on("n3")
    cluster.until("n3 is online again", lambda: cluster.node_state("n3") == "online")
    assert max(snapshots_of(cluster, "n3")[len(before):], default=0) >= BIG_BYTES * BIG_VMS, "n3 did not catch up over a snapshot"
    for node in ("n1", "n3"):
        names = {vm["name"] for vm in cluster.status(via=node)["vms"]}
        assert {f"big{i}" for i in range(BIG_VMS)} <= names, f"{node} does not know all of them"
    # Away for a moment only, after that: the last changes are enough.
    taken = snapshots_of(cluster, "n3")
    cluster.kill("n3", "clusterd")
    cluster.until("n3 is online again", lambda: cluster.node_state("n3") == "online" and cluster.status(via="n3")["usable"])
    assert snapshots_of(cluster, "n3") == taken, "n3 took the whole state again"
    cluster.lab.check("n2", ["bash", "-c", "for i in $(seq 0 %d); do clusterctl vm remove big$i --yes >/dev/null || exit 1; done"
                             % (BIG_VMS - 1)], timeout_s=300)
    cluster.until("n3 knows that they are gone", lambda: {vm["name"] for vm in cluster.status(via="n3")["vms"]} == {"a", "b"})
    cluster.verdict()
