# SPDX-License-Identifier: GPL-2.0-or-later
"""clusterctl vm move --storage: what the agent is asked, what is sent, and what is shown meanwhile."""

import json
import os
import subprocess

import pytest

from harness import CLUSTERCTL, check_golden, environment, error, ok, operation, sample, vm_state
from test_status import status, vm
from test_vm_add import VOLUMES

XML = "<domain><name>web1</name><disk>/srv/csv1/web1.qcow2</disk></domain>"
MOVED = XML.replace("csv1", "csv2")
FILES = [{"disk": "vda", "from": "/srv/csv1/web1.qcow2", "to": "/srv/csv 2/web1.qcow2", "format": "qcow2", "bytes": 21474836480,
          "allocated": 4096},
         {"disk": "nvram", "from": "/srv/csv1/web1.fd", "to": "/srv/csv 2/web1.fd", "format": "raw", "bytes": 540672, "allocated": 540672}]
SENT = [{key: file[key] for key in ("disk", "from", "to", "bytes")} for file in FILES]
LINES = ["vda: /srv/csv1/web1.qcow2 -> /srv/csv 2/web1.qcow2, 20 GiB", "nvram: /srv/csv1/web1.fd -> /srv/csv 2/web1.fd, 1 MiB"]

# An agent that keeps what it was asked, one line for each call, and answers what PLAN and NEEDS say.
AGENT = """#!/usr/bin/python3 -B
import json, os, sys
xml = sys.stdin.read()
here = os.path.dirname(os.path.abspath(__file__))
params = {key[11:]: value for key, value in os.environ.items() if key.startswith("OCF_RESKEY_")}
with open(here + "/calls", "a") as file:
    file.write(json.dumps({"action": sys.argv[1], "xml": xml, "params": params, "vm": os.environ["OCF_RESOURCE_INSTANCE"]}) + chr(10))
plan = {"files": FILES, "definition": MOVED}
needs = {"name": "web1", "uuid": "u", "memory_mb": 512, "vcpus": 2, "volumes": ["csv2"]}
ok = {"result": "ok", "state": "unknown", "element": "", "reason": ""}
def say(*lines):
    for line in lines:
        print(json.dumps(line))
if sys.argv[1] == "copy-plan":
    PLAN
else:
    NEEDS
"""


class Agent:
    def __init__(self, directory):
        self.directory = str(directory)
        self.answer()

    def answer(self, plan="say(plan, ok)", needs='say({"needs": needs}, ok)', files=None):
        text = AGENT.replace("PLAN", plan).replace("NEEDS", needs)
        text = text.replace("FILES", repr(FILES if files is None else files)).replace("MOVED", repr(MOVED))
        path = os.path.join(self.directory, "vm")
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path, 0o755)

    @property
    def calls(self):
        path = os.path.join(self.directory, "calls")
        if not os.path.exists(path):
            return []
        with open(path, encoding="utf-8") as file:
            return [json.loads(line) for line in file]


@pytest.fixture
def agent(tmp_path):
    directory = tmp_path / "agents"
    directory.mkdir()
    return Agent(directory)


@pytest.fixture
def move(cluster, agent):
    def run(*words, **env):
        env.setdefault("CLUSTERD_AGENT_DIR", agent.directory)
        return cluster.run("vm", "move", "web1", *words, **env)
    return run


SHOWN = ok("vm.show", vm={**vm("web1", state="off", wanted="stopped"), "xml": XML, "serial": 41})
RUNNING = operation("running", vm_state("web1", "running", target=None, mode="auto"), kind="storage move", subject="web1")
DONE = operation("done", vm_state("web1", "done", target=None, mode="auto", total_ms=2300), kind="storage move", subject="web1")


def copying(percent):
    """A sample as the agent's copy gives it: nothing becomes dirty, and there is one pass."""
    return sample("web1", percent, dirty_bps=0, iteration=0)


def moving(*then):
    return [SHOWN, VOLUMES, ok("vm.storage", {"until": "operation.show"}, *then, operation=12), ok("operation.show", operation=RUNNING)]


def verbs(cluster):
    return [request["verb"] for request in cluster.requests]


