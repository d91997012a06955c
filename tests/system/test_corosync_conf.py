# SPDX-License-Identifier: GPL-2.0-or-later
"""What corosync.conf says, and clusterd cannot go on with: each is refused in one line that says what to do."""

import contextlib
import os
import re
import time

from support.cluster import Cluster

CLUSTER = Cluster("sysconf", nodes=3)
EXIT_CONFIG = 3


def path(cluster, node, name):
    return os.path.join(cluster.lab.settings.path("nodes", node), name)


def read(cluster, node, name):
    with open(path(cluster, node, name), encoding="utf-8") as file:
        return file.read()


def write(cluster, node, name, text):
    with open(path(cluster, node, name), "w", encoding="utf-8") as file:
        file.write(text)


def say(cluster, node, verb, unit):
    cluster.lab.ask_init(node, {verb: unit})
    if verb == "stop":
        cluster.until(f"{unit} has ended on {node}", lambda: not cluster.unit_pid(node, unit))


def start_by_hand(cluster, node, *options):
    """clusterd where nobody starts it again; what it says before it ends."""
    done = cluster.lab.run(node, ["clusterd", *options], timeout_s=30)
    return done.returncode, done.stderr + done.stdout


@contextlib.contextmanager
def without_clusterd(cluster, node):
    """No VM may be there, so that its watchdog is disarmed."""
    say(cluster, node, "stop", "clusterd")
    try:
        yield
    finally:
        say(cluster, node, "start", "clusterd")


PACKAGE_EXAMPLE = """totem {
    version: 2
    cluster_name: debian
    crypto_cipher: none
    crypto_hash: none
}
quorum {
    provider: corosync_votequorum
}
nodelist {
    node {
        name: n3
        nodeid: 3
        ring0_addr: 127.0.0.1
    }
}
logging {
    to_stderr: yes
    to_syslog: no
}
"""


def test_example_of_corosyncs_package(cluster):
    """Nobody has written corosync.conf yet: a cluster of one node is not what anybody wants."""
    usual = read(cluster, "n3", "etc/corosync/corosync.conf")
    cluster.place(a="n1", b="n2", c="n2")
    with without_clusterd(cluster, "n3"):
        say(cluster, "n3", "stop", "corosync")
        write(cluster, "n3", "etc/corosync/corosync.conf", PACKAGE_EXAMPLE)
        say(cluster, "n3", "start", "corosync")
        cluster.lab.ask_init("n3", {"wait": "corosync"})
        conf = read(cluster, "n3", "etc/clusterd/clusterd.conf").replace("[clusterd]", "[clusterd]\nstate_dir = /var/tmp/new")
        write(cluster, "n3", "etc/clusterd/new.conf", conf)
        code, said = start_by_hand(cluster, "n3", "--config", "/etc/clusterd/new.conf")
        assert code == EXIT_CONFIG, said
        assert "corosync runs with the example of its package (one node, 127.0.0.1)" in said
        again, said = start_by_hand(cluster, "n3", "--config", "/etc/clusterd/new.conf")
        assert again == EXIT_CONFIG, said  # the first start left nothing that would count as a database
        say(cluster, "n3", "stop", "corosync")
        write(cluster, "n3", "etc/corosync/corosync.conf", usual)
        say(cluster, "n3", "start", "corosync")
    cluster.until("n3 is online again", lambda: cluster.node_state("n3") == "online")
    cluster.verdict()


FOURTH = """    node {
        nodeid: 4
        name: n4
        ring0_addr: 10.77.0.4
    }
}
quorum {"""


def test_list_of_nodes_changes(cluster):
    """A node is written into corosync.conf, and out of it again; clusterd is restarted on one node after the other. The VMs run
    on, the cluster stays usable, and status says what is left to do."""
    cluster.place(a="n1", b="n2", c="n3")
    before = {name: cluster.qemu(name).pid for name in ("a", "b", "c")}
    began = time.monotonic()
    usual = read(cluster, "n1", "etc/corosync/corosync.conf")
    longer = usual.replace("}\nquorum {", FOURTH)
    assert longer != usual
    for text, nodes in ((longer, 4), (usual, 3)):
        for node in cluster.nodes:
            write(cluster, node, "etc/corosync/corosync.conf", text)
        cluster.lab.check("n1", ["corosync-cfgtool", "-R"])
        for node in cluster.nodes:
            cluster.until(f"{node} says that corosync's list has changed", lambda node=node: cluster.problem(
                "corosync's list of nodes has changed", f"{nodes} nodes: n1 n2 n3", via=node))
        for node in cluster.nodes:
            pid = cluster.unit_pid(node, "clusterd")
            say(cluster, node, "restart", "clusterd")
            cluster.until(f"{node} is back", lambda node=node, pid=pid: cluster.unit_pid(node, "clusterd") not in (None, pid)
                          and cluster.status(node)["usable"] and cluster.node_state(node) == "online")
            if node != cluster.nodes[-1]:
                assert cluster.problem("nodes do not agree on the list of nodes", "n4", via=node)
        cluster.until(f"the cluster goes by {nodes} nodes", lambda nodes=nodes: not any(
            cluster.problem("list of nodes", via=node) for node in cluster.nodes))
    assert {name: cluster.qemu(name).pid for name in ("a", "b", "c")} == before
    assert not cluster.fencings(since=began)
    cluster.verdict()


