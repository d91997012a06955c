# SPDX-License-Identifier: GPL-2.0-or-later
"""Without evidence nothing is started elsewhere, however long it takes; with it, at once. No node here has a watchdog, so only
the fence device or a person gives it."""

import time

from support.cluster import Cluster

CLUSTER = Cluster("sysfence", watchdog=False, nodes=3)


def strike_in_vain(cluster, strike):
    """The fence device fails, a node with a VM is struck; returns when. Nothing is started elsewhere."""
    cluster.place(a="n1", b="n2", c="n3")
    cluster.set_fence_device("fail=1")
    cluster.config("fence_retry_ms", 300, usual=2000)
    struck = strike("n3")
    cluster.until("fencing has failed twice",
                  lambda: sum(row["kind"] == "fence-failed" for row in cluster.events(via="n1")) >= 2)
    cluster.until("status says why and what to do",
                  lambda: cluster.problem("fencing of n3 has failed", "fence_lab", "node confirm-off n3", via="n1"))
    assert cluster.vm("c", via="n1")["state"] == "lost"
    return struck


def nothing_started(cluster, name, struck):
    assert not cluster.qemus(name, struck), f"{name} was started without evidence"


def test_fence_device_fails_then_is_repaired(cluster):
    struck = strike_in_vain(cluster, cluster.power_off)
    for name in ("a", "b"):
        cluster.goes_on(name, struck, longest_s=3)
    # Longer than any deadline by which a watchdog could have been evidence.
    cluster.until("self_fence_ms has passed", lambda: time.monotonic() > struck + 13)
    nothing_started(cluster, "c", struck)
    repaired = time.monotonic()
    cluster.set_fence_device()
    cluster.runs_again("c", repaired)
    assert cluster.fencings("n3", repaired)
    cluster.verdict()


def test_fence_device_fails_then_a_person_confirms(cluster):
    struck = strike_in_vain(cluster, cluster.power_off)
    nothing_started(cluster, "c", struck)
    refused = cluster.try_ctl("node", "confirm-off", "n2", "--yes", via="n1")
    assert refused.returncode == 3, "n2 is a member: nobody can confirm that it is off"
    confirmed = time.monotonic()
    cluster.ctl("node", "confirm-off", "n3", "--yes", via="n1")
    cluster.runs_again("c", confirmed)
    assert cluster.node_state("n3", via="n1") == "fenced"
    cluster.verdict()


def test_quorum_lost_on_one_node(cluster):
    """Cut off, and nobody can fence it: it stops its VM within self_fence_ms. The others still may not start it."""
    struck = strike_in_vain(cluster, cluster.cut)
    cluster.until("n3 has stopped its VM", lambda: not cluster.sampler.alive("c"))
    gone = max(qemu.last_seen for qemu in cluster.sampler.qemus if qemu.name == "c")
    assert gone - struck < 10, f"c outlived self_fence_ms: {gone - struck:.2f} s"
    status = cluster.status(via="n3")
    assert not status["quorate"] and not status["usable"] and cluster.problem("no quorum", via="n3")
    assert cluster.try_ctl("config", "set", "max_downtime_ms", "301", via="n3", timeout_s=30).returncode == 4
    nothing_started(cluster, "c", struck)
    cluster.heal("n3")
    cluster.runs_again("c", struck)
    assert cluster.setting("max_downtime_ms", "n3") == "300"
    cluster.verdict()


def test_frozen_and_thawed(cluster):
    """The others think it dead but have no evidence; it wakes up. Its VM was nowhere else, and goes on or starts anew."""
    struck = strike_in_vain(cluster, cluster.freeze)
    nothing_started(cluster, "c", struck)
    cluster.thaw("n3")
    cluster.until("n3 is online again", lambda: cluster.node_state("n3", via="n1") == "online")
    cluster.every_vm_runs()
    cluster.verdict()


def test_frozen_fenced_and_gone(cluster):
    """With a device that works a frozen node is off before its VM runs elsewhere."""
    cluster.place(a="n1", b="n2", c="n3")
    struck = cluster.freeze("n3")
    cluster.runs_again("c", struck)
    off = [row["t"] for row in cluster.fencings("n3", struck) if row.get("answer", {}).get("ok")]
    assert off and off[0] < cluster.qemus("c", struck)[0].first_seen
    assert cluster.lab.describe()["n3"]["power"] == "off"
    cluster.verdict()


