# SPDX-License-Identifier: GPL-2.0-or-later
"""The commands that only show something, and the small changes: what they print, and what they send."""

import json
import signal

import pytest

from harness import check_golden, error, ok, operation, vm_state
from test_status import node, vm

EVENTS = [
    {"seq": 5, "time_ms": 1741082400123, "node": "n1", "severity": "info", "kind": "vm-started", "subject": "web1",
     "message": "web1 runs on n1"},
    {"seq": 6, "time_ms": 1741082401456, "node": "n2", "severity": "error", "kind": "node-lost", "subject": "n3",
     "message": "left the cluster; it is fenced before its VMs start elsewhere"},
]


def nth(number, **more):
    return {**EVENTS[0], "seq": number, "message": f"event {number}", **more}


def test_lists(cluster):
    device = {"name": "ilo", "agent": "fence_ipmilan", "nodes": ["n1", "n2"],
              "params": {"ip": "10.0.0.{node}", "username": "admin", "password": "********"}}
    lab = {"name": "lab", "agent": "fence_lab", "nodes": [], "params": {}}
    settings = [
        {"key": "self_fence_ms", "value": "20000", "default": True, "unit": "ms",
         "help": "a node without quorum has stopped its VMs after this time"},
        {"key": "migrations_at_once", "value": "4", "default": False, "unit": "", "help": "from one node"},
    ]
    cluster.serve(
        ok("node.list", nodes=[node(1), node(2, state="silent", reason="no clusterd answers there")]),
        ok("vm.list", vms=[vm("web1"), vm("db1", owner=None, state="blocked", reason="no node can take it")]),
        ok("volume.list", volumes=[{"name": "csv1", "path": "/srv/csv1"}, {"name": "csv2", "path": "/srv/csv2"}]),
        ok("fence-device.list", devices=[device, lab]),
        ok("operation.list", operations=[operation("done", vm_state("web1", "done")), operation("running", number=14)]),
        ok("config.list", config=settings),
    )
    text = ""
    for noun in ("node", "vm", "volume", "fence-device", "operation", "config"):
        done = cluster.run(noun, "list")
        assert (done.returncode, done.stderr) == (0, "")
        text += f"$ clusterctl {noun} list\n{done.stdout}\n"
    check_golden("lists.txt", text)


def test_empty_lists(cluster):
    cluster.serve(ok("node.list", nodes=[]), ok("vm.list", vms=[]), ok("volume.list", volumes=[]), ok("event.list", events=[]),
                  ok("fence-device.list", devices=[]), ok("operation.list", operations=[]))
    for noun, text in (("vm", "no VMs\n"), ("volume", "no volumes\n"), ("operation", "no operations\n"), ("event", "")):
        assert cluster.run(noun, "list").stdout == text
    assert "only after its watchdog or an administrator has confirmed that it is off" in cluster.run("fence-device", "list").stdout.replace("\n", " ")


def test_shows(cluster):
    csv1 = {"id": 1, "name": "csv1", "path": "/srv/csv1", "nodes": {"n1": "ok", "n2": "stalled"},
            "reasons": {"n2": "no answer from the storage for 12 s"}, "vms": ["web1", "db1"]}
    it = vm("web1", state="migrating", target="n2", possible=["n1", "n2"], preferred=["n2"], operation=12, reason="on its way",
            resources={"hugepages": 512, "vgpu": 1})
    cluster.serve(
        ok("node.show", node=node(1, site="berlin", rack="r1", watchdog=False, resources={"sriov": 8, "vgpu": 2},
                                  resources_used={"hugepages": 512, "vgpu": 1})),
        ok("vm.show", vm={**it, "xml": "<domain/>", "cpu_mode": "host-model", "cpu_model": ""}),
        ok("volume.show", volume=csv1),
        ok("operation.show", operation=operation("failed", vm_state("web1", "done", blackout_ms=180, total_ms=900),
                                                 vm_state("db1", "failed", reason="it still runs on n1, " * 5))),
    )
    text = ""
    for words in (["node", "show", "n1"], ["vm", "show", "web1"], ["volume", "show", "csv1"], ["operation", "show", "12"]):
        done = cluster.run(*words)
        assert (done.returncode, done.stderr) == (0, "")
        text += f"$ clusterctl {' '.join(words)}\n{done.stdout}\n"
    check_golden("shows.txt", text)
    assert [list(request.values()) for request in cluster.requests] == [
        ["node.show", "n1"], ["vm.show", "web1"], ["volume.show", "csv1"], ["operation.show", 12]]


