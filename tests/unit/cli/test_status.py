# SPDX-License-Identifier: GPL-2.0-or-later
"""clusterctl status: the picture on 80 columns, and how --watch follows."""

import copy
import json
import signal

from harness import check_golden, error, ok


def node(number, **more):
    return {"id": number, "name": f"n{number}", "state": "online", "coordinator": number == 1, "memory_mb": 8192,
            "memory_used_mb": 1536, "cpus": 8, "vcpus_used": 4, "vms": 2, "reason": "", "since_ms": 1741082400000,
            "watchdog": True, "version": "0.1.0", "volumes": {"csv1": "ok"}, **more}


def vm(name, **more):
    return {"id": 1, "name": name, "uuid": "9d0a4d1e-5d1c-4f6e-9a55-2f1fb1f1a1a1", "state": "running", "wanted": "running",
            "owner": "n1", "target": None, "generation": 3, "priority": 0, "memory_mb": 512, "vcpus": 2,
            "volumes": ["csv1"], "possible": [], "preferred": [], "reason": "", "operation": 0, **more}


def status(**more):
    return {"cluster": "lab", "quorate": True, "usable": True, "epoch": 12, "coordinator": "n1",
            "nodes": [node(1), node(2), node(3)],
            "vms": [vm("web1"), vm("web2", owner="n2"), vm("db1", owner="n3", memory_mb=4096, priority=100)],
            "volumes": [{"name": "csv1", "path": "/srv/csv1"}], "operations": [], "problems": [], **more}


def trouble():
    """A node is lost, its fence device fails, a drain is under way: all that status can show at once."""
    nodes = [
        node(1, state="draining", reason="drained by root for maintenance"),
        node(2),
        node(3, state="fencing", vms=1, volumes={"csv1": "unknown"},
             reason="left the cluster at 10:00:02; fence device ilo3: connection timed out (attempt 4)"),
    ]
    vms = [
        vm("web1", state="migrating", target="n2", operation=12),
        vm("a-rather-long-name-of-a-virtual-machine", owner="n2"),
        vm("db1", owner="n3", state="lost", memory_mb=4096, priority=100,
           reason="its node n3 is lost and not confirmed off; it starts again as soon as it is"),
        vm("batch", owner=None, state="off", wanted="stopped", reason="the guest has shut down by itself"),
    ]
    problems = [
        {"severity": "error", "what": "node n3 is lost and cannot be fenced, so that its VM db1 stays down",
         "why": "fence device ilo3 (fence_ipmilan): connection to 10.0.0.13 timed out; 4 attempts, the next in 30 s",
         "todo": "repair the device and try it with `clusterctl fence-device test ilo3 n3`; or, if you have seen that "
                 "n3 is off, `clusterctl node confirm-off n3`"},
        {"severity": "warning", "what": "VM batch is off", "why": "", "todo": "start it: clusterctl vm start batch"},
    ]
    operations = [{"id": 12, "kind": "drain", "subject": "n1", "state": "running", "reason": "", "started_ms": 1741082400000,
                   "ended_ms": 0, "vms": [{"vm": "web1", "state": "running"}, {"vm": "web2", "state": "done"}]}]
    return status(nodes=nodes, vms=vms, problems=problems, operations=operations)


def test_a_healthy_cluster(cluster):
    cluster.serve(ok("status", **status()))
    done = cluster.run("status")
    assert (done.returncode, done.stderr) == (0, "")
    check_golden("status-healthy.txt", done.stdout)


def test_a_cluster_in_trouble(cluster):
    cluster.serve(ok("status", **trouble()))
    done = cluster.run("status")
    assert (done.returncode, done.stderr) == (0, "")
    check_golden("status-trouble.txt", done.stdout)


def test_no_quorum(cluster):
    cluster.serve(ok("status", **status(quorate=False, usable=False, coordinator=None)))
    done = cluster.run("status")
    assert done.returncode == 0
    check_golden("status-no-quorum.txt", done.stdout)


def test_an_empty_cluster(cluster):
    cluster.serve(ok("status", **status(vms=[], volumes=[], usable=False)))
    check_golden("status-empty.txt", cluster.run("status").stdout)


def test_many_long_names_still_fit(cluster):
    name = "x" * 63
    nodes = [node(n, name=f"{name[:60]}{n:03}", reason="word " * 30) for n in range(1, 4)]
    vms = [vm(f"{name[:60]}{n:03}", owner=nodes[0]["name"], target=nodes[1]["name"], reason="y" * 200) for n in range(9)]
    cluster.serve(ok("status", **status(cluster=name, nodes=nodes, vms=vms)))
    for line in cluster.run("status").stdout.splitlines()[1:]:
        assert len(line) <= 80, line


