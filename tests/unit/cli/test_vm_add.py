# SPDX-License-Identifier: GPL-2.0-or-later
"""clusterctl vm add: what becomes of the file, and what the agent has to say about it."""

import json
import os
import re

import pytest

from harness import error, ok, operation, vm_state

UUID = "c2b9a3a0-4c61-4f0e-9c3b-0a5f1c9e8d77"
PLAIN = "<domain type='kvm'>\n  <!-- mine -->\n  <name>web1</name>\n  <memory unit='MiB'>512</memory>\n</domain>\n"
WITH_UUID = PLAIN.replace("</name>", f"</name><uuid>{UUID}</uuid>")
VOLUMES = ok("volume.list", volumes=[{"name": "csv1", "path": "/srv/csv1"}, {"name": "csv2", "path": "/srv/csv 2"}])

# An agent that reads name and uuid, keeps what it was given, and answers what ANSWER says.
AGENT = """#!/usr/bin/python3 -B
import json, os, re, sys
xml = sys.stdin.read()
here = os.path.dirname(os.path.abspath(__file__))
with open(here + "/call.json", "w") as file:
    json.dump({"argv": sys.argv[1:], "xml": xml, "volumes": os.environ.get("OCF_RESKEY_volumes"),
               "instance": os.environ.get("OCF_RESOURCE_INSTANCE")}, file)
def text(name):
    match = re.search(f"<{name}>(.*)</{name}>", xml)
    return match.group(1) if match else ""
needs = {"name": text("name"), "uuid": text("uuid"), "memory_mb": 512, "vcpus": 2, "volumes": ["csv1"],
         "cpu_mode": "host-model", "cpu_model": "", "machine": "pc", "disks": ["/srv/csv1/web1.qcow2"]}
ANSWER
"""
GOOD = 'print(json.dumps({"needs": needs})); print(json.dumps({"result": "ok", "state": "unknown", "reason": ""}))'


class Agent:
    def __init__(self, directory):
        self.directory = str(directory)
        self.answer(GOOD)

    def answer(self, code):
        path = os.path.join(self.directory, "vm")
        with open(path, "w", encoding="utf-8") as file:
            file.write(AGENT.replace("ANSWER", code))
        os.chmod(path, 0o755)

    @property
    def call(self):
        with open(os.path.join(self.directory, "call.json"), encoding="utf-8") as file:
            return json.load(file)


@pytest.fixture
def agent(tmp_path):
    directory = tmp_path / "agents"
    directory.mkdir()
    return Agent(directory)


@pytest.fixture
def add(cluster, agent, tmp_path):
    def run(xml, *words, **env):
        path = tmp_path / "web1.xml"
        path.write_bytes(xml if isinstance(xml, bytes) else xml.encode())
        env.setdefault("CLUSTERD_AGENT_DIR", agent.directory)
        return cluster.run("vm", "add", str(path), *words, **env)
    return run


def test_a_definition_is_sent_with_its_needs(cluster, agent, add):
    cluster.serve(VOLUMES, ok("vm.add", operation=0))
    done = add(WITH_UUID)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "VM web1 has been added; start it with: clusterctl vm start web1\n"
    assert agent.call == {"argv": ["validate-all"], "xml": WITH_UUID, "volumes": "csv1=/srv/csv1:csv2=/srv/csv 2",
                          "instance": "new"}
    assert cluster.requests[-1] == {
        "verb": "vm.add", "name": "web1", "xml": WITH_UUID, "priority": 0, "possible": [], "preferred": [], "start": False,
        "needs": {"name": "web1", "uuid": UUID, "memory_mb": 512, "vcpus": 2, "volumes": ["csv1"], "cpu_mode": "host-model",
                  "cpu_model": "", "machine": "pc", "disks": ["/srv/csv1/web1.qcow2"]}}


def test_all_options_arrive(cluster, add):
    cluster.serve(VOLUMES, ok("vm.add", operation=0))
    done = add(WITH_UUID, "--priority", "100", "--possible", "n1,n2", "--preferred=n2,n1", "--start",
               "--resource", "vgpu=1,sriov=2")
    assert done.returncode == 0, done.stderr
    request = cluster.requests[-1]
    assert request["priority"] == 100 and request["start"] is True
    assert request["possible"] == ["n1", "n2"] and request["preferred"] == ["n2", "n1"]
    assert request["resources"] == {"vgpu": 1, "sriov": 2}