def test_explain(cluster):
    def verdict(name, word, reason, **more):
        return {"node": name, "possible": False, "chosen": False, "current": False, "runner_up": False, "verdict": word,
                "reason": reason, "memory_free_mb": 6656, "memory_mb": 8192, "memory_need_mb": 512, "cpu_free_permille": 500,
                "free_after_permille": 750, **more}
    nodes = [
        verdict("n1", "current host", "it runs here", current=True),
        verdict("n2", "chosen", "75.0 % free after placing (memory, 6144 MB of 8192 MB)", possible=True, chosen=True),
        verdict("n3", "possible", "50.0 % free after placing (cpu, 4 of 8)", possible=True, runner_up=True),
        verdict("n4", "no memory", "not enough memory: needs 512 MB, 100 MB free of 8192 MB", memory_free_mb=100,
                free_after_permille=0),
    ]
    cluster.serve(ok("vm.explain", vm="web1", best="n2", summary="best of 2 possible nodes; runner-up n3", nodes=nodes))
    done = cluster.run("vm", "explain", "web1")
    assert (done.returncode, done.stderr) == (0, "")
    check_golden("explain.txt", done.stdout)


def test_history(cluster):
    stays = [
        {"node": "n1", "from_ms": 1700000000000, "until_ms": 1700000060000, "operation": 3, "began": "start, asked for",
         "ended": "moved"},
        {"node": "n2", "from_ms": 1700000060000, "until_ms": 1700000150000, "operation": 9, "began": "live move, drain of n1",
         "ended": "it was lost with n2"},
        {"node": "n3", "from_ms": 1700000152000, "until_ms": 0, "operation": 12, "began": "start, n2 was lost", "ended": ""},
    ]
    cluster.serve(ok("vm.history", vm="web1", history=stays, recorded=True))
    done = cluster.run("vm", "history", "web1")
    assert (done.returncode, done.stderr) == (0, "")
    check_golden("history.txt", done.stdout)
    assert json.loads(cluster.run("vm", "history", "web1", "--json").stdout)["history"] == stays


@pytest.mark.parametrize("recorded, hint", [
    (True, ""), (False, "history is not recorded now; to begin: clusterctl config set vm_history 1\n"),
])
def test_history_of_which_nothing_is_known(cluster, recorded, hint):
    cluster.serve(ok("vm.history", vm="web1", history=[], recorded=recorded))
    assert cluster.run("vm", "history", "web1").stdout == "no history of web1 is recorded yet\n" + hint


@pytest.mark.parametrize("words, request_sent, output", [
    (["volume", "add", "csv1", "/srv/csv1"], {"verb": "volume.add", "name": "csv1", "path": "/srv/csv1"},
     "volume csv1 is /srv/csv1; see which nodes have it: clusterctl volume show csv1\n"),
    (["volume", "remove", "csv1"], {"verb": "volume.remove", "volume": "csv1"},
     "volume csv1 has been removed; its contents are kept\n"),
    (["fence-device", "remove", "ilo"], {"verb": "fence-device.remove", "name": "ilo"}, "fence device ilo has been removed\n"),
    (["config", "set", "self_fence_ms", "15000"], {"verb": "config.set", "key": "self_fence_ms", "value": "15000"},
     "self_fence_ms = 15000 on all nodes\n"),
    (["vm", "move", "web1", "--to", "n2"], {"verb": "vm.move", "vm": "web1", "mode": "auto", "to": "n2"},
     "web1 now belongs to n2\n"),
])
def test_changes_without_an_operation(cluster, words, request_sent, output):
    cluster.serve(ok(request_sent["verb"], operation=0))
    done = cluster.run(*words)
    assert (done.returncode, done.stdout, done.stderr) == (0, output, "")
    assert cluster.requests[-1] == request_sent


