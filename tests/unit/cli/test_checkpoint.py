# SPDX-License-Identifier: GPL-2.0-or-later
"""clusterctl vm checkpoint: what the agent is asked, what is sent, what is refused before anything is done."""

import json
import os
import time

import pytest

from harness import error, ok, operation, vm_state
from test_status import vm

XML = "<domain><name>web1</name></domain>"
DISKS = {"vda": "/srv/csv1/web1.qcow2", "vdb": "/srv/csv1/data.qcow2"}
AGENT = """#!/usr/bin/python3 -B
import json, sys
assert sys.argv[1] == "checkpoint-plan" and sys.stdin.read() == XML
for line in LINES:
    print(json.dumps(line))
"""
PLAN = [{"disks": DISKS}, {"result": "ok", "state": "unknown", "element": "", "reason": ""}]
REFUSED = [{"result": "failed", "state": "unknown", "element": "/domain/devices/disk[1]",
            "reason": "vda is of format raw (/srv/csv1/web1.raw), which cannot keep a checkpoint; stop the VM and convert it to qcow2"}]


def kept(name="first", ago_s=7300, **more):
    return {"id": 41, "name": name, "time_ms": int(time.time() * 1000) - ago_s * 1000, "state": "whole", "running": True,
            "disks": ["vda", "vdb"], "reason": "", **more}


def shown(*checkpoints, **more):
    return ok("vm.show", vm={**vm("web1", **more), "xml": XML, "serial": 41, "checkpoints": list(checkpoints)})


def done_as(kind, verb):
    return ok(verb, {"send": {"operation": operation("done", vm_state("web1", "done"), kind=kind)}}, operation=12)


@pytest.fixture(name="run")
def fixture_run(cluster, tmp_path):
    def run(*words, lines=None):
        path = tmp_path / "vm"
        path.write_text(AGENT.replace("XML", repr(XML)).replace("LINES", repr(PLAN if lines is None else lines)))
        os.chmod(path, 0o755)
        return cluster.run("vm", "checkpoint", *words, CLUSTERD_AGENT_DIR=str(tmp_path))
    return run


def asked(daemon):
    return [request for request in daemon.requests if request["verb"] not in ("subscribe", "operation.show")]


def test_create_sends_what_the_agent_found(cluster, run):
    daemon = cluster.serve(shown(), ok("vm.checkpoint-create", operation=0, message=""))
    done = run("create", "web1", "first")
    assert (done.returncode, done.stderr, done.stdout) == (0, "", "checkpoint first of web1 has been made\n")
    sent = asked(daemon)[-1]
    assert {key: sent[key] for key in ("verb", "vm", "name", "serial", "disks")} == {
        "verb": "vm.checkpoint-create", "vm": "web1", "name": "first", "serial": 41, "disks": DISKS}


def test_a_disk_that_cannot_have_one(cluster, run):
    daemon = cluster.serve(shown())
    done = run("create", "web1", "first", lines=REFUSED)
    assert done.returncode == 3 and "vm checkpoint create web1: vda is of format raw" in done.stderr, done
    assert [request["verb"] for request in asked(daemon)] == ["vm.show"]


def test_list(cluster, run):
    cluster.serve(shown(kept(), kept("second", 61, running=False, disks=["vda"]),
                        kept("third", 5, state="being removed", reason="the storage has gone")))
    done = run("list", "web1")
    text = " ".join(done.stdout.split())
    assert text.startswith("NAME TIME AGE DISKS MADE NOTE first 20"), text
    for part in ("2 h 1 min vda, vdb running", "vda off", "being removed: the"):
        assert part in text, text
    document = json.loads(run("list", "web1", "--json").stdout)
    assert document["vm"] == "web1" and [row["name"] for row in document["checkpoints"]] == ["first", "second", "third"]


def test_no_checkpoints(cluster, run):
    cluster.serve(shown())
    assert run("list", "web1").stdout == "web1 has no checkpoints\n"


@pytest.mark.parametrize("verb", ["revert", "remove"])
def test_unknown(cluster, run, verb):
    """It is refused before the VM is stopped."""
    daemon = cluster.serve(shown(kept()))
    done = run(verb, "web1", "frist", *(["--stop"] if verb == "revert" else []))
    assert done.returncode == 3 and f"vm checkpoint {verb}: web1 has no checkpoint 'frist'" in done.stderr
    assert "clusterctl vm checkpoint list web1 shows them" in done.stderr
    assert [request["verb"] for request in asked(daemon)] == ["vm.show"]


def test_revert_of_a_running_vm_is_refused_by_the_cluster(cluster, run):
    cluster.serve(shown(kept()), error("vm.checkpoint-revert", "refused", "web1 is running: only a VM that is off is set back",
                                       "clusterctl vm checkpoint revert web1 first --stop"))
    done = run("revert", "web1", "first")
    assert done.returncode == 3 and "only a VM that is off" in done.stderr and "--stop" in done.stderr


def test_revert_stops_and_starts(cluster, run):
    daemon = cluster.serve(shown(kept(), state="running", wanted="running"), ok("vm.stop", operation=0, message=""),
                           ok("vm.checkpoint-revert", operation=0, message=""), ok("vm.start", operation=0, message=""))
    done = run("revert", "web1", "first", "--stop", "--start")
    assert (done.returncode, done.stdout.splitlines()) == (
        0, ["web1 is off", "the disks of web1 are those of checkpoint first", "web1 runs"]), done
    assert [request["verb"] for request in asked(daemon)] == ["vm.show", "vm.stop", "vm.show", "vm.checkpoint-revert", "vm.start"]


def test_what_cannot_be_reverted_is_not_stopped(cluster, run):
    daemon = cluster.serve(shown(kept(), state="running", wanted="running"))
    done = run("revert", "web1", "first", "--stop", lines=REFUSED)
    assert done.returncode == 3 and "vda is of format raw" in done.stderr
    assert [request["verb"] for request in asked(daemon)] == ["vm.show"]


def test_one_json_document(cluster, run):
    cluster.serve(shown(kept(), state="running", wanted="running"), ok("vm.stop", operation=0, message=""),
                  ok("vm.checkpoint-revert", operation=0, message=""), ok("vm.start", operation=0, message=""))
    document = json.loads(run("revert", "web1", "first", "--stop", "--start", "--json").stdout)
    assert document["ok"] and set(document) >= {"stop", "revert"}, document


def test_no_wait_excludes_what_needs_waiting(cluster, run):
    cluster.serve(shown(kept()))
    done = run("revert", "web1", "first", "--stop", "--no-wait")
    assert done.returncode == 2 and "give no --no-wait" in done.stderr


@pytest.mark.parametrize("words, text", [([], "vm checkpoint: the verb is missing"),
                                         (["lst", "web1"], "did you mean 'vm checkpoint list'?"),
                                         (["create", "web1"], "vm checkpoint create: the NAME is missing")])
def test_usage(run, words, text):
    done = run(*words)
    assert done.returncode == 2 and text in done.stderr
