# SPDX-License-Identifier: GPL-2.0-or-later
"""clusterctl vm export: the cluster gives a VM up before its files are copied, and gets it back as it was if that fails."""

import json
import os
import re

import pytest

from harness import error, ok
from test_vm_add import VOLUMES

AGENT = """#!/usr/bin/python3 -B
import json, os, sys
params = {key[11:]: value for key, value in os.environ.items() if key.startswith("OCF_RESKEY_")}
action = sys.argv[1] + ("?" if params.get("dry_run") == "1" else "")
with open(os.path.dirname(os.path.abspath(__file__)) + "/calls", "a") as file:
    file.write(json.dumps([action, params, sys.stdin.read() if action in ("host-define", "validate-all") else ""]) + chr(10))
plan = {"vm": "web", "from": "n1", "to": "h9", "how": "off", "files": [
    {"disk": "vda", "from": "/srv/csv1/web.raw", "to": "/a/web.raw", "format": "raw", "bytes": 1048576, "allocated": 0}]}
if action == "validate-all":
    print(json.dumps({"needs": {"name": "web", "uuid": "6ba7b810-9dad-41d1-80b4-00c04fd430c8", "memory_mb": 512, "vcpus": 2, "volumes": ["csv1"]}}))
if action.startswith("host-move"):
    print(json.dumps({"plan": plan}))
final = {"result": "ok", "state": "off", "element": "", "reason": "", "total_ms": 900}
final.update(SPECIAL.get(action, {}))
if final["result"] != "none":
    print(json.dumps(final))
"""
XML = "<domain><name>web</name></domain>"
WORDS = ("vm", "export", "web", "--to", "qemu+tls://h9/system", "--storage", "/a", "--node", "n1")
SETTINGS = {"priority": 7, "possible": ["n1", "n2"], "preferred": ["n1"], "resources": {"vgpu": 1}, "move_policy": "live"}
MORE = {"auto_start": False, "mobility": "quick", "max_downtime_ms": 80}
SHOWN = {"name": "web", "state": "off", "wanted": "stopped", "xml": XML, **SETTINGS, **MORE}
NO_RULES = ok("rule.list", rules=[])


def shown(**more):
    return ok("vm.show", vm={**SHOWN, **more})


@pytest.fixture(name="run")
def agent_and_command(cluster, tmp_path):
    directory = tmp_path / "agents"
    directory.mkdir()

    def run(*words, **special):
        path = directory / "vm"
        special = {action.replace("_", "-").replace("-dry", "?"): answer for action, answer in special.items()}
        path.write_text(AGENT.replace("SPECIAL", repr(special)))
        os.chmod(path, 0o755)
        return cluster.run(*words, CLUSTERD_AGENT_DIR=str(directory))
    run.calls = lambda: [json.loads(line) for line in (directory / "calls").read_text().splitlines()]
    run.actions = lambda: [call[0] for call in run.calls()]
    run.asked = lambda: [request["verb"] for request in cluster.requests]
    return run


def test_export(cluster, run):
    cluster.serve(shown(), NO_RULES, VOLUMES, ok("vm.remove", operation=0))
    done = run(*WORDS, "--remove-source")
    assert (done.returncode, done.stderr) == (0, ""), done
    assert run.actions() == ["validate-all", "host-define", "host-move?", "host-move"]
    assert run.calls()[1][2] == XML and run.calls()[1][1]["uri"] == "qemu+tls://n1/system"
    move = run.calls()[3][1]
    assert (move["uri"], move["target_uri"], move["dest"], move["remove_source"]) == (
        "qemu+tls://n1/system", "qemu+tls://h9/system", "/a", "1")
    assert run.asked() == ["vm.show", "rule.list", "volume.list", "vm.remove"]
    assert "web: n1 -> h9, off, done in 900 ms" in done.stdout


def test_json(cluster, run):
    cluster.serve(shown(), NO_RULES, VOLUMES, ok("vm.remove", operation=0))
    done = run(*WORDS, "--json")
    document = json.loads(done.stdout)
    assert document["ok"] and document["plan"]["to"] == "h9"


