# SPDX-License-Identifier: GPL-2.0-or-later
"""clusterctl vm import: the agent is asked in this order, and nothing is copied that the cluster would refuse."""

import json
import os

import pytest

from harness import error, ok
from test_vm_add import VOLUMES

AGENT = """#!/usr/bin/python3 -B
import json, os, sys
params = {key[11:]: value for key, value in os.environ.items() if key.startswith("OCF_RESKEY_")}
action = sys.argv[1]
with open(os.path.dirname(os.path.abspath(__file__)) + "/calls", "a") as file:
    file.write(json.dumps([action + ("?" if params.get("dry_run") == "1" else ""), params]) + chr(10))
plan = {"vm": "web", "from": "h9", "to": "n1", "how": "HOW", "files": [
    {"disk": "vda", "from": "/a/web.raw", "to": "/srv/csv1/web.raw", "format": "raw", "bytes": 1048576, "allocated": 0}]}
final = {"result": "ok", "state": "off", "reason": "", "total_ms": 900}
needs = {"name": "web", "uuid": "6ba7b810-9dad-41d1-80b4-00c04fd430c8", "memory_mb": 512, "vcpus": 2, "volumes": ["csv1"]}
if action == "host-move":
    print(json.dumps({"plan": plan}))
    if params["dry_run"] == "1":
        print(json.dumps({"definition": "<domain><name>web</name><uuid>6ba7b810-9dad-41d1-80b4-00c04fd430c8</uuid></domain>"}))
elif action == "validate-all":
    print(json.dumps({"needs": needs}))
    final = VALID
print(json.dumps(final))
"""
VALID = '{"result": "ok", "element": "", "reason": ""}'
WORDS = ("vm", "import", "qemu+tls://h9/system", "web", "--storage", "csv1", "--node", "n1")
LISTS = [VOLUMES, ok("vm.list", vms=[])]


@pytest.fixture(name="run")
def agent_and_command(cluster, tmp_path):
    directory = tmp_path / "agents"
    directory.mkdir()

    def run(*words, how="off", valid=VALID):
        path = directory / "vm"
        path.write_text(AGENT.replace("HOW", how).replace("VALID", valid))
        os.chmod(path, 0o755)
        return cluster.run(*words, CLUSTERD_AGENT_DIR=str(directory))
    run.calls = lambda: [json.loads(line) for line in (directory / "calls").read_text().splitlines()]
    run.actions = lambda: [action for action, _ in run.calls()]
    return run


def test_import(cluster, run):
    cluster.serve(*LISTS, VOLUMES, VOLUMES, ok("vm.add", operation=0))
    done = run(*WORDS, "--remove-source", "--no-wait")
    assert done.returncode == 0, done.stderr
    assert run.actions() == ["host-move?", "validate-all", "host-move", "validate-all", "host-forget"]
    move = run.calls()[2][1]
    assert (move["uri"], move["target_uri"], move["dest"], move["remove_source"]) == (
        "qemu+tls://h9/system", "qemu+tls://n1/system", "/srv/csv1", "1")
    assert run.calls()[4][1]["uri"] == "qemu+tls://n1/system"
    added = cluster.requests[-1]
    assert added["verb"] == "vm.add" and added["name"] == "web" and added["start"] is False
    assert "imp" not in done.stderr and "web: h9 -> n1, off, done in 900 ms" in done.stdout


def test_what_runs_is_taken_over(cluster, run):
    cluster.serve(*LISTS, VOLUMES, VOLUMES, ok("vm.add", operation=0))
    done = run(*WORDS, "--start", "--priority", "7", "--no-wait", how="live")
    assert (done.returncode, done.stderr) == (0, "")
    assert run.actions() == ["host-move?", "validate-all", "host-move", "validate-all"]
    added = cluster.requests[-1]
    assert (added["verb"], added["adopt"], added["start"], added["priority"]) == ("vm.add", True, False, 7)
    assert "web: h9 -> n1, live, done in 900 ms" in done.stdout


@pytest.mark.parametrize("shown, advice", [
    (error("vm.show", "not-found", "there is no VM web"),
     "virsh -c qemu+tls://n1/system dumpxml --inactive --security-info web | clusterctl vm add - --adopt"),
    (ok("vm.show", vm={"name": "web"}), "clusterctl vm adopt web"),
])
def test_it_runs_on_the_node_and_is_not_taken_over(cluster, run, shown, advice):
    cluster.serve(*LISTS, VOLUMES, VOLUMES, error("vm.add", "refused", "no"), shown)
    done = run(*WORDS, how="live")
    assert done.returncode == 3 and "web runs" in done.stderr and advice in done.stderr, done


@pytest.mark.parametrize("more, reason", [
    ({"how": "live", "valid": '{"result": "failed", "element": "/domain", "reason": "no"}'}, "cannot be made highly available"),
    ({"valid": '{"result": "failed", "element": "/domain", "reason": "no"}'}, "cannot be made highly available"),
])
def test_refused_before_anything_is_copied(cluster, run, more, reason):
    cluster.serve(*LISTS, VOLUMES)
    done = run(*WORDS, **more)
    assert done.returncode == 3 and reason in done.stderr, done
    assert "host-move" not in run.actions()


def test_the_cluster_has_it_already(cluster, run):
    cluster.serve(VOLUMES, ok("vm.list", vms=[{"name": "web"}]))
    done = run(*WORDS)
    assert done.returncode == 3 and "the cluster has a VM web already" in done.stderr, done


def test_wrong_words(cluster, run):
    assert run(*WORDS[:4]).returncode == 2
    cluster.serve(VOLUMES)
    done = run(*WORDS[:5], "nowhere")
    assert done.returncode == 3 and "there is no volume 'nowhere'" in done.stderr, done