def test_a_start_is_waited_for(cluster, add):
    started = operation("done", vm_state("web1", "done", source=None, target="n2", mode="auto", total_ms=420), kind="start",
                        subject="web1")
    cluster.serve(VOLUMES, ok("vm.add", operation=12), ok("operation.show", operation=started))
    done = add(WITH_UUID, "--start")
    assert done.returncode == 0
    assert done.stdout == "web1: on n2, done in 420 ms\nstart web1 done in 2.3 s\n"


def test_what_runs_is_taken_over(cluster, add):
    adopted = operation("done", vm_state("web1", "done", source=None, target="n2", mode="auto", total_ms=420), kind="start",
                        subject="web1")
    cluster.serve(VOLUMES, ok("vm.add", operation=12, times=1), ok("operation.show", operation=adopted), ok("vm.add", operation=0))
    assert add(WITH_UUID, "--adopt").returncode == 0
    sent = next(request for request in cluster.requests if request["verb"] == "vm.add")
    assert (sent["adopt"], sent["start"]) == (True, False)
    assert add(WITH_UUID, "--adopt", "--no-wait").stdout == "VM web1 has been added\n"


def test_what_runs_cannot_be_started(cluster, add):
    done = add(WITH_UUID, "--adopt", "--start")
    assert done.returncode == 2 and "--adopt and --start exclude each other" in done.stderr, done


def test_a_missing_uuid_is_made_and_nothing_else_changes(cluster, add):
    cluster.serve(VOLUMES, ok("vm.add", operation=0))
    uuids = set()
    for _ in range(2):
        assert add(PLAIN).returncode == 0
        xml = cluster.requests[-1]["xml"]
        uuid = re.search("<uuid>([0-9a-f-]{36})</uuid>", xml).group(1)
        assert xml == PLAIN.replace("</name>", f"</name><uuid>{uuid}</uuid>")
        assert cluster.requests[-1]["needs"]["uuid"] == uuid
        uuids.add(uuid)
    assert len(uuids) == 2


CARD = "<interface type='network'>{}<source network='default'/></interface>"


def test_a_missing_mac_is_made_and_told_and_nothing_else_changes(cluster, agent, add):
    cluster.serve(VOLUMES, ok("vm.add", operation=0))
    mine = "<mac address='52:54:00:00:00:01'/>"
    cards = "<devices>" + CARD.format("") + CARD.format(mine) + CARD.format("") + "</devices>"
    xml = WITH_UUID.replace("</domain>", cards + "</domain>")
    done = add(xml)
    assert done.returncode == 0, done.stderr
    sent = cluster.requests[-1]["xml"]
    first, second, third = re.findall("<mac address='([0-9a-f:]{17})'/>", sent)
    assert second == "52:54:00:00:00:01" and len({first, second, third}) == 3
    assert first.startswith("52:54:00:") and third.startswith("52:54:00:")
    made = [CARD.format(f"<mac address='{mac}'/>") for mac in (first, second, third)]
    assert sent == WITH_UUID.replace("</domain>", "<devices>" + "".join(made) + "</devices></domain>")
    assert agent.call["xml"] == sent
    assert done.stderr.splitlines() == [
        f"clusterctl: note: /domain/devices/interface[1]: it had no MAC address and was given {first}",
        f"clusterctl: note: /domain/devices/interface[3]: it had no MAC address and was given {third}"]


def test_another_name(cluster, agent, add):
    cluster.serve(VOLUMES, ok("vm.add", operation=0))
    assert add(WITH_UUID, "--name", "shop").returncode == 0
    request = cluster.requests[-1]
    assert request["name"] == "shop"
    assert request["xml"] == WITH_UUID.replace("web1", "shop")
    assert agent.call["instance"] == "shop"


def test_a_name_for_a_definition_without_one(cluster, add):
    cluster.serve(VOLUMES, ok("vm.add", operation=0))
    assert add("<domain><memory>1</memory></domain>", "--name", "shop").returncode == 0
    assert re.fullmatch("<domain><name>shop</name><uuid>.*</uuid><memory>1</memory></domain>", cluster.requests[-1]["xml"])


def test_from_standard_input(cluster, agent):
    cluster.serve(VOLUMES, ok("vm.add", operation=0))
    done = cluster.run("vm", "add", "-", stdin=WITH_UUID, CLUSTERD_AGENT_DIR=agent.directory)
    assert done.returncode == 0, done.stderr
    assert cluster.requests[-1]["xml"] == WITH_UUID