def test_the_files_of_a_vm_move(cluster, agent, move):
    cluster.serve(*moving(copying(12), copying(47), {"send": {"operation": DONE}}))
    done = move("--storage", "csv2")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        *LINES, "web1: on n1, 12 %, 812M/s, 310 MiB left", "web1: on n1, 47 %, 812M/s, 310 MiB left", "web1: on n1, done in 2.3 s",
        "storage move web1 done in 2.3 s"]
    volumes = "csv1=/srv/csv1:csv2=/srv/csv 2"
    assert agent.calls == [
        {"action": "copy-plan", "xml": XML, "vm": "web1",
         "params": {"volumes": volumes, "dest": "/srv/csv 2", "disks": "", "disks_only": "0", "running": "0"}},
        {"action": "validate-all", "xml": MOVED, "vm": "web1", "params": {"volumes": volumes}}]
    assert cluster.requests == [
        {"verb": "vm.show", "vm": "web1"}, {"verb": "volume.list"}, {"verb": "subscribe"},
        {"verb": "vm.storage", "vm": "web1", "serial": 41, "files": SENT, "xml": MOVED, "volumes": ["csv2"]},
        {"verb": "operation.show", "operation": 12}]


@pytest.mark.parametrize("words, params", [
    (["--storage", "/srv/csv1/new"], {"dest": "/srv/csv1/new"}),
    (["--storage=csv1", "--disks-only"], {"dest": "/srv/csv1", "disks_only": "1"}),
    (["--disk", "vda=/srv/csv1/a"], {"disks": "vda=/srv/csv1/a\n"}),
    (["--disk", "vda=/a", "--storage", "csv1", "--disk", "nvram=/b,format=raw"], {"dest": "/srv/csv1", "disks": "vda=/a\nnvram=/b,format=raw\n"}),
], ids=["directory", "disks-only", "one-disk", "both"])
def test_what_the_agent_is_asked(cluster, agent, move, words, params):
    cluster.serve(SHOWN, VOLUMES, ok("vm.storage", operation=12))
    done = move(*words, "--no-wait")
    assert (done.returncode, done.stderr) == (0, "")
    assert agent.calls[0]["params"] == {"volumes": "csv1=/srv/csv1:csv2=/srv/csv 2", "dest": "", "disks": "", "disks_only": "0",
                                        "running": "0", **params}


def test_no_wait(cluster, move):
    cluster.serve(SHOWN, VOLUMES, ok("vm.storage", operation=12))
    done = move("--storage", "csv2", "--no-wait")
    assert done.stdout.splitlines() == [
        *LINES, "operation 12 has started; watch it with: clusterctl operation show 12 --follow"]
    assert verbs(cluster) == ["vm.show", "volume.list", "vm.storage"]


def test_json_is_one_document(cluster, move):
    cluster.serve(*moving(copying(47), {"send": {"operation": DONE}}))
    done = move("--storage", "csv2", "--json")
    assert done.returncode == 0
    assert json.loads(done.stdout) == {"ok": True, "operation": DONE}
    assert done.stderr.splitlines() == [*LINES, "web1: on n1, 47 %, 812M/s, 310 MiB left", "web1: on n1, done in 2.3 s"]


def test_dry_run(cluster, move):
    cluster.serve(SHOWN, VOLUMES)
    done = move("--storage", "csv2", "--dry-run")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [*LINES, "dry run: nothing was moved"]
    done = move("--storage", "csv2", "--dry-run", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == {"ok": True, "plan": FILES, "volumes": ["csv2"]}
    assert set(verbs(cluster)) == {"vm.show", "volume.list"}


TO_NODE = ok("vm.move", operation=0, message="web1 belongs to n2 now")


@pytest.mark.parametrize("mode", ["auto", "live", "quick"])
def test_files_then_the_vm(cluster, move, mode):
    cluster.serve(*moving({"send": {"operation": DONE}}), TO_NODE)
    done = move("--storage", "csv2", "--to", "n2", *([f"--{mode}"] if mode != "auto" else []))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-2:] == ["storage move web1 done in 2.3 s", "web1 belongs to n2 now"]
    asked = [request for request in cluster.requests if request["verb"] in ("vm.storage", "vm.move")]
    assert asked[0]["verb"] == "vm.move" and asked[0]["dry_run"] is True, "could it move at all?"
    asked = asked[1:]
    assert [request["verb"] for request in asked] == ["vm.storage", "vm.move"]
    assert (asked[1]["to"], asked[1]["mode"]) == ("n2", mode) and "dry_run" not in asked[1]