@pytest.mark.parametrize("as_json", [True, False])
def test_dry_run_changes_nothing(cluster, run, as_json):
    cluster.serve(shown(), NO_RULES, VOLUMES)
    done = run(*WORDS, "--dry-run", *(["--json"] if as_json else []))
    assert (done.returncode, done.stderr) == (0, ""), done
    assert run.actions() == ["validate-all", "host-define", "host-move?", "host-forget"]
    assert "/a/web.raw" in done.stdout and ("nothing was moved" in done.stdout) != as_json
    assert not as_json or json.loads(done.stdout)["plan"]["how"] == "off"


@pytest.mark.parametrize("rules, message", [
    ([shown(state="starting", wanted="running")],
     "web is starting, and wanted running; it leaves the cluster while it runs, or while it is off"),
    ([shown(state="running", wanted="stopped")], "web is running, and wanted stopped"),
    ([shown(wanted="running")], "web is off, and wanted running"),
    ([shown(), ok("rule.list", rules=[{"name": "r1", "vms": ["a", "web"]}])], "rule r1 names web"),
    ([error("vm.show", "not-found", "there is no VM web", "clusterctl vm list")], "there is no VM web"),
])
def test_refused_before_anything_is_done(cluster, run, rules, message):
    cluster.serve(*rules)
    done = run(*WORDS)
    assert done.returncode == 3 and message in done.stderr, done
    assert not os.path.exists(os.path.join(os.path.dirname(str(cluster.directory)), "calls")) and "vm.remove" not in run.asked()


@pytest.mark.parametrize("special, actions, code", [
    ({"host_define": {"result": "failed", "refused": True, "reason": "has a VM of that name already"}},
     ["validate-all", "host-define"], 3),
    ({"host_move_dry": {"result": "failed", "refused": True, "reason": "h9 has no room"}},
     ["validate-all", "host-define", "host-move?", "host-forget"], 3),
])
def test_refused_with_the_vm_in_the_cluster(cluster, run, special, actions, code):
    cluster.serve(shown(), NO_RULES, VOLUMES, ok("vm.remove", operation=0))
    done = run(*WORDS, **special)
    assert done.returncode == code and next(iter(special.values()))["reason"] in done.stderr, done
    assert run.actions() == actions and "vm.remove" not in run.asked()


def test_the_cluster_does_not_let_it_go(cluster, run):
    cluster.serve(shown(), NO_RULES, VOLUMES, error("vm.remove", "refused", "web runs", ""))
    done = run(*WORDS)
    assert done.returncode == 3 and "web runs" in done.stderr
    assert run.actions()[-2:] == ["host-move?", "host-forget"]


def test_a_move_that_fails_gives_it_back_as_it_was(cluster, run):
    cluster.serve(shown(), NO_RULES, VOLUMES, ok("vm.remove", operation=0), ok("vm.add", operation=0), ok("vm.set", operation=0))
    done = run(*WORDS, host_move={"result": "failed", "reason": "the network is gone"})
    assert done.returncode == 1 and "the network is gone" in done.stderr
    assert "web is a VM of the cluster again, as it was" in done.stderr
    assert run.actions()[-2:] == ["host-move", "host-forget"]
    add, change = cluster.requests[-2:]
    assert add["verb"] == "vm.add" and {key: add[key] for key in SETTINGS} == SETTINGS and add["xml"] == XML
    assert change["verb"] == "vm.set" and {key: change[key] for key in MORE} == MORE


def kept_definition(done):
    (path,) = re.findall(r"is in (/var/tmp/clusterd-web-\w+.xml)", done.stderr)
    with open(path, encoding="utf-8") as file:
        text = file.read()
    assert os.stat(path).st_mode & 0o777 == 0o600
    os.unlink(path)
    return text


@pytest.mark.parametrize("add", [True, False])
def test_it_is_said_where_the_vm_is(cluster, run, add):
    """The agent died without a word, or the cluster does not take the VM back: a person decides."""
    refusal = error("vm.add", "refused", "no", "")
    cluster.serve(shown(), NO_RULES, VOLUMES, ok("vm.remove", operation=0), *([refusal] if add else []))
    done = run(*WORDS, host_move={"result": "failed" if add else "none", "reason": "x"})
    assert done.returncode != 0
    assert "web is a VM of libvirt on the node now (off), and not of the cluster" in done.stderr
    assert "clusterctl vm move web --from qemu+tls://n1/system --to qemu+tls://h9/system" in done.stderr
    assert "host-forget" not in run.actions() and ("vm.add" in run.asked()) == add
    assert kept_definition(done) == XML


