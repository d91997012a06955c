# SPDX-License-Identifier: GPL-2.0-or-later
"""--json of every verb there is: one document on standard output, and nothing else there, whatever is said to people meanwhile.
What the daemon answers is what the real one does (tests/golden/ipc)."""

import itertools
import json
import os
import signal

import pytest

from harness import HERE, ok, operation, sample, vm_state
from test_vm_add import VOLUMES, WITH_UUID, Agent

RUNNING = operation("running", vm_state("web1", "running"))
DONE = operation("done", vm_state("web1", "done", blackout_ms=180, total_ms=900))
READS = {  # what only shows something, by the verb of the IPC
    "status": ["status"],
    "node.list": ["node", "list"], "node.show": ["node", "show", "n1"],
    "vm.list": ["vm", "list"], "vm.show": ["vm", "show", "db"], "vm.explain": ["vm", "explain", "db"],
    "vm.history": ["vm", "history", "db"],
    "volume.list": ["volume", "list"], "volume.show": ["volume", "show", "csv1"],
    "fence-device.list": ["fence-device", "list"],
    "operation.list": ["operation", "list"], "operation.show": ["operation", "show", "77"],
    "event.list": ["event", "list"],
    "rule.list": ["rule", "list"], "rule.show": ["rule", "show", "web-apart"],
    "config.list": ["config", "list"], "config.get": ["config", "get", "self_fence_ms"],
    "export": ["export"],
}
CHANGES = {
    "node.drain": ["node", "drain", "n1"], "node.resume": ["node", "resume", "n1"],
    "node.fence": ["node", "fence", "n1", "--yes"], "node.confirm-off": ["node", "confirm-off", "n1", "--yes"],
    "vm.add": ["vm", "add", "web1.xml", "--start"], "vm.remove": ["vm", "remove", "web1", "--yes"],
    "vm.start": ["vm", "start", "web1"], "vm.stop": ["vm", "stop", "web1"], "vm.move": ["vm", "move", "web1", "--best-node"],
    "volume.add": ["volume", "add", "csv2", "/srv/csv2"], "volume.remove": ["volume", "remove", "csv2"],
    "fence-device.add": ["fence-device", "add", "ilo", "--agent", "fence_x", "--param", "password=p"],
    "fence-device.remove": ["fence-device", "remove", "ilo"], "fence-device.test": ["fence-device", "test", "ilo", "n1"],
    "rule.add": ["rule", "add", "web-apart", "--apart", "--vms", "web1,web2"], "rule.remove": ["rule", "remove", "web-apart"],
    "vm.set": ["vm", "set", "web1", "--priority", "5"], "node.set": ["node", "set", "n1", "--vms-max", "3"],
    "config.set": ["config", "set", "self_fence_ms", "15000"],
}
# What is followed is followed line by line, and cancelling does not wait.
OTHERS = {"operation.cancel": ["operation", "cancel", "12"]}
# What is no verb of the daemon; test_bundle.py, test_plan.py, test_vm_hosts.py, test_vm_export.py,
# test_vm_import.py, test_checkpoint.py and test_operations.py have them.
LOCAL = {"support-bundle", "plan", "host.inspect", "vm.export", "vm.import", "vm.checkpoint", "vm.adopt"}


def golden(verb):
    """An answer of the real daemon; a plain one where there is no golden file."""
    path = os.path.join(HERE, "..", "..", "golden", "ipc", f"{verb}.json")
    if not os.path.exists(path):
        return {"ok": True, "config": [{"key": "a", "value": "1", "default": True, "unit": "", "help": "..."}]}
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def only_document(done):
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)  # which takes no second one, and no word beside it
    assert document.pop("ok") is True and "id" not in document
    return document


@pytest.fixture(name="run")
def fixture_run(cluster, tmp_path):
    agents = tmp_path / "agents"
    agents.mkdir()
    agent = Agent(agents)
    (tmp_path / "web1.xml").write_text(WITH_UUID)

    def run(words):
        words = [str(tmp_path / word) if word.endswith(".xml") else word for word in words]
        return cluster.run(*words, "--json", CLUSTERD_AGENT_DIR=agent.directory)
    return run


def test_no_verb_is_missing_here(cluster):
    """The table of cli/verbs.c, as `clusterctl help` shows it."""
    lines = cluster.run("help").stdout.split("Options:")[0].splitlines()
    verbs = set()
    for at, line in enumerate(lines):
        if line.startswith("  ") and line[2] != " ":
            noun = line.split()[0]
            after = " ".join(itertools.takewhile(lambda text: text.startswith(" " * 16), lines[at + 1:]))
            listed = after.replace(",", " ").split() or [None]
            verbs |= {f"{noun}.{verb}" if verb else noun for verb in listed}
    assert len(verbs) > 25 and verbs == {*READS, *CHANGES, *OTHERS, *LOCAL}


@pytest.mark.parametrize("verb", READS)
def test_what_only_shows(cluster, run, verb):
    answer = golden(verb)
    cluster.serve({"verb": verb, "answer": answer})
    done = run(READS[verb])
    assert done.stderr == ""
    assert only_document(done) == {key: value for key, value in answer.items() if key not in ("id", "ok")}


@pytest.mark.parametrize("verb", CHANGES)
def test_a_change_that_takes_its_time(cluster, run, verb):
    """Progress and questions are for people: they go to standard error."""
    cluster.serve(VOLUMES, ok(verb, {"until": "operation.show"}, sample("web1", 50), {"send": {"operation": DONE}}, operation=12),
                  ok("operation.show", operation=RUNNING))
    done = run(CHANGES[verb])
    assert only_document(done) == {"operation": DONE}
    assert "web1: n1 -> n2, 50 %" in done.stderr


@pytest.mark.parametrize("verb", [*CHANGES, *OTHERS])
def test_a_change_that_is_done_at_once(cluster, run, verb):
    cluster.serve(VOLUMES, ok(verb, operation=0, message="so it is"))
    assert only_document(run({**CHANGES, **OTHERS}[verb])) == {"operation": 0, "message": "so it is"}


@pytest.mark.parametrize("words, rules", [
    (["status", "--watch"], [ok("status", epoch=1, vms=[])]),
    (["event", "list", "--follow"], [ok("event.list", events=golden("event.list")["events"])]),
])
def test_what_stays_writes_a_document_a_line(cluster, words, rules):
    daemon = cluster.serve(*rules)
    process = cluster.start(*words, "--json")
    first = process.stdout.readline()
    daemon.wait_for("subscribe")
    process.send_signal(signal.SIGINT)
    rest, errors = process.communicate(timeout=20)
    assert (process.returncode, errors) == (0, "")
    assert [type(json.loads(line)) for line in [first, *rest.splitlines()]] == [dict] * (1 + len(rest.splitlines()))


def test_following_an_operation_ends_with_its_document(cluster):
    cluster.serve(ok("operation.show", sample("web1", 50), {"send": {"operation": DONE}}, operation=RUNNING))
    assert only_document(cluster.run("operation", "show", "12", "--follow", "--json")) == {"operation": DONE}