def test_files_then_the_vm_in_one_document(cluster, move):
    cluster.serve(*moving({"send": {"operation": DONE}}), TO_NODE)
    done = move("--storage", "csv2", "--best-node", "--json")
    document = json.loads(done.stdout)
    assert done.returncode == 0 and document["ok"] and document["storage"] == {"operation": DONE}
    assert document["operation"] == 0 and document["message"] == "web1 belongs to n2 now"


def test_files_move_and_the_vm_does_not(cluster, move):
    cluster.serve(*moving({"send": {"operation": DONE}}), {**TO_NODE, "times": 1},
                  error("vm.move", "refused", "n2 has no room for web1", ""))
    done = move("--storage", "csv2", "--to", "n2", "--json")
    document = json.loads(done.stdout)
    assert done.returncode == 3 and document["storage"] == {"operation": DONE}
    assert (document["ok"], document["error"]["message"]) == (False, "n2 has no room for web1")


def test_the_vm_does_not_move_without_its_files(cluster, move):
    cluster.serve(SHOWN, VOLUMES, TO_NODE, error("vm.storage", "refused", "csv2 is full", ""))
    done = move("--storage", "csv2", "--to", "n2")
    assert done.returncode == 3 and "csv2 is full" in done.stderr
    assert [request for request in cluster.requests if request["verb"] == "vm.move" and not request.get("dry_run")] == []


def test_files_stay_if_the_vm_cannot_move(cluster, move):
    cluster.serve(SHOWN, VOLUMES, error("vm.move", "not-found", "there is no node 'n9'", "clusterctl node list"))
    done = move("--storage", "csv2", "--to", "n9")
    assert done.returncode == 3 and "there is no node 'n9'" in done.stderr
    assert "vm.storage" not in verbs(cluster)


def test_dry_run_of_both(cluster, move):
    plan = [{"vm": "web1", "from": "", "to": "n2", "reason": "asked for"}]
    cluster.serve(SHOWN, VOLUMES, ok("vm.move", operation=0, plan=plan))
    done = move("--storage", "csv2", "--to", "n2", "--dry-run")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[:len(LINES)] == LINES and done.stdout.count("nothing was moved") == 1
    document = json.loads(move("--storage", "csv2", "--to", "n2", "--dry-run", "--json").stdout)
    assert document["storage"] == {"plan": FILES, "volumes": ["csv2"]} and document["plan"] == plan


def test_on_a_terminal(cluster, agent):
    cluster.serve(*moving(copying(47), {"until": "never"}))
    terminal = cluster.terminal("vm", "move", "web1", "--storage", "csv2", CLUSTERD_AGENT_DIR=agent.directory)
    terminal.wait_for(r"web1 on n1 \[=+> +\]  47% +812M/s$")
    assert "nvram: /srv/csv1/web1.fd -> /srv/csv 2/web1.fd, 1 MiB" in terminal.screen()
    terminal.type("\x03")
    assert terminal.end() == 130
    assert terminal.widest <= 80


# ---- what is refused


def test_a_plan_is_refused_in_the_agents_words(cluster, agent, move):
    cluster.serve(SHOWN, VOLUMES)
    reason = "vda: /srv/csv2/web1.qcow2 exists on n1 already; remove it if nobody needs it, or choose another place (vda=/path)"
    refusal = {"result": "failed", "state": "unknown", "element": "/domain/devices/disk[1]/source", "reason": reason}
    agent.answer(plan=f"say({refusal!r}); sys.exit(6)")
    for dry in ([], ["--dry-run"]):
        done = move("--storage", "csv2", *dry)
        assert (done.returncode, done.stdout, done.stderr) == (3, "", f"clusterctl: vm move web1: {reason}\n")
    document = json.loads(move("--storage", "csv2", "--json").stdout)
    assert document["exit"] == 3 and document["error"]["code"] == "refused"
    assert document["element"] == "/domain/devices/disk[1]/source"
    assert set(verbs(cluster)) == {"vm.show", "volume.list"}


