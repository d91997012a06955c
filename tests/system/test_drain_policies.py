# SPDX-License-Identifier: GPL-2.0-or-later
"""What a drain does with each VM by its move policy, on real guests: who moved, who booted anew, who is off, who stays; and that a
resume undoes it."""

import contextlib
import time

from support.cluster import Cluster
from test_operations import BLACKOUT_S, DONE, FAILED, run, slow

CLUSTER = Cluster("sysdrain", {"a": [], "b": [], "c": []}, nodes=3, memory_mb=400)


@contextlib.contextmanager
def policies(cluster, **wanted):
    """policies(a="restart"); the next test finds the default."""
    for name, how in wanted.items():
        cluster.ctl("vm", "set", name, "--move-policy", how)
        assert cluster.vm(name)["move_policy"] == how
    yield
    for name in wanted:
        cluster.ctl("vm", "set", name, "--move-policy", "live-or-quick")


def rows(said):
    operation = said.get("operation") or said["error"]["operation"]
    return {entry["vm"]: entry for entry in operation["vms"]}


def test_restart_and_shut_down(cluster):
    """One moves, one boots on another node once its first QEMU is gone, one is off until the node is resumed."""
    cluster.place(a="n1", b="n1", c="n1")
    with policies(cluster, b="restart", c="shut-down"):
        first = cluster.qemu("b")
        code, plan = run(cluster, "node", "drain", "n1", "--dry-run")
        hows = {row["vm"]: row["how"] for row in plan["plan"]}
        assert (code, hows, plan["becomes_empty"]) == (DONE, {"a": "live", "b": "restart", "c": "shut-down"}, True), plan
        assert next(row["about_ms"] for row in plan["plan"] if row["vm"] == "a") > 0, "a has been moved before"
        assert cluster.on("n1") == ["a", "b", "c"]
        code, said = run(cluster, "node", "drain", "n1")
        assert code == DONE, said
        modes = {name: (entry["mode"], entry["state"]) for name, entry in rows(said).items()}
        assert modes == {"a": ("live", "done"), "b": ("restart", "done"), "c": ("shut-down", "done")}
        assert cluster.on("n1") == [] and cluster.node_state("n1") == "drained"
        cluster.goes_on("a", cluster.began, BLACKOUT_S)
        second = cluster.qemu("b")
        assert second.pid != first.pid and second.first_seen >= first.last_seen, "b was started before it was off"
        cluster.runs_again("b", cluster.began)
        c = cluster.vm("c")
        assert (c["state"], c["wanted"], c["shut_down_by"]) == ("off", "stopped", "n1"), c
        assert "n1" in c["reason"]

        code, said = run(cluster, "node", "resume", "n1")
        assert code == DONE, said
        assert cluster.on("n1") == ["a", "b", "c"]
        cluster.runs_again("c", cluster.began)
        cluster.goes_on("a", cluster.began, BLACKOUT_S)
    cluster.verdict()


def test_one_that_stays(cluster):
    """The others leave; the drain says that the node is not safe to power off, and why."""
    cluster.place(a="n1", b="n1", c="n2")
    with policies(cluster, b="stay"):
        code, plan = run(cluster, "node", "drain", "n1", "--dry-run")
        assert code == FAILED and "n1 would not be safe to power off: b" in plan["error"]["message"], plan
        done = cluster.try_ctl("node", "drain", "n1")
        assert done.returncode == FAILED
        assert "n1 is not safe to power off: b stays there (move policy stay)" in done.stderr
        assert cluster.on("n1") == ["b"] and cluster.node_state("n1") == "draining"
        cluster.ctl("node", "resume", "n1")
        assert cluster.on("n1") == ["a", "b"]
        for name in "abc":
            cluster.goes_on(name, cluster.began, BLACKOUT_S)
    cluster.verdict()


def test_a_deadline(cluster):
    """Too short for guests that move slowly: they run on where they were, never paused, and are named. The next drain needs none."""
    cluster.place(a="n1", b="n1", c="n2")
    slow(cluster)
    done = cluster.try_ctl("node", "drain", "n1", "--deadline", "3s")
    assert done.returncode == FAILED, done.stdout
    assert "n1 is not safe to power off: after 3 s, its deadline, the drain has left a, b" in done.stderr
    assert cluster.on("n1") == ["a", "b"] and cluster.node_state("n1") == "draining"
    for name in "abc":
        cluster.goes_on(name, cluster.began, BLACKOUT_S)
    assert cluster.config("migrate_bandwidth_mbps", 0).returncode == 0
    said = cluster.ctl("node", "drain", "n1", "--deadline", "5m").splitlines()
    assert said[-1] == "n1 is drained: safe to power off", said
    assert cluster.on("n1") == []
    cluster.ctl("node", "resume", "n1")
    assert cluster.on("n1") == ["a", "b"]
    cluster.verdict()


def test_failback(cluster):
    """Moved VMs return not at all, or in certain hours; what was shut down starts in any case."""
    cluster.place(a="n1", b="n1", c="n2")
    with policies(cluster, b="shut-down"):
        cluster.ctl("node", "drain", "n1")
        cluster.ctl("node", "resume", "n1", "--failback", "no")
        assert cluster.on("n1") == ["b"] and cluster.node_state("n1") == "online"
        cluster.verdict()

        cluster.place(a="n1", b="n1")
        hour = time.gmtime().tm_hour
        assert cluster.config("failback_hours", f"{(hour + 3) % 24}-{(hour + 4) % 24}", usual="0-24").returncode == 0
        cluster.ctl("node", "drain", "n1")
        said = cluster.ctl("node", "resume", "n1", "--failback", "policy")
        assert "1 VM returns to it in the hours" in said, said
        assert cluster.on("n1") == ["b"]
        assert cluster.config("failback_hours", "0-24").returncode == 0
        cluster.until("a is back", lambda: cluster.on("n1") == ["a", "b"])
        cluster.goes_on("a", cluster.began, BLACKOUT_S)
    cluster.verdict()
