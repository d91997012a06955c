# SPDX-License-Identifier: GPL-2.0-or-later
"""An update of clusterd node by node, with two real builds: the older one speaks one protocol version less.

Its program is laid over /usr/sbin/clusterd of a node, as a package that replaces the file would do. A node that boots has the
newer one again.
"""

import os
import re
import subprocess
import time

import pytest

from labkit import settings as lab_settings
from support.cluster import Cluster

CLUSTER = Cluster("sysupdate", {"a": [], "b": [], "c": []}, nodes=3)
PROGRAM = "/usr/sbin/clusterd"
DONE, REFUSED = 0, 3


def newest_protocol():
    with open(os.path.join(lab_settings.REPOSITORY, "clusterd/wire/message.h"), encoding="utf-8") as file:
        return int(re.search(r"#define PROTOCOL_HIGHEST (\d+)u", file.read()).group(1))


@pytest.fixture(scope="module", name="older")
def fixture_older():
    """The path of the older clusterd. The nodes see it too: they share the host's tree."""
    build = os.path.join(lab_settings.REPOSITORY, "build", "older")
    for command in (["cmake", "-S", lab_settings.REPOSITORY, "-B", build, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=RelWithDebInfo",
                     "-DCMAKE_INSTALL_PREFIX=/usr", "-DCLUSTERD_TESTS=OFF",
                     f"-DCMAKE_C_FLAGS=-DPROTOCOL_HIGHEST={newest_protocol() - 1}u"],
                    ["cmake", "--build", build, "--target", "clusterd"]):
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        assert done.returncode == 0, done.stdout[-3000:]
    return os.path.join(build, "clusterd", "clusterd")


def install(cluster, node, program=None):
    """Replaces clusterd on the node (None: by the newer one, which is under what was laid over it) and restarts it."""
    before = cluster.unit_pid(node, "clusterd")
    # Lazily: the one that runs still has it open.
    command = ["mount", "--bind", program, PROGRAM] if program else ["umount", "--lazy", PROGRAM]
    cluster.mark(f"{' '.join(command)} on {node}")
    cluster.lab.check(node, command)
    cluster.lab.check(node, ["kill", str(before)])
    cluster.until(f"another clusterd was started on {node}", lambda: cluster.unit_pid(node, "clusterd") not in (before, None, 0))


def update(cluster, node, program=None):
    install(cluster, node, program)
    cluster.until(f"{node} is online again", lambda: cluster.node_state(node) == "online" and cluster.volumes_are_ok())


def log(cluster, node):
    with open(cluster.lab.settings.path("nodes", node, "var", "log", "clusterd.log"), encoding="utf-8", errors="replace") as file:
        return file.read()


def new_setting(cluster, value):
    """state_check is of the newer protocol."""
    return cluster.try_ctl("config", "set", "state_check", value)


def test_nodes_are_updated_one_by_one(cluster, older):
    newer = newest_protocol()
    began = cluster.began
    for node in cluster.nodes:
        update(cluster, node, older)
    for value, node in enumerate(cluster.nodes):
        assert cluster.config("restart_period_ms", 600001 + value, via=node).returncode == DONE

    update(cluster, "n1")
    refused = new_setting(cluster, "report")
    assert refused.returncode == REFUSED, refused
    assert f"until all nodes run a clusterd with protocol {newer}; n2 speaks {newer - 1}, n3 speaks {newer - 1}" in refused.stderr
    cluster.place(a="n1", b="n2", c="n3")
    cluster.place(a="n2", b="n1", c="n3")
    for name in ("a", "b", "c"):
        cluster.goes_on(name, began, 30)

    # An older node dies while the cluster is half updated.
    struck = cluster.power_off("n3")
    cluster.runs_again("c", struck)
    cluster.power_on("n3")
    cluster.until("n3 is online again", lambda: cluster.node_state("n3") == "online" and cluster.volumes_are_ok())

    # Nothing of the newer version was used yet: the update can be taken back.
    update(cluster, "n1", older)
    update(cluster, "n1")
    assert new_setting(cluster, "report").returncode == REFUSED
    update(cluster, "n2")
    done = new_setting(cluster, "report")
    assert done.returncode == DONE, done
    cluster.verdict()

    # From here on the older one does not understand the database. It says so and changes nothing.
    cluster.place(a="n1", b="n2", c="n1")
    settled = time.monotonic()
    install(cluster, "n3", older)
    cluster.until("n3 says why it does not start",
                  lambda: f"it needs protocol {newer}, and this one speaks {newer - 1} at most" in log(cluster, "n3"))
    for name in ("a", "b", "c"):
        cluster.goes_on(name, settled, 30)
    cluster.until("n3 counts as gone", lambda: cluster.node_state("n3") not in ("online", "unresponsive"))
    # Its init tries again and again, so it is enough to install the newer one.
    cluster.lab.check("n3", ["umount", "--lazy", PROGRAM])
    cluster.until("n3 is online again", lambda: cluster.node_state("n3") == "online" and cluster.volumes_are_ok())
    cluster.verdict()
