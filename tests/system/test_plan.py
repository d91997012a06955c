# SPDX-License-Identifier: GPL-2.0-or-later
"""Plans on real nodes: what `clusterctl plan` says of a live cluster is what it says of its export, what a dry run says, and what
then happens."""

import pytest

from support.cluster import Cluster

CLUSTER = Cluster("sysplan", {"a": ["--priority", "10"], "b": ["--preferred", "n2"], "c": []}, nodes=3, memory_mb=400)


def plan(cluster, *words, via="n1"):
    """The plan without the time that it took."""
    said = cluster.ask("plan", *words, via=via)
    assert said.pop("seconds") < 5
    return said


@pytest.mark.parametrize("words", [(), ("--lose", "n3"), ("--drain", "n2"), ("--vm", "a")], ids=" ".join)
def test_the_live_cluster_and_its_export_give_the_same_plan(cluster, words):
    cluster.place(a="n1", b="n2", c="n3")
    cluster.ctl("export", "/run/cluster.json", via="n1")
    try:
        assert plan(cluster, *words) == plan(cluster, "--file", "/run/cluster.json", *words)
    finally:
        cluster.lab.check("n1", ["rm", "/run/cluster.json"])
    cluster.verdict()


def test_a_further_resource_decides_where_a_vm_goes(cluster):
    cluster.place(a="n3", b="n2", c="n1")
    cluster.ctl("vm", "set", "a", "--resource", "vgpu=1", via="n1")
    try:
        for node, other in (("n1", "n2"), ("n2", "n1")):
            cluster.ctl("node", "set", other, "--resource", "vgpu=0", via="n1")
            cluster.ctl("node", "set", node, "--resource", "vgpu=1", via="n1")
            said = plan(cluster, "--lose", "n3")
            assert said["placed"] == {"a": node}
            cluster.ctl("export", "/run/cluster.json", via="n1")
            assert said == plan(cluster, "--file", "/run/cluster.json", "--lose", "n3")
            cluster.lab.check("n1", ["rm", "/run/cluster.json"])
        struck = cluster.power_off("n3")
        cluster.runs_again("a", struck)
        assert cluster.where()["a"] == "n2"
    finally:
        cluster.ctl("vm", "set", "a", "--resource", "vgpu=0", via="n1")
        for node in ("n1", "n2"):
            cluster.ctl("node", "set", node, "--resource", "vgpu=0", via="n1")
    cluster.verdict()


def test_a_plan_is_what_the_dry_run_says_and_what_a_failover_does(cluster):
    cluster.place(a="n3", b="n3", c="n1")
    dry = cluster.ask("node", "drain", "n3", "--dry-run")["plan"]
    assert plan(cluster, "--drain", "n3")["placed"] == {move["vm"]: move["to"] for move in dry}
    placed = plan(cluster, "--lose", "n3")["placed"]
    assert sorted(placed) == ["a", "b"] and placed["b"] == "n2"
    struck = cluster.power_off("n3")
    for name in placed:
        cluster.runs_again(name, struck)
    where = cluster.where()
    assert {name: where[name] for name in placed} == placed
    assert where["c"] == "n1", "what ran elsewhere is left alone"
    cluster.verdict()