def test_a_large_definition_goes_through_the_agents_pipe(cluster, add):
    cluster.serve(VOLUMES, ok("vm.add", operation=0))
    xml = WITH_UUID.replace("<!-- mine -->", "<!-- " + "x" * 200000 + " -->")
    assert add(xml).returncode == 0
    assert cluster.requests[-1]["xml"] == xml


# ---- what is refused


REFUSAL = """print(json.dumps({"result": "failed", "state": "unknown", "element": "/domain/devices/disk[1]",
    "reason": "the disk /var/lib/a.img lies on no volume of the cluster", "problems": [
    {"element": "/domain/devices/disk[1]", "reason": "the disk /var/lib/a.img lies on no volume of the cluster"},
    {"element": "/domain/devices/hostdev[1]", "reason": "a host device is on one node only"}]})); sys.exit(6)"""


def test_a_refusal_names_the_element(cluster, agent, add):
    cluster.serve(VOLUMES)
    agent.answer(REFUSAL)
    done = add(WITH_UUID)
    assert done.returncode == 3
    lines = done.stderr.splitlines()
    assert lines[0].endswith("web1.xml cannot be made highly available: /domain/devices/disk[1]: "
                             "the disk /var/lib/a.img lies on no volume of the cluster")
    assert lines[1].startswith("  to do: ")
    assert lines[2] == "clusterctl: and also: /domain/devices/hostdev[1]: a host device is on one node only"
    assert [request["verb"] for request in cluster.requests] == ["volume.list"]
    document = json.loads(add(WITH_UUID, "--json").stdout)
    assert document["exit"] == 3 and len(document["problems"]) == 2


def test_warnings_are_shown_and_do_not_hinder(cluster, agent, add):
    cluster.serve(VOLUMES, ok("vm.add", operation=0))
    agent.answer('print(json.dumps({"needs": needs})); print(json.dumps({"result": "ok", "warnings": '
                 '[{"element": "/domain/cpu", "reason": "host-passthrough moves only between equal nodes"}]}))')
    done = add(WITH_UUID)
    assert done.returncode == 0
    assert done.stderr == "clusterctl: warning: /domain/cpu: host-passthrough moves only between equal nodes\n"


def test_the_cluster_may_refuse_too(cluster, add):
    cluster.serve(VOLUMES, error("vm.add", "refused", "VM web1: no other node has its CPU EPYC-Milan", "use host-model"))
    done = add(WITH_UUID)
    assert done.returncode == 3
    assert "no other node has its CPU" in done.stderr


@pytest.mark.parametrize("xml, words, exit_code, message", [
    ("", [], 2, "is empty"),
    (b"<domain>\0</domain>", [], 2, "is not a text file"),
    ("x" * (256 * 1024 + 1), [], 2, "is larger than 256 KiB"),
    ("memory = 512", [], 3, "is not XML"),
    ("<domain><name>web1</name>", [], 3, "is not XML"),
    (WITH_UUID, ["--priority", "1001"], 2, "--priority 1001 is not a number from 0 to 1000"),
    (WITH_UUID, ["--priority", "high"], 2, "--priority high is not a number"),
    (WITH_UUID, ["--possible", "n1,,n2"], 2, "--possible n1,,n2: a name is empty"),
    (WITH_UUID, ["--resource", "vgpu"], 2, "--resource vgpu: write it as vgpu=2"),
    (WITH_UUID, ["--name", "a b"], 2, "--name a b: a name has up to 63 letters, digits, '.', '_' and '-', and does"),
    (WITH_UUID, ["--name", "../x"], 2, "--name ../x: a name has up to 63 letters"),
], ids=["empty", "nul", "large", "text", "open", "priority-range", "priority-word", "possible", "resource", "name-blank", "name-path"])
def test_what_never_reaches_the_cluster(cluster, add, xml, words, exit_code, message):
    cluster.serve(VOLUMES)
    done = add(xml, *words)
    assert done.returncode == exit_code
    assert message in done.stderr
    assert not any(request["verb"] == "vm.add" for request in cluster.requests)


def test_a_file_that_is_not_there(cluster):
    done = cluster.run("vm", "add", "/nonexistent.xml")
    assert done.returncode == 2
    assert "cannot read /nonexistent.xml: No such file or directory" in done.stderr