def test_a_definition_that_could_not_run_elsewhere(cluster, agent, move):
    cluster.serve(SHOWN, VOLUMES)
    refusal = {"result": "failed", "element": "/domain/devices/disk[1]", "reason": "it lies on no volume", "problems": [
        {"element": "/domain/devices/disk[1]", "reason": "it lies on no volume"}]}
    agent.answer(needs=f"say({refusal!r}); sys.exit(6)")
    done = move("--storage", "csv2")
    assert done.returncode == 3
    assert done.stderr == ("clusterctl: vm move web1: with its files there it could not be highly available: "
                           "/domain/devices/disk[1]: it lies on no volume\n")
    assert verbs(cluster) == ["vm.show", "volume.list"]


def test_the_cluster_may_refuse_too(cluster, move):
    words = "web1 stands still: its files can be moved only while it is off, or runs undisturbed"
    cluster.serve(SHOWN, VOLUMES, error("vm.storage", "refused", words, "clusterctl vm stop web1 first"))
    done = move("--storage", "csv2")
    assert (done.returncode, done.stderr) == (3, f"clusterctl: {words}\n  to do: clusterctl vm stop web1 first\n")


def test_a_move_that_fails(cluster, move):
    failed = operation("failed", vm_state("web1", "failed", target=None, mode="auto", reason="web1 on n1: somebody writes to it"),
                       kind="storage move", subject="web1", reason="web1 on n1: somebody writes to it")
    cluster.serve(*moving({"send": {"operation": failed}}))
    done = move("--storage", "csv2")
    assert done.returncode == 1
    assert "operation 12 (storage move web1) failed: web1 on n1: somebody writes to it" in done.stderr


@pytest.mark.parametrize("words, message", [
    (["--disks-only"], "--disks-only needs --storage DEST"),
    (["--disk", "vda"], "--disk vda is not of the form TARGET=PATH"),
    (["--disk", "=/srv/a"], "--disk =/srv/a is not of the form TARGET=PATH"),
    (["--disk", "vda=a.qcow2"], "--disk vda=a.qcow2 is not of the form TARGET=PATH"),
    (["--disk", "vda=/a\nvdb=/b"], "is not of the form TARGET=PATH"),
    (["--storage", "csv2", "--live"], "give either --best-node or --to NODE"),
    (["--disk", "vda=/a", "--quick"], "give either --best-node or --to NODE"),
    (["--storage", "csv2", "--to", "n2", "--no-wait"], "these are two moves, and the second waits for the first"),
    (["--storage", "csv2", "--to", "n2", "--live", "--quick"], "--live and --quick exclude each other"),
    (["--storage", "csv2", "--to", "n2", "--max-downtime", "x"], "--max-downtime"),
])
def test_what_never_reaches_the_cluster(cluster, agent, move, words, message):
    cluster.serve(SHOWN, VOLUMES)
    done = move(*words)
    assert done.returncode == 2
    assert message in done.stderr
    assert not cluster.requests and not agent.calls


def test_a_path_that_is_not_utf_8(cluster, agent):
    """The agent's answer is JSON, so it would name another path."""
    cluster.serve(SHOWN, VOLUMES)
    done = subprocess.run([CLUSTERCTL, "vm", "move", "web1", "--disk", b"vda=/\xff"], capture_output=True, timeout=20, check=False,
                          env=environment(cluster.run_dir, CLUSTERD_AGENT_DIR=agent.directory))
    assert done.returncode == 2 and b"is not of the form TARGET=PATH" in done.stderr
    assert not cluster.requests and not agent.calls


@pytest.mark.parametrize("dest, message", [
    ("csv3", "vm move web1: there is no volume 'csv3'"), ("csv1/new", "there is no volume 'csv1/new'"), ("", "there is no volume ''"),
])
def test_a_volume_that_is_not_there(cluster, agent, move, dest, message):
    cluster.serve(SHOWN, VOLUMES)
    done = move("--storage", dest)
    assert done.returncode == 3
    assert message in done.stderr and "clusterctl volume list" in done.stderr
    assert not agent.calls


def test_a_vm_that_is_not_there(cluster, agent, move):
    cluster.serve(error("vm.show", "not-found", "there is no VM web1", "clusterctl vm list"), VOLUMES)
    done = move("--storage", "csv2")
    assert (done.returncode, done.stderr) == (3, "clusterctl: there is no VM web1\n  to do: clusterctl vm list\n")
    assert not agent.calls