def set_token(cluster, token_ms):
    for node in cluster.nodes:
        text = read(cluster, node, "etc/corosync/corosync.conf")
        write(cluster, node, "etc/corosync/corosync.conf", text.replace("token: 1000", f"token: {token_ms}"))
    cluster.lab.check("n1", ["corosync-cfgtool", "-R"])


def set_watchdog(cluster, node, watchdog_ms):
    text = read(cluster, node, "etc/clusterd/clusterd.conf")
    if "watchdog_ms" not in text:
        write(cluster, node, "etc/clusterd/clusterd.conf", text.replace("[clusterd]", f"[clusterd]\nwatchdog_ms = {watchdog_ms}"))


def test_token_longer_than_the_watchdog(cluster):
    """corosync's own token with the usual watchdog: said when it is reloaded, refused at the next start; with the numbers that
    are named, a power cut resets nobody else."""
    cluster.place(a="n1", b="n2", c="n2")
    set_token(cluster, 3000)
    for node in cluster.nodes:
        cluster.until(f"{node} says that the token is too long", lambda node=node: cluster.problem(
            "watchdog_ms 5000 is too short for corosync's token 3000 ms and consensus 3600 ms", "at least 9000", via=node))
    with without_clusterd(cluster, "n3"):
        code, said = start_by_hand(cluster, "n3")
        assert code == EXIT_CONFIG, said
        refused = [line for line in said.splitlines() if "too short" in line]
        assert len(refused) == 1 and "set watchdog_ms to at least 9000 in clusterd.conf" in refused[0]
        assert "totem { token: 1000  token_coefficient: 0  consensus: 1200 }" in refused[0]
        set_watchdog(cluster, "n3", 9000)
    for node in ("n1", "n2"):
        set_watchdog(cluster, node, 9000)
        say(cluster, node, "restart", "clusterd")
        cluster.until(f"{node} is usable again", lambda node=node: cluster.status(node)["usable"])
    cluster.until("all are online, and nothing is wrong", lambda: all(
        cluster.node_state(node) == "online" and not cluster.status(node)["problems"] for node in cluster.nodes))
    cluster.place(a="n1", b="n2", c="n3")
    before = {name: cluster.qemu(name).pid for name in ("a", "b")}
    cuts = {node: state["watchdog_cuts"] for node, state in cluster.lab.describe().items()}
    struck = cluster.power_off("n3")
    cluster.runs_again("c", struck)
    cluster.until("every watchdog that may bite has bitten", lambda: time.monotonic() > struck + 12)
    after = cluster.lab.describe()
    assert all(after[node]["power"] == "on" and after[node]["watchdog_cuts"] == cuts[node] for node in ("n1", "n2"))
    assert {name: cluster.qemu(name).pid for name in ("a", "b")} == before
    cluster.verdict()


def set_longer_token(cluster):
    """It stays: what comes after it in this file is content with that."""
    set_token(cluster, 3000)
    for node in cluster.nodes:
        set_watchdog(cluster, node, 9000)
        say(cluster, node, "restart", "clusterd")
        cluster.until(f"{node} is usable again", lambda node=node: cluster.status(node)["usable"])
    cluster.until("all are online, and nothing is wrong", lambda: all(
        cluster.node_state(node) == "online" and not cluster.status(node)["problems"] for node in cluster.nodes))


def set_crypto(cluster, cipher, hash_name):
    """By hand and while all runs: what the problem says."""
    for node in cluster.nodes:
        text = re.sub(r"crypto_cipher: \w+\n    crypto_hash: \w+", f"crypto_cipher: {cipher}\n    crypto_hash: {hash_name}",
                      read(cluster, node, "etc/corosync/corosync.conf"))
        write(cluster, node, "etc/corosync/corosync.conf", text)
    cluster.lab.check("n1", ["corosync-cfgtool", "-R"])


def test_ring_that_does_not_encrypt(cluster):
    """Passwords would cross the network as they are: each node says so, and with which lines it ends; the lines are enough,
    without a restart, and the VMs run on. For a moment nodes with the old and with the new key do not understand each other:
    corosync's own token bears that, the lab's short one does not on a busy machine."""
    set_longer_token(cluster)
    cluster.place(a="n1", b="n2", c="n3")
    before = {name: cluster.qemu(name).pid for name in ("a", "b", "c")}
    began = time.monotonic()
    assert not cluster.problem("does not encrypt")
    set_crypto(cluster, "none", "none")
    for node in cluster.nodes:
        cluster.until(f"{node} says that corosync does not encrypt", lambda node=node: cluster.problem(
            "corosync does not encrypt", "totem { crypto_cipher: aes256  crypto_hash: sha256 }", via=node))
    set_crypto(cluster, "aes256", "sha256")
    cluster.until("nothing is wrong", lambda: not any(cluster.status(node)["problems"] for node in cluster.nodes))
    assert {name: cluster.qemu(name).pid for name in ("a", "b", "c")} == before
    assert not cluster.fencings(since=began)
    cluster.verdict()
