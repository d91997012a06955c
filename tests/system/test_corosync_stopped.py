# SPDX-License-Identifier: GPL-2.0-or-later
"""corosync is stopped (SIGSTOP) at some point of its start: its node stops its VMs within self_fence_ms all the same, clusterd
answers clusterctl, and goes on when corosync does.
"""

import os
import time

import pytest

from support.cluster import Cluster
from support.marks import seldom

CLUSTER = Cluster("sysstopped", {"a": [], "b": [], "c": []}, nodes=3, watchdog=False)

SELF_FENCE_S = 10
SLACK_S = 3  # for the agent that destroys the VM, on a busy machine

# Kills corosync and stops the next one that its init starts, so many seconds after its name "cmap" can be connected to. The
# listening socket is there before its answers are: "-" stops it at once when it is started.
STRIKE = r"""
import os, signal, socket, subprocess, sys, time
old, after = sys.argv[1], sys.argv[2]
os.kill(int(old), signal.SIGKILL)
def found():
    out = subprocess.run(["pgrep", "-x", "corosync"], stdout=subprocess.PIPE, text=True).stdout.split()
    return next((int(pid) for pid in out if pid != old), None)
def listens():
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect("\0cmap".ljust(108, "\0"))
        except OSError:
            return False
    return True
while not (pid := found()):
    pass
if after != "-":
    while not listens():
        pass
    time.sleep(float(after))
os.kill(pid, signal.SIGSTOP)
print(pid)
"""


def strike(cluster, node, after):
    """Returns when, and the pid of the corosync that is stopped."""
    cluster.mark(f"corosync on {node} is killed, and its successor stopped: {after}")
    struck = time.monotonic()
    done = cluster.lab.run(node, ["python3", "-c", STRIKE, str(cluster.unit_pid(node, "corosync")), after], timeout_s=30)
    assert done.returncode == 0, done.stderr
    pid = int(done.stdout)
    cluster._stopped.append((node, "corosync", pid))
    return struck, pid


def answers_at_once(cluster, node):
    began = time.monotonic()
    said = cluster.try_ctl("status", "--json", via=node, timeout_s=5)
    assert '"problems"' in said.stdout, f"clusterctl got no answer: {said.stderr}"
    assert time.monotonic() - began < 3


def is_destroyed_in_time(cluster, name, node, struck):
    """No QEMU of that VM on that node any more; the loop's timers went on meanwhile."""
    limit = SELF_FENCE_S + SLACK_S
    while any(qemu.name == name and qemu.node == node for qemu in cluster.sampler.alive()):
        assert time.monotonic() - struck < limit, f"{name} still runs on {node} {limit} s after the blow"
        answers_at_once(cluster, node)
    cluster.mark(f"{name} is gone from {node}")


def clusterd_log(cluster, node):
    with open(os.path.join(cluster.lab.settings.path("nodes", node), "var/log/clusterd.log"), encoding="utf-8", errors="replace") as file:
        return file.read()


@pytest.mark.parametrize("after", ["-", "0", "0.05", seldom("0.2"), seldom("0.5")])
def test_stopped_while_it_starts(cluster, after):
    """Neither a watchdog nor a fence device helps: clusterd itself must stop the VM."""
    cluster.place(a="n1", b="n2", c="n3")
    cluster.set_fence_device(None)
    before = len(clusterd_log(cluster, "n3"))
    pid = cluster.unit_pid("n3", "clusterd")
    struck, _ = strike(cluster, "n3", after)
    is_destroyed_in_time(cluster, "c", "n3", struck)
    answers_at_once(cluster, "n3")
    assert cluster.unit_pid("n3", "clusterd") == pid
    assert clusterd_log(cluster, "n3")[before:].count("waiting for corosync: corosync does not answer") <= 1
    cluster.go_on("n3", "corosync")
    cluster.until("n3 is online again", lambda: cluster.node_state("n3") == "online")
    cluster.set_fence_device()
    assert cluster.unit_pid("n3", "clusterd") == pid
    cluster.verdict()


def test_clusterd_ends_while_its_thread_waits(cluster):
    """It does not wait for the answer of a corosync that is stopped."""
    cluster.place(a="n1", b="n2", c="n1")
    strike(cluster, "n3", "-")
    cluster.until("clusterd on n3 has no quorum", lambda: not cluster.status("n3")["usable"])
    cluster.until("it says what it waits for", lambda: "waiting for corosync: corosync does not answer" in clusterd_log(cluster, "n3"), 10)
    cluster.lab.ask_init("n3", {"stop": "clusterd"})
    cluster.until("clusterd has ended on n3", lambda: not cluster.unit_pid("n3", "clusterd"), 10)
    cluster.go_on("n3", "corosync")
    cluster.lab.ask_init("n3", {"start": "clusterd"})
    cluster.until("n3 is online again", lambda: cluster.node_state("n3") == "online")
    cluster.verdict()