def test_more_files_than_one_move_takes(cluster, agent, move):
    cluster.serve(SHOWN, VOLUMES, ok("vm.storage", operation=12))
    files = [{**FILES[0], "disk": f"vd{i}", "from": f"/srv/csv1/{i}", "to": f"/srv/csv 2/{i}"} for i in range(61)]
    agent.answer(files=files)
    done = move("--storage", "csv2")
    assert done.returncode == 3
    assert "61 files are more than the 60 of one move" in done.stderr and "with --disk" in done.stderr
    agent.answer(files=files[:60])
    assert move("--storage", "csv2", "--no-wait").returncode == 0


# ---- other versions


def test_a_clusterd_that_does_not_tell_the_serial(cluster, agent, move):
    cluster.serve(ok("vm.show", vm={**vm("web1"), "xml": XML}), VOLUMES)
    done = move("--storage", "csv2")
    assert done.returncode == 1
    assert "clusterd did not report the VM's serial" in done.stderr and "of the same version?" in done.stderr
    assert not agent.calls


@pytest.mark.parametrize("answers, message", [
    ({"plan": "say(ok)"}, "the agent reported no plan"),
    ({"files": []}, "the agent reported no plan"),
    ({"plan": 'say({"files": FILES}, ok)'}, "the agent reported no plan"),
    ({"needs": "say(ok)"}, "the agent did not report the VM's volumes"),
    ({"plan": 'sys.exit("usage: vm ACTION")'}, "failed: usage: vm ACTION"),
    ({"plan": 'say({"result": "failed"}); sys.exit("out of luck")'}, "vm move web1: out of luck"),
])
def test_an_agent_that_is_not_what_it_should_be(cluster, agent, move, answers, message):
    cluster.serve(SHOWN, VOLUMES)
    agent.answer(**answers)
    done = move("--storage", "csv2")
    assert done.returncode in (1, 3)
    assert message in done.stderr
    assert verbs(cluster) == ["vm.show", "volume.list"]


# ---- what is seen of it elsewhere


def test_screens(cluster):
    reason = "web1 on n1: cannot remove /srv/csv1/web1.qcow2: Operation not permitted"
    left = {"phase": "finish", "files": SENT, "reason": reason}
    problem = {"severity": "warning", "why": reason,
               "what": "the original files of web1 (moved to other storage) could not be removed; it is tried again",
               "todo": "remove the cause, not the files: clusterctl vm show web1 names them; the VM may run meanwhile"}
    it = vm("web1", state="off", wanted="stopped")
    cluster.serve(
        ok("vm.show", vm={**it, "operation": 12, "storage": {**left, "phase": "copy", "reason": ""}}, times=1),
        ok("vm.show", vm={**it, "storage": {**left, "phase": "undo", "reason": ""}}, times=1),
        ok("vm.show", vm={**it, "storage": left}, times=1),
        ok("status", **status(vms=[it], operations=[RUNNING], problems=[problem])),
        ok("operation.list", operations=[RUNNING, DONE]), ok("operation.show", operation=DONE))
    text = ""
    for words in (["vm", "show", "web1"], ["vm", "show", "web1"], ["vm", "show", "web1"], ["status"], ["operation", "list"],
                  ["operation", "show", "12"]):
        done = cluster.run(*words)
        assert (done.returncode, done.stderr) == (0, "")
        text += f"$ clusterctl {' '.join(words)}\n{done.stdout}\n"
    check_golden("vm-storage.txt", text)


def test_a_disk_that_becomes_another_format(cluster, agent, move):
    """Of a VM that runs: the agent gets to know that, and the cluster the format."""
    shown = json.loads(json.dumps(SHOWN).replace('"state": "off"', '"state": "running"'))
    files = [{**FILES[0], "new_format": "raw"}]
    agent.answer(files=files)
    cluster.serve(shown, *moving({"send": {"operation": DONE}})[1:])
    done = move("--disk", "vda=/srv/csv 2/web1.raw,format=raw")
    assert done.returncode == 0 and done.stdout.splitlines()[0].endswith(", becomes raw"), done
    assert agent.calls[0]["params"]["running"] == "1"
    assert next(request for request in cluster.requests if request["verb"] == "vm.storage")["files"][0]["format"] == "raw"
