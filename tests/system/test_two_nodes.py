# SPDX-License-Identifier: GPL-2.0-or-later
"""Two nodes: one vote is a quorum (two_node), so only fencing keeps both halves from running a VM."""

import time

from support.cluster import Cluster

CLUSTER = Cluster("systwo", {"a": [], "b": []}, nodes=2)


def off_before(cluster, node, name, struck):
    off = [row["t"] for row in cluster.fencings(node, struck) if row.get("answer", {}).get("ok")]
    assert off, f"{node} was not fenced"
    assert off[0] < cluster.qemus(name, struck)[0].first_seen


def test_power_cut_of_one_of_two(cluster):
    cluster.place(a="n1", b="n2")
    assert cluster.config("restart_period_ms", 600001, via="n2").returncode == 0
    struck = cluster.power_off("n2")
    cluster.runs_again("b", struck)
    off_before(cluster, "n2", "b", struck)
    cluster.goes_on("a", struck, longest_s=3)
    cluster.verdict()
    cluster.power_on("n2")
    cluster.until("n2 is online again", lambda: cluster.node_state("n2") == "online")
    cluster.verdict()


def test_power_cut_of_the_coordinator_of_two(cluster):
    cluster.place(a="n1", b="n2")
    assert cluster.config("restart_period_ms", 600002, via="n1").returncode == 0
    struck = cluster.power_off("n1")
    cluster.runs_again("a", struck)
    off_before(cluster, "n1", "a", struck)
    cluster.goes_on("b", struck, longest_s=3)
    cluster.verdict()


def test_network_between_two_is_cut(cluster):
    """Both have a quorum and could shoot the other: one does, and only it lives on."""
    cluster.place(a="n1", b="n2")
    struck = cluster.partition(["n1"], ["n2"])
    loser = cluster.until("one of them was fenced", lambda: [node for node, state in cluster.lab.describe().items()
                                                            if state["power"] == "off"])
    assert len(loser) == 1, "they shot each other"
    lost = "a" if loser == ["n1"] else "b"
    cluster.runs_again(lost, struck)
    off_before(cluster, loser[0], lost, struck)
    cluster.verdict()


def test_one_of_two_after_a_power_cut_of_both(cluster):
    """Alone, a node cannot know what the other did last (wait_for_all): it waits for it, and says so."""
    cluster.place(a="n1", b="n2")
    dark = cluster.power_off_all()
    cluster.power_on("n2")
    cluster.until("clusterd on n2 says that it has no quorum", lambda: cluster.problem("no quorum", via="n2"))
    cluster.until("a while has passed", lambda: time.monotonic() > dark + 8)
    assert not cluster.sampler.alive()
    cluster.power_on("n1")
    for name in ("a", "b"):
        cluster.runs_again(name, dark)
    assert not cluster.fencings(since=dark)
    cluster.verdict()
