# SPDX-License-Identifier: GPL-2.0-or-later
"""The flight recorder of real nodes: after a failover each node's bundle tells what happened, replays in the simulator to the
digest that the node itself names, and holds no secret."""

import base64
import io
import json
import os
import subprocess
import tarfile

from labkit import build
from support.cluster import Cluster

CLUSTER = Cluster("sysbundle", {"a": []}, nodes=3)
SECRET = "not-for-others"


def simulator():
    """The sim of the build that the lab runs, or of one beside it: the lab's own build has no tests."""
    directories = [os.environ.get("CLUSTERD_TEST_BUILD", ""), os.path.join(build.BUILD_ROOT, "release"), os.path.join(build.BUILD_ROOT, "dev")]
    found = [path for path in (os.path.join(directory, "tests", "sim", "sim") for directory in directories) if os.path.exists(path)]
    assert found, "there is no sim: cmake --preset dev && cmake --build --preset dev --target sim"
    return found[0]


def bundle_of(cluster, node, directory):
    """Makes a bundle on the node, and brings it here."""
    done = cluster.try_ctl("support-bundle", "--output", "/run/bundle.tar.gz", via=node)
    assert done.returncode == 0, done.stderr
    path = directory / f"{node}.tar.gz"
    path.write_bytes(base64.b64decode(cluster.lab.check(node, ["base64", "-w0", "/run/bundle.tar.gz"])))
    cluster.lab.check(node, ["rm", "/run/bundle.tar.gz"])
    return path


def contents(path):
    with tarfile.open(fileobj=io.BytesIO(path.read_bytes())) as tar:
        return {os.path.basename(member.name): tar.extractfile(member).read() for member in tar.getmembers() if member.isfile()}


def replay(path):
    """Index -> digest that it came to (the last is the node's own, if its clusterd runs), and the story."""
    done = subprocess.run([simulator(), "--replay", str(path)], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr + done.stdout[-2000:]
    story = done.stdout.splitlines()
    ends = [line.replace(",", "").split() for line in story if line.startswith("at index")]  # at index 40 the digest is D, as ...
    return {int(words[2]): words[6] for words in ends}, story


def has_no_secret(inside):
    for name, data in inside.items():
        assert SECRET.encode() not in data, name
    for line in inside["database.jsonl"].splitlines():
        row = json.loads(line)
        for holder in (row, row.get("snapshot") or {}):
            assert SECRET.encode() not in base64.b64decode(holder.get("bytes", "")), f"entry {row.get('index')}"


def test_bundles_after_a_failover(cluster, tmp_path):
    cluster.set_fence_device(f"passwd={SECRET}")
    cluster.place(a="n3")
    struck = cluster.power_off("n3")
    cluster.runs_again("a", struck)
    where = cluster.vm("a")["owner"]
    came_to, compared = {}, []
    for node in ("n1", "n2"):
        path = bundle_of(cluster, node, tmp_path)
        inside = contents(path)
        assert "missing.txt" not in inside or b".json" not in inside["missing.txt"], inside["missing.txt"]
        has_no_secret(inside)
        digests, story = replay(path)
        status = json.loads(inside["status.json"])
        assert status["node"] == node
        if status["index"] in digests:  # else something happened between the two
            assert status["digest"] == digests[status["index"]]
            compared.append(node)
        for index, digest in digests.items():
            assert came_to.setdefault(index, digest) == digest, f"at index {index} the nodes differ"
        told = "\n".join(story)
        assert all(len(line) <= 100 for line in story)
        for words in ("view of epoch", "n1 fences n3 by lab-pdu", "n3 is known to be off (fence agent)", f"order: start a on {where}",
                      f"{where} reports of order"):
            assert words in told, f"{words!r} is not told on {node}:\n{told}"
    assert compared, f"status never told the digest of an index that was replayed: {came_to}"
    cluster.verdict()


def test_a_bundle_of_a_node_whose_clusterd_is_dead(cluster, tmp_path):
    cluster.place(a="n1")
    cluster.lab.ask_init("n2", {"stop": "clusterd"})
    cluster.until("n2 has left", lambda: cluster.node_state("n2", via="n1") == "offline")
    path = bundle_of(cluster, "n2", tmp_path)
    inside = contents(path)
    assert b"status.json: clusterd is not running on this node" in inside["missing.txt"]
    assert "status.json" not in inside and b"clusterd" in inside["clusterd.log"]
    replay(path)
    cluster.lab.ask_init("n2", {"start": "clusterd"})
    cluster.until("n2 is online again", lambda: cluster.node_state("n2", via="n1") == "online")
    cluster.verdict()