def test_the_daemons_own_words_come_first(cluster):
    cluster.serve(ok("fence-device.test", operation=0, message="n1 is on, says ilo"))
    assert cluster.run("fence-device", "test", "ilo", "n1").stdout == "n1 is on, says ilo\n"


def test_cancel(cluster):
    cluster.serve(ok("operation.cancel", operation=12, message=""))
    done = cluster.run("operation", "cancel", "12")
    assert done.returncode == 0
    assert done.stdout.startswith("operation 12 ends when the moves in progress have been aborted")
    assert cluster.requests == [{"verb": "operation.cancel", "operation": 12}]


def test_config_get_is_for_scripts(cluster):
    cluster.serve(ok("config.get", key="self_fence_ms", value="20000", default=True, unit="ms", help="..."))
    assert cluster.run("config", "get", "self_fence_ms").stdout == "20000\n"


@pytest.mark.parametrize("words, verb, answer", [
    (["node", "list"], "node.list", {"nodes": [node(1)]}),
    (["vm", "show", "web1"], "vm.show", {"vm": vm("web1")}),
    (["vm", "explain", "web1"], "vm.explain", {"vm": "web1", "nodes": []}),
    (["config", "get", "x"], "config.get", {"key": "x", "value": "1"}),
    (["config", "set", "x", "1"], "config.set", {"operation": 0, "message": ""}),
    (["operation", "cancel", "1"], "operation.cancel", {"operation": 1}),
    (["event", "list"], "event.list", {"events": EVENTS}),
])
def test_json_is_the_answer(cluster, words, verb, answer):
    cluster.serve(ok(verb, **answer))
    done = cluster.run(*words, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == {"ok": True, **answer}


# ---- fence devices and their secrets


@pytest.mark.parametrize("words", [
    ["--agent", "fence_x", "--param", "ip=10.0.0.9"],
    ["--agent", "fence_old", "--node", "n1", "--node", "n2", "--param", "ipaddr=10.0.0.9"],
    ["--agent", "fence_kdump"],
    ["--agent", "fence_ipmilan", "--node", "n1", "--param", "ip=10.0.0.11"],
    ["--agent", "fence_ipmilan", "--param", "ip=bmc-{node}"],
    ["--agent", "fence_ipmilan", "--param", "port_as_ip=1"],
    ["--agent", "fence_fixed", "--param", "status_file=/run/{node}"],
    ["--agent", "ipmilan"],  # clusterd says what is wrong with it
])
def test_devices_that_can_tell_nodes_apart(cluster, words):
    cluster.serve(ok("fence-device.add", operation=0))
    done = cluster.run("fence-device", "add", "d", *words)
    assert (done.returncode, done.stderr) == (0, "")
    assert cluster.requests[-1]["verb"] == "fence-device.add"


@pytest.mark.parametrize("words, whom", [
    (["--agent", "fence_ipmilan", "--param", "ip=10.0.0.11"], "all nodes"),
    (["--agent", "fence_ipmilan", "--node", "n1", "--node", "n2", "--param", "ip=10.0.0.11"], "several nodes"),
    (["--agent", "fence_fixed", "--param", "status_file=/run/x"], "all nodes"),
])
def test_one_machine_is_no_device_of_several_nodes(cluster, words, whom):
    cluster.serve(ok("fence-device.add", operation=0))
    done = cluster.run("fence-device", "add", "d", *words)
    assert done.returncode == 3
    assert f"{words[1]} controls the machine at its ip, but d is for {whom}" in done.stderr
    assert "--node" in done.stderr and not cluster.requests


def test_an_agent_that_is_not_there(cluster):
    """clusterd, which must run it, says so."""
    refusal = "this node has no fence agent /usr/sbin/fence_gone: No such file or directory"
    cluster.serve(error("fence-device.add", "refused", refusal))
    for agent in ("fence_gone", "fence_locked"):
        done = cluster.run("fence-device", "add", "d", "--agent", agent, "--node", "n1")
        assert done.returncode == 3 and cluster.requests[-1]["agent"] == agent
        assert done.stderr.splitlines()[0] == f"clusterctl: {refusal}"


def test_an_agent_that_does_not_describe_itself(cluster):
    cluster.serve(ok("fence-device.add", operation=0))
    done = cluster.run("fence-device", "add", "d", "--agent", "fence_broken")
    assert done.returncode == 0
    assert "fence_broken printed no metadata (fence_broken -o metadata: no module named fencing)" in done.stderr


def test_a_fence_device_with_its_secrets_from_a_file(cluster, tmp_path):
    cluster.serve(ok("fence-device.add", operation=0))
    path = tmp_path / "ilo.params"
    path.write_text("# the management network\nip=10.0.0.{node}\n\npassword=a=b #c \n")
    path.chmod(0o600)
    done = cluster.run("fence-device", "add", "ilo", "--agent", "fence_ipmilan", "--node", "n1", "--node", "n2",
                       "--param", "lanplus=1", "--param-file", str(path))
    assert (done.returncode, done.stderr) == (0, "")
    assert cluster.requests[-1] == {
        "verb": "fence-device.add", "name": "ilo", "agent": "fence_ipmilan", "nodes": ["n1", "n2"],
        "params": {"ip": "10.0.0.{node}", "password": "a=b #c ", "lanplus": "1"}}
    assert "a=b" not in done.stdout


def test_the_fence_agents_of_clusterd_conf_are_looked_at(cluster, tmp_path):
    conf = tmp_path / "clusterd.conf"
    words = ("fence-device", "add", "ilo", "--agent", "fence_ipmilan", "--param", "ip=ilo")
    cluster.serve(ok("fence-device.add", operation=0))
    conf.write_text(f"[clusterd]\nfence_agent_dir = {tmp_path / 'sbin'}\n")
    done = cluster.run(*words, CLUSTERD_FENCE_AGENT_DIR=None, CLUSTERD_CONFIG=str(conf))
    assert done.returncode == 3 and "controls the machine at its ip" in done.stderr
    conf.write_text("[clusterd]\nfence_agent_dir = /nonexistent\n")
    done = cluster.run(*words, CLUSTERD_FENCE_AGENT_DIR=None, CLUSTERD_CONFIG=str(conf))
    assert (done.returncode, done.stderr) == (0, "")


def test_parameters_from_standard_input(cluster):
    cluster.serve(ok("fence-device.add", operation=0))
    done = cluster.run("fence-device", "add", "ilo", "--agent", "fence_x", "--param-file", "-", stdin="password=pass\n")
    assert done.returncode == 0
    assert cluster.requests[-1]["params"] == {"password": "pass"}


def test_careless_secrets_are_pointed_out(cluster, tmp_path):
    cluster.serve(ok("fence-device.add", operation=0))
    path = tmp_path / "ilo.params"
    path.write_text("password=geheim\n")
    path.chmod(0o644)
    done = cluster.run("fence-device", "add", "ilo", "--agent", "fence_x", "--param-file", str(path))
    assert done.returncode == 0
    assert "other users can read" in done.stderr and "chmod 600" in done.stderr
    done = cluster.run("fence-device", "add", "ilo", "--agent", "fence_x", "--param", "passwd=geheim")
    assert done.returncode == 0
    assert "all users of this machine can read the value of passwd on the command line" in done.stderr
    assert "geheim" not in done.stderr + done.stdout


@pytest.mark.parametrize("content, message", [
    ("password\n", "line 1: not of the form KEY=VALUE"),
    ("\n=secret\n", "line 2: not of the form KEY=VALUE"),
    ("a=1\na=secret\n", "line 2: parameter 'a' is given twice"),
    ("a=secret\xff\n".encode("latin-1"), "line 1: parameter 'a' is not UTF-8 text"),
])
def test_errors_in_a_parameter_file_never_show_a_value(cluster, tmp_path, content, message):
    path = tmp_path / "ilo.params"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    path.chmod(0o600)
    done = cluster.run("fence-device", "add", "ilo", "--agent", "fence_x", "--param-file", str(path))
    assert done.returncode == 2
    assert message in done.stderr
    assert "secret" not in done.stderr.replace(str(path), "")


# ---- events


def test_event_list_has_a_limit(cluster):
    cluster.serve(ok("event.list", events=EVENTS))
    assert cluster.run("event", "list").returncode == 0
    assert cluster.run("event", "list", "--limit", "7").returncode == 0
    assert [request["limit"] for request in cluster.requests] == [50, 7]


def test_event_names_who_asked_for_it(cluster):
    asked = [nth(8, uid=1000, user="alice"), nth(9, uid=4711, user=""), nth(10, uid=0, user="root")]
    cluster.serve(ok("event.list", events=asked))
    assert [line.partition(" (")[2] for line in cluster.run("event", "list").stdout.splitlines()] == [
        "by alice)", "by user 4711)", "by root)"]


def test_events_of_one_user(cluster):
    """clusterd chooses those of the past, clusterctl those that come."""
    events = [nth(number, uid=uid, user=user) for number, uid, user in ((6, 1000, "alice"), (7, 1001, "bob"), (8, 1000, "alice"))]
    daemon = cluster.serve(ok("event.list", events=[]), ok("subscribe", *[{"send": {"event": event}} for event in events]))
    process = cluster.start("event", "list", "--follow", "--user", "alice", "--json")
    assert [json.loads(process.stdout.readline())["seq"] for _ in range(2)] == [6, 8]
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 0
    assert daemon.requests[0]["user"] == "alice"
    cluster.serve(ok("event.list", events=[]), ok("subscribe", *[{"send": {"event": event}} for event in events]))
    process = cluster.start("event", "list", "--follow", "--user", "1001", "--json")
    assert json.loads(process.stdout.readline())["seq"] == 7
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 0


def said_again(number, repeated, before_ms):
    return nth(number, message="it fails", repeated=repeated, first_ms=EVENTS[0]["time_ms"] - before_ms)


def test_event_that_was_said_again_and_again(cluster):
    cluster.serve(ok("event.list", events=[nth(8), said_again(9, 1, 1000), said_again(10, 291, 60000)]))
    assert cluster.run("event", "list").stdout.splitlines() == [
        "2025-03-04 10:00:00.123 n1 info vm-started: web1: event 8",
        "2025-03-04 10:00:00.123 n1 info vm-started: web1: it fails (repeated 1 time since 2025-03-04 09:59:59.123)",
        "2025-03-04 10:00:00.123 n1 info vm-started: web1: it fails (repeated 291 times since 2025-03-04 09:59:00.123)",
    ]


def test_following_an_event_that_is_said_again(cluster):
    cluster.serve(ok("event.list", events=[said_again(9, 1, 60000)]),
                  ok("subscribe", {"send": {"event": said_again(10, 2, 60000)}}))
    process = cluster.start("event", "list", "--follow")
    lines = [process.stdout.readline() for _ in range(2)]
    assert [line.partition("(")[2] for line in lines] == ["repeated 1 time since 2025-03-04 09:59:00.123)\n",
                                                          "repeated 2 times since 2025-03-04 09:59:00.123)\n"]
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 0


def test_following_events(cluster):
    daemon = cluster.serve(ok("event.list", events=EVENTS),
                           ok("subscribe", {"send": {"event": nth(6)}}, {"send": {"progress": {"operation": 1}}},
                              {"send": {"event": nth(7)}}))
    process = cluster.start("event", "list", "--follow")
    lines = [process.stdout.readline() for _ in range(3)]
    assert lines == [
        "2025-03-04 10:00:00.123 n1 info vm-started: web1 runs on n1\n",
        "2025-03-04 10:00:01.456 n2 error node-lost: n3: left the cluster; it is fenced before its VMs start elsewhere\n",
        "2025-03-04 10:00:00.123 n1 info vm-started: web1: event 7\n",
    ]
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 0
    assert daemon.requests[-1]["since"] == 6


def test_following_events_over_a_restart_loses_and_repeats_none(cluster):
    first = cluster.serve(ok("event.list", events=[nth(1)]),
                          ok("subscribe", {"send": {"event": nth(2)}}, {"until": "node.list"}, {"exit": True}),
                          ok("node.list", nodes=[]))
    process = cluster.start("event", "list", "--follow", "--json")
    assert [json.loads(process.stdout.readline())["seq"] for _ in range(2)] == [1, 2]
    cluster.run("node", "list")
    first.wait()
    second = cluster.serve(ok("subscribe", *[{"send": {"event": nth(number)}} for number in (2, 3, 4)]))
    assert [json.loads(process.stdout.readline())["seq"] for _ in range(2)] == [3, 4]
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=20)
    assert (process.returncode, out) == (0, "")
    assert second.requests[0]["since"] == 2