def test_wider_where_there_is_room(cluster):
    cluster.serve(ok("status", **trouble()))
    wide = cluster.run("status", COLUMNS="160").stdout
    assert max(len(line) for line in wide.splitlines()) > 100
    narrow = cluster.terminal("status", columns=60)
    assert narrow.end() == 0
    assert narrow.widest <= 60


def test_json_is_the_answer_as_it_came(cluster):
    cluster.serve(ok("status", **trouble()))
    done = cluster.run("status", "--json")
    assert done.returncode == 0
    assert json.loads(done.stdout) == {"ok": True, **trouble()}


def test_colour_only_on_a_terminal_that_wants_it(cluster):
    cluster.serve(ok("status", **status()))
    assert "\x1b" not in cluster.run("status").stdout
    for env, coloured in (({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)):
        terminal = cluster.terminal("status", **env)
        assert terminal.end() == 0
        assert ("\x1b[32m" in terminal.raw) == coloured
        assert terminal.widest <= 80


def test_names_cannot_write_on_the_screen(cluster):
    evil = status()
    evil["vms"][0]["name"] = "a\x1b[2Jb"
    evil["vms"][0]["reason"] = "\x1b]0;title\x07"
    evil["problems"] = [{"severity": "error", "what": "\x1b[31mred", "why": "\x1bc", "todo": "\x08"}]
    cluster.serve(ok("status", **evil))
    assert "\x1b" not in cluster.run("status").stdout


# ---- --watch


EVENT = {"send": {"event": {"seq": 7, "kind": "vm-started", "severity": "info", "message": "x"}}}


def changed():
    later = copy.deepcopy(status())
    later["vms"][0].update(owner="n2", generation=4)
    later["epoch"] = 13
    return later


def test_watch_draws_again_after_an_event(cluster):
    daemon = cluster.serve(ok("subscribe", {"until": "status"}, EVENT), ok("status", times=1, **status()),
                           ok("status", **changed()))
    terminal = cluster.terminal("status", "--watch")
    terminal.wait_for(r"epoch 12")
    terminal.wait_for(r"epoch 13")
    assert "epoch 12" not in terminal.screen()
    terminal.process.send_signal(signal.SIGINT)
    assert terminal.end() == 0
    assert [request["verb"] for request in daemon.requests] == ["subscribe", "status", "status"]


def test_watch_asks_nothing_while_nothing_happens(cluster):
    daemon = cluster.serve(ok("status", **status()))
    done = cluster.run("status", "--watch", "--timeout", "1s")
    assert done.returncode == 5
    assert [request["verb"] for request in daemon.requests] == ["subscribe", "status"]


def test_a_storm_of_events_costs_few_requests(cluster):
    storm = [EVENT] * 50
    daemon = cluster.serve(ok("subscribe", {"until": "status"}, *storm, {"wait_ms": 20}, *storm),
                           ok("status", times=1, **status()), ok("status", **changed()))
    terminal = cluster.terminal("status", "--watch")
    terminal.wait_for(r"epoch 13")
    terminal.process.send_signal(signal.SIGINT)
    assert terminal.end() == 0
    assert len(daemon.requests) <= 4


def test_watch_stays_within_the_screen_and_follows_its_size(cluster):
    many = status(vms=[vm(f"web{n}") for n in range(100)])
    cluster.serve(ok("status", **many))
    terminal = cluster.terminal("status", "--watch", rows=24)
    terminal.wait_for(r"web10")
    assert terminal.screen().count("\n") < 24
    terminal.resize(80, 50)
    terminal.wait_for(r"web39")
    terminal.process.send_signal(signal.SIGINT)
    assert terminal.end() == 0


def test_watch_as_json_lines(cluster):
    cluster.serve(ok("subscribe", {"until": "status"}, EVENT), ok("status", times=1, **status()), ok("status", **changed()))
    process = cluster.start("status", "--watch", "--json")
    assert json.loads(process.stdout.readline())["epoch"] == 12
    assert json.loads(process.stdout.readline())["epoch"] == 13
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err) == (0, "", "")


def test_watch_survives_a_restart_of_the_daemon(cluster):
    first = cluster.serve(ok("status", {"wait_ms": 50}, {"exit": True}, **status()))
    terminal = cluster.terminal("status", "--watch")
    terminal.wait_for(r"epoch 12")
    first.wait()
    terminal.wait_for(r"reconnecting")
    second = cluster.serve(ok("status", **changed()))
    terminal.wait_for(r"epoch 13")
    terminal.process.send_signal(signal.SIGINT)
    assert terminal.end() == 0
    assert [request["verb"] for request in second.requests] == ["subscribe", "status"]


def test_watch_ends_with_an_error_that_stays(cluster):
    cluster.serve(error("status", "permission", "user 7 may not read", "join the group clusterd-read"))
    done = cluster.run("status", "--watch")
    assert done.returncode == 3
    assert "user 7 may not read" in done.stderr