# ---- an agent that is not what it should be


def test_no_agent(cluster, add):
    cluster.serve(VOLUMES)
    done = add(WITH_UUID, CLUSTERD_AGENT_DIR="/nonexistent")
    assert done.returncode == 1
    assert "the agent /nonexistent/vm cannot be run: No such file or directory" in done.stderr


def test_the_agent_of_clusterd_conf_is_asked(cluster, agent, add, tmp_path):
    """As clusterd, which runs the agents of agent_dir: another one might judge otherwise."""
    conf = tmp_path / "clusterd.conf"
    conf.write_text(f"[clusterd]\nagent_dir = {agent.directory}\n")
    cluster.serve(VOLUMES, ok("vm.add", operation=0))
    done = add(WITH_UUID, CLUSTERD_AGENT_DIR=None, CLUSTERD_CONFIG=str(conf))
    assert (done.returncode, done.stderr) == (0, "")
    assert agent.call["argv"] == ["validate-all"]


def test_a_clusterd_conf_that_cannot_be_understood(cluster, add, tmp_path):
    conf = tmp_path / "clusterd.conf"
    conf.write_text("[clusterd]\nagentdir = /x\n")
    cluster.serve(VOLUMES)
    done = add(WITH_UUID, CLUSTERD_AGENT_DIR=None, CLUSTERD_CONFIG=str(conf))
    assert done.returncode == 1
    assert f"vm add: {conf}:2: unknown key 'agentdir'" in done.stderr
    assert "correct the file; clusterd would not start with it either" in done.stderr


def test_an_agent_that_crashes(cluster, agent, add):
    cluster.serve(VOLUMES)
    agent.answer('sys.exit("no libxml2 here")')
    done = add(WITH_UUID)
    assert done.returncode == 1
    assert "failed: no libxml2 here" in done.stderr


def test_an_agent_that_reads_nothing(cluster, agent, add):
    cluster.serve(VOLUMES)
    path = os.path.join(agent.directory, "vm")
    with open(path, "w", encoding="utf-8") as file:
        file.write("#!/bin/sh\nexec 0<&-\necho '{\"result\": \"failed\", \"reason\": \"not today\"}'\n")
    done = add(WITH_UUID + "<!-- " + "x" * 200000 + " -->")
    assert done.returncode == 3
    assert "not today" in done.stderr


def test_an_agent_that_hangs_is_killed_with_its_children(cluster, agent, add, tmp_path):
    cluster.serve(VOLUMES)
    fifo = tmp_path / "alive"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    agent.answer(f'os.open("{fifo}", os.O_WRONLY); os.fork(); import signal; signal.pause()')
    done = add(WITH_UUID, "--timeout", "1s")
    assert done.returncode == 5
    assert "did not finish in time; it was killed" in done.stderr
    # The end of the fifo is seen when the last process that held its other side is gone.
    os.set_blocking(reader, True)
    assert os.read(reader, 1) == b""
    os.close(reader)


# ---- with the real agent, where it is built


@pytest.mark.skipif("VM_AGENT_DIR" not in os.environ, reason="the agent is not built here")
def test_the_real_agent(cluster, add):
    cluster.serve(VOLUMES, ok("vm.add", operation=0))
    disk = "<devices><disk type='file'><source file='{}/a.img'/><target dev='vda'/></disk></devices>"
    xml = ("<domain type='qemu'><name>web1</name><memory unit='MiB'>512</memory><vcpu>2</vcpu><os><type>hvm</type></os>"
           "<cpu mode='host-model'/>{}</domain>")
    env = {"CLUSTERD_AGENT_DIR": os.environ["VM_AGENT_DIR"]}
    done = add(xml.format(disk.format("/srv/csv1").replace("</devices>", CARD.format("") + "</devices>")), **env)
    assert done.returncode == 0, done.stderr
    assert "<interface type='network'><mac address='52:54:00:" in cluster.requests[-1]["xml"]
    needs = cluster.requests[-1]["needs"]
    assert (needs["name"], needs["memory_mb"], needs["vcpus"], needs["volumes"]) == ("web1", 512, 2, ["csv1"])
    done = add(xml.format(disk.format("/var/lib")), **env)
    assert done.returncode == 3
    assert "/domain/devices/disk" in done.stderr