@pytest.mark.parametrize("words, message", [
    (WORDS[:3], "give --to URI"), (WORDS[:5], "give --storage DIRECTORY"),
    ((*WORDS[:6], "csv1"), "give the absolute path of a directory on the host"),
])
def test_wrong_words(cluster, run, words, message):
    cluster.serve(shown())
    done = run(*words)
    assert done.returncode == 2 and message in done.stderr
    assert not cluster.requests


# -- live --

LIVE = {"state": "running", "wanted": "running", "owner": "n2", "generation": 41}
LIVE_WORDS = WORDS[:-2]  # without --node


def test_live_export_is_released_where_it_runs(cluster, run):
    cluster.serve(shown(**LIVE), NO_RULES, VOLUMES, ok("event.subscribe"), ok("vm.remove", operation=0, message="web has left"))
    done = run(*LIVE_WORDS)
    assert (done.returncode, done.stderr) == (0, ""), done
    assert run.actions() == ["validate-all", "host-move?", "host-move"]
    plan, move = (call[1] for call in run.calls()[1:])
    assert plan["uri"] == move["uri"] == "qemu+tls://n2/system" and plan["generation"] == "41"
    remove = cluster.requests[-1]
    assert (remove["verb"], remove["vm"], remove["release"]) == ("vm.remove", "web", "n2")


def test_live_dry_run_changes_nothing(cluster, run):
    cluster.serve(shown(**LIVE), NO_RULES, VOLUMES)
    done = run(*LIVE_WORDS, "--dry-run")
    assert (done.returncode, done.stderr) == (0, ""), done
    assert run.actions() == ["validate-all", "host-move?"] and "vm.remove" not in run.asked()


def test_live_is_not_released(cluster, run):
    cluster.serve(shown(**LIVE), NO_RULES, VOLUMES, ok("event.subscribe"), error("vm.remove", "refused", "web runs on n3, not on n2", ""))
    done = run(*LIVE_WORDS)
    assert done.returncode == 3 and "web runs on n3, not on n2" in done.stderr
    assert run.actions()[-1] == "host-move?"


def test_live_move_that_fails_is_taken_back_as_it_runs(cluster, run):
    cluster.serve(shown(**LIVE), NO_RULES, VOLUMES, ok("event.subscribe"), ok("vm.remove", operation=0), ok("vm.add", operation=0),
                  ok("vm.set", operation=0))
    done = run(*LIVE_WORDS, host_move={"result": "failed", "state": "running", "reason": "the network is gone"})
    assert done.returncode == 1 and "the network is gone" in done.stderr
    assert "web is a VM of the cluster again, and ran all the time" in done.stderr
    assert run.actions()[-1] == "host-move"
    add, change = cluster.requests[-2:]
    assert add["verb"] == "vm.add" and add["adopt"] is True and add["xml"] == XML
    assert change["verb"] == "vm.set"


@pytest.mark.parametrize("answer, state", [
    ({"result": "none"}, "unknown"),
    ({"result": "failed", "state": "paused", "reason": "it stands still"}, "paused"),
    ({"result": "failed", "state": "off", "reason": "it has arrived but could not be resumed"}, "off"),
])
def test_a_live_vm_is_taken_back_only_if_it_runs(cluster, run, answer, state):
    cluster.serve(shown(**LIVE), NO_RULES, VOLUMES, ok("event.subscribe"), ok("vm.remove", operation=0))
    done = run(*LIVE_WORDS, host_move=answer)
    assert done.returncode == 1 and f"web is a VM of libvirt on the node now ({state}), and not of the cluster" in done.stderr, done
    assert "clusterctl vm add - --adopt" in done.stderr and run.asked()[-1] == "vm.remove"
    assert kept_definition(done) == XML


def test_the_cluster_does_not_take_it_back(cluster, run):
    cluster.serve(shown(**LIVE), NO_RULES, VOLUMES, ok("event.subscribe"), ok("vm.remove", operation=0), ok("event.subscribe"),
                  error("vm.add", "refused", "the nodes have no quorum", ""), ok("vm.set", operation=0))
    done = run(*LIVE_WORDS, "--json", host_move={"result": "failed", "state": "running", "reason": "the network is gone"})
    assert done.returncode == 1 and "clusterctl vm show web says whether the cluster has it again" in done.stderr, done
    assert json.loads(done.stdout)["error"]["message"] == "the network is gone"
    assert kept_definition(done) == XML