def test_following_from_now_on(cluster):
    daemon = cluster.serve(ok("subscribe", {"send": {"event": nth(7)}}))
    process = cluster.start("event", "list", "--follow", "--limit", "0", "--json")
    assert json.loads(process.stdout.readline())["seq"] == 7
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    assert [sorted(request) for request in daemon.requests] == [["id", "v", "verb"]]


def test_following_for_some_time(cluster):
    cluster.serve(ok("event.list", events=[]))
    done = cluster.run("event", "list", "--follow", "--timeout", "300ms", "--json")
    assert done.returncode == 5
    assert json.loads(done.stdout)["exit"] == 5
    assert done.stdout.count("\n") == 1


def test_events_on_a_terminal_are_broken_at_words(cluster):
    long = {**EVENTS[1], "message": "n3 " + "has been lost and found again " * 5}
    cluster.serve(ok("event.list", events=[long]))
    terminal = cluster.terminal("event", "list", columns=60)
    assert terminal.end() == 0
    assert terminal.widest <= 59
    assert len(cluster.run("event", "list").stdout.splitlines()) == 1


def test_a_reader_that_goes_away_is_no_disaster(cluster):
    cluster.serve(ok("event.list", events=[nth(number) for number in range(1, 3000)]))
    process = cluster.start("event", "list", "--limit", "3000")
    assert "event 1" in process.stdout.readline()
    process.stdout.close()
    process.stderr.read()
    assert process.wait(20) in (0, -signal.SIGPIPE)
    process.stderr.close()


def test_not_found(cluster):
    cluster.serve(error("vm.show", "not-found", "there is no VM wbe1", "clusterctl vm list"))
    done = cluster.run("vm", "show", "wbe1")
    assert done.returncode == 3
    assert done.stderr == "clusterctl: there is no VM wbe1\n  to do: clusterctl vm list\n"


def test_large_answers(cluster):
    vms = [vm(f"web{number}", reason="x" * 100) for number in range(5000)]
    cluster.serve(ok("vm.list", vms=vms))
    assert len(json.loads(cluster.run("vm", "list", "--json").stdout)["vms"]) == 5000
    assert [request["verb"] for request in cluster.requests] == ["vm.list"]


def test_large_answers_while_watching(cluster):
    vms = [vm(f"web{number}", reason="x" * 100) for number in range(5000)]
    cluster.serve(ok("status", {"send": {"event": nth(1)}}, vms=vms, epoch=1, times=1), ok("status", vms=[], epoch=2))
    process = cluster.start("status", "--watch", "--json")
    assert json.loads(process.stdout.readline())["epoch"] == 1
    assert json.loads(process.stdout.readline())["epoch"] == 2
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    verbs = [request["verb"] for request in cluster.requests]
    assert verbs == ["subscribe", "status", "status"]
