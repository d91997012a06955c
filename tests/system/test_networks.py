# SPDX-License-Identifier: GPL-2.0-or-later
"""A VM with a network card goes only to nodes that have its bridge or network, and the cluster knows at once when one gets it."""

from labkit import guests
from support.cluster import Cluster

CLUSTER = Cluster("sysnets", {"a": []}, nodes=3)
REFUSED = 3

NETWORK = """<network><name>lan</name><bridge name='virbr-lan' stp='off'/></network>"""


def make_bridge(cluster, node, name):
    cluster.lab.check(node, ["ip", "link", "add", name, "type", "bridge"])
    cluster.lab.check(node, ["ip", "link", "set", name, "up"])


def has(cluster, node, network):
    return network in cluster.ask("node", "show", node)["node"]["networks"]


def verdicts(cluster, name):
    return {row["node"]: row["reason"] for row in cluster.ask("vm", "explain", name)["nodes"]}


def test_vm_goes_where_its_bridge_is(cluster):
    # Whatever came with this version makes nodes tell of networks: before, an update could still be taken back.
    assert cluster.config("vm_history", 1).returncode == 0
    for node in ("n1", "n2"):
        make_bridge(cluster, node, "br0")
    cluster.until("the nodes have told of their bridges", lambda: has(cluster, "n1", "bridge/br0") and has(cluster, "n2", "bridge/br0"))
    assert not has(cluster, "n3", "bridge/br0")
    cluster.add_guest("carded", bridge="br0")
    cluster.every_vm_runs()
    cluster.place(carded="n1", a="n2")

    # A tap of the guest is no offer to others.
    assert not [network for network in cluster.ask("node", "show", "n1")["node"]["networks"] if "vnet" in network]
    refused = cluster.try_ctl("vm", "move", "carded", "--to", "n3")
    assert refused.returncode == REFUSED and "carded cannot go to n3: it has no bridge br0" in refused.stderr, refused

    # n3 is emptier, and would be the better node.
    struck = cluster.power_off("n1")
    cluster.runs_again("carded", struck)
    assert cluster.where()["carded"] == "n2"

    make_bridge(cluster, "n3", "br0")
    cluster.until("n3 has told of its bridge", lambda: has(cluster, "n3", "bridge/br0"))
    began = cluster.follower.track("carded").boot_times[-1]
    cluster.place(carded="n3")
    cluster.goes_on("carded", began, 30)

    # Now no other node has it any more.
    cluster.lab.check("n2", ["ip", "link", "delete", "br0"])
    cluster.until("n2 has told that it is gone", lambda: not has(cluster, "n2", "bridge/br0"))
    refused = cluster.try_ctl("vm", "move", "carded", "--best-node")
    assert refused.returncode == REFUSED and "there is no node for carded" in refused.stderr, refused
    cluster.verdict()
    cluster.remove("carded")


def test_vm_that_could_not_fail_over_is_refused(cluster):
    path = guests.write(cluster.lab, guests.Guest("lonely", bridge="br9"))
    make_bridge(cluster, "n2", "br9")
    cluster.until("n2 has told of it", lambda: has(cluster, "n2", "bridge/br9"))
    refused = cluster.try_ctl("vm", "add", path)
    assert refused.returncode == REFUSED, refused
    assert "/domain/devices/interface: of the 3 nodes that may run the VM, only n2 has 'bridge br9'" in refused.stderr
    cluster.lab.check("n2", ["ip", "link", "delete", "br9"])


def test_network_of_libvirt(cluster):
    xml = cluster.lab.volume_path("lan.xml")
    with open(xml, "w", encoding="utf-8") as file:
        file.write(NETWORK)
    cluster.lab.check("n1", ["virsh", "net-define", "/srv/csv1/lan.xml"])
    cluster.lab.check("n1", ["virsh", "net-start", "lan"])
    cluster.until("n1 has told of its network", lambda: has(cluster, "n1", "network/lan"))
    assert not has(cluster, "n2", "network/lan")
    cluster.lab.check("n1", ["virsh", "net-destroy", "lan"])
    cluster.until("n1 has told that it is not active", lambda: not has(cluster, "n1", "network/lan"))
    cluster.lab.check("n1", ["virsh", "net-undefine", "lan"])


def with_uri(cluster, node, uri):
    """Writes the node's clusterd.conf anew and restarts its clusterd. Returns the URI that was there; None: the default."""
    path = cluster.lab.settings.path("nodes", node, "etc", "clusterd", "clusterd.conf")
    with open(path, encoding="utf-8") as file:
        lines = file.read().splitlines()
    former = [line.partition("=")[2].strip() for line in lines if line.startswith("migrate_uri")]
    lines = [line for line in lines if not line.startswith("migrate_uri")]
    if uri:
        lines.insert(lines.index("[clusterd]") + 1, f"migrate_uri = {uri}")
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")
    before = cluster.unit_pid(node, "clusterd")
    cluster.lab.check(node, ["kill", str(before)])
    cluster.until(f"clusterd on {node} is back", lambda: cluster.unit_pid(node, "clusterd") not in (before, None, 0)
                  and cluster.node_state(node) == "online")
    return former[0] if former else None


def test_moves_over_a_network_of_their_own(cluster):
    """The name in migrate_uri leads there: libvirt's connection and the guest's memory take that way."""
    cluster.place(a="n1")
    for number, node in enumerate(cluster.nodes, 1):
        cluster.lab.check(node, ["ip", "address", "add", f"10.78.0.{number}/24", "dev", "eth0"])
        cluster.lab.check(node, ["sh", "-c", 'for i in 1 2 3; do echo "10.78.0.$i n$i-mig" >> /etc/hosts; done'])
    former = {node: with_uri(cluster, node, "qemu+tcp://%s-mig/system") for node in cluster.nodes}
    began = cluster.began
    operation = cluster.ask("vm", "move", "a", "--to", "n2", "--live", "--bandwidth", "40", "--no-wait")["operation"]

    def peers():
        return cluster.lab.run("n1", ["ss", "-Htn", "state", "established", "dst", "10.78.0.2"]).stdout.split()
    cluster.until("QEMU sends over that network", lambda: any(word.startswith("10.78.0.2:491") for word in peers()))
    cluster.until("the move has ended",
                  lambda: cluster.ask("operation", "show", str(operation))["operation"]["state"] == "done")
    cluster.goes_on("a", began, 30)
    for node, uri in former.items():
        with_uri(cluster, node, uri)
    cluster.verdict()