def test_slow_fence_device(cluster):
    """It takes 4 s: the VM waits for it, and status says so rather than that fencing failed."""
    cluster.place(a="n1", b="n2", c="n3")
    cluster.set_fence_device("delay_ms=4000")
    struck = cluster.cut("n3")
    said = cluster.until("status tells that n3 is being fenced", lambda: cluster.problem("n3 is fencing", via="n1"))
    assert "failed" not in said, said
    cluster.runs_again("c", struck)
    off = [row["t"] for row in cluster.fencings("n3", struck) if row.get("answer", {}).get("ok")]
    assert off and off[0] < cluster.qemus("c", struck)[0].first_seen
    cluster.verdict()


def test_second_fence_device(cluster):
    """The device of n3 has died with it: the one for all nodes is tried at once, not after a pause."""
    cluster.place(a="n1", b="n2", c="n3")
    cluster.add_fence_device("bmc3", "n3", "plug={node}", "fail=1")
    struck = cluster.power_off("n3")
    cluster.runs_again("c", struck)
    rows = cluster.events(via="n1")
    failed = [row for row in rows if row["kind"] == "fence-failed"]
    tried = [row for row in rows if row["kind"] == "fencing"]
    assert [("device bmc3" in row["message"], "next: device lab-pdu" in row["message"]) for row in failed] == [(True, True)], failed
    assert [word in row["message"] for word, row in zip(("bmc3", "lab-pdu"), tried, strict=True)] == [True, True], tried
    assert tried[1]["time_ms"] - failed[0]["time_ms"] < 1900, "the second device waited for a pause of 2 s"
    cluster.verdict()


def test_fence_device_of_another_node(cluster):
    """The plugs of n2 and n3 are crossed. What the device says of n3, which is still heard, is no evidence."""
    cluster.place(a="n1", b="n2", c="n3")
    cluster.set_fence_device(None)
    cluster.add_fence_device("right2", "n2", "plug=n2")
    cluster.add_fence_device("wrong3", "n3", "plug=n2")
    struck = time.monotonic()
    done = cluster.try_ctl("node", "fence", "n3", "--yes", via="n1")
    assert done.returncode == 1 and "n3 is still heard" in done.stdout + done.stderr, done
    cluster.runs_again("b", struck)
    test = cluster.try_ctl("fence-device", "test", "wrong3", "n3", via="n1")
    assert test.returncode == 1 and "n3 is off, but n3 is alive" in test.stderr, test
    nothing_started(cluster, "c", struck)
    cluster.goes_on("c", struck, longest_s=3)
    assert cluster.node_state("n3", via="n1") == "online"
    cluster.verdict()


def test_what_is_no_fence_device(cluster):
    """What could switch another node than is meant, or does not exist, is refused when it is added."""
    add = ("fence-device", "add", "wrong", "--agent")
    for code, words, said in [
            (3, ("fence_lab", "--node", "n1", "--node", "n2", "--param", "plug=n1"), "plug of wrong names one machine, but the device is for n1 and n2"),
            (3, ("fence_lab", "--param", "port=n1"), "port of wrong names one machine, but the device is for all nodes"),
            (3, ("fence_lab", "--param", "pcmk_host_map=n1:3;n2:4"), "pcmk_host_map is a Pacemaker parameter"),
            (3, ("fence_none", "--node", "n1"), "this node has no fence agent /usr/sbin/fence_none")]:
        done = cluster.try_ctl(*add, *words)
        assert done.returncode == code and said in done.stderr, done
    assert [device["name"] for device in cluster.ask("fence-device", "list")["devices"]] == ["lab-pdu"]
    cluster.add_fence_device("one", "n1", "plug=n1")
    done = cluster.try_ctl("fence-device", "test", "one", "n2")
    assert done.returncode == 3 and "one is for n1 only" in done.stderr, done
    assert "n1 is on" in cluster.ctl("fence-device", "test", "one", "n1")
    cluster.verdict()
