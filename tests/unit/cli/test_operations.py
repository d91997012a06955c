# SPDX-License-Identifier: GPL-2.0-or-later
"""Long operations: progress, closing lines, exit codes, Ctrl-C, deadlines, and a daemon that goes away meanwhile."""

import json
import signal

import pytest

from harness import error, ok, operation, sample, vm_state

RUNNING = operation("running", vm_state("web1", "running"), vm_state("web2", "waiting", target=None))
HALF = operation("running", vm_state("web1", "done", blackout_ms=180, total_ms=900), vm_state("web2", "running", target="n3"))
DONE = operation("done", vm_state("web1", "done", blackout_ms=180, total_ms=900),
                 vm_state("web2", "done", target="n3", blackout_ms=95, total_ms=1400))
FAILED = operation("failed", vm_state("web1", "done", blackout_ms=180, total_ms=900),
                   vm_state("web2", "failed", target="n3", reason="n3 has no room left; it still runs on n1"),
                   reason="1 of 2 VMs is still on n1")

SHOWN = ok("operation.show", operation=RUNNING)


def drain(*then):
    """Rules for a drain whose events come once its state has been asked for."""
    return [ok("node.drain", {"until": "operation.show"}, *then, operation=12), SHOWN]


def changed(it):
    return {"send": {"operation": it}}


def verbs(cluster):
    return [request["verb"] for request in cluster.requests]


# ---- elsewhere than on a terminal


def test_a_drain_in_lines(cluster):
    cluster.serve(*drain(sample("web1", 3), sample("web1", 12), sample("web1", 14), sample("web1", 47), changed(HALF),
                         sample("web1", 99), sample("web2", 80), changed(DONE)))
    done = cluster.run("node", "drain", "n1")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "web1: n1 -> n2, 12 %, 812M/s, dirty 120M/s, pass 2, 310 MiB left",
        "web1: n1 -> n2, 47 %, 812M/s, dirty 120M/s, pass 2, 310 MiB left",
        "web1: n1 -> n2, live, done in 900 ms, blackout 180 ms",
        "web2: n1 -> n3, 80 %, 812M/s, dirty 120M/s, pass 2, 310 MiB left",
        "web2: n1 -> n3, live, done in 1.4 s, blackout 95 ms",
        "drain n1 done, 2 VMs in 2.3 s",
    ]


def test_what_is_not_known_yet_is_not_shown_and_a_slow_guest_is(cluster):
    cluster.serve(*drain(sample("web1", 12, rate_bps=0, dirty_bps=0, iteration=0),
                         sample("web1", 47, throttle_percent=40, rate_bps=20971520, dirty_bps=10485760), changed(DONE)))
    lines = cluster.run("node", "drain", "n1").stdout.splitlines()
    assert lines[:2] == ["web1: n1 -> n2, 12 %, 310 MiB left",
                         "web1: n1 -> n2, 47 %, 20M/s, dirty 10M/s, pass 2, guest slowed down by 40 %, 310 MiB left, about 31.0 s"]


def test_it_subscribes_before_it_asks(cluster):
    cluster.serve(*drain(changed(DONE)))
    cluster.run("node", "drain", "n1")
    assert cluster.requests[:3] == [{"verb": "subscribe"}, {"verb": "node.drain", "node": "n1"},
                                    {"verb": "operation.show", "operation": 12}]


def test_an_operation_that_is_over_before_anybody_looks(cluster):
    cluster.serve(ok("node.drain", changed(DONE), operation=12), ok("operation.show", operation=DONE))
    done = cluster.run("node", "drain", "n1")
    assert done.returncode == 0
    assert done.stdout.count("web1:") == 1
    assert done.stdout.endswith("drain n1 done, 2 VMs in 2.3 s\n")


def test_a_drain_that_fails(cluster):
    cluster.serve(*drain(changed(FAILED)))
    done = cluster.run("node", "drain", "n1")
    assert done.returncode == 1
    assert "web2: n1 -> n3, live, failed: n3 has no room left; it still runs on n1" in done.stdout
    assert done.stderr.startswith("clusterctl: operation 12 (drain n1) failed: 1 of 2 VMs is still on n1\n  to do: ")


def test_a_drain_that_somebody_cancels(cluster):
    cluster.serve(*drain(changed(operation("cancelled", vm_state("web1", "cancelled"), reason="cancelled by root"))))
    done = cluster.run("node", "drain", "n1")
    assert done.returncode == 1
    assert "operation 12 (drain n1) cancelled: cancelled by root" in done.stderr


def test_a_drain_that_is_refused_sends_nothing_more(cluster):
    cluster.serve(error("node.drain", "refused", "n1 cannot be drained: web2 fits on no other node: 2 lack memory",
                        "clusterctl vm explain web2"))
    done = cluster.run("node", "drain", "n1")
    assert done.returncode == 3
    assert done.stderr == ("clusterctl: n1 cannot be drained: web2 fits on no other node: 2 lack memory\n"
                           "  to do: clusterctl vm explain web2\n")
    assert verbs(cluster) == ["subscribe", "node.drain"]


def test_a_drain_with_nothing_to_move(cluster):
    cluster.serve(ok("node.drain", operation=0))
    done = cluster.run("node", "drain", "n1")
    assert (done.returncode, done.stdout) == (0, "n1 has no VMs\n")


@pytest.mark.parametrize("state, said", [("drained", ["n1 is drained: safe to power off"]), ("online", [])])
def test_safe_to_power_off_is_said_if_it_is_true_now(cluster, state, said):
    cluster.serve(*drain(changed(DONE)), ok("node.show", node={"name": "n1", "state": state}))
    lines = cluster.run("node", "drain", "n1").stdout.splitlines()
    assert lines[lines.index("drain n1 done, 2 VMs in 2.3 s") + 1:] == said
    assert "safe" not in cluster.run("node", "drain", "n1", "--no-wait").stdout


@pytest.mark.parametrize("when", ["no", "now", "policy"])
def test_failback(cluster, when):
    cluster.serve(ok("node.resume", operation=0))
    assert cluster.run("node", "resume", "n1", "--failback", when).stdout == "n1 takes VMs again\n"
    assert cluster.requests[-1] == {"verb": "node.resume", "node": "n1", "failback": when}
    done = cluster.run("node", "resume", "n1", "--failback", "later")
    assert done.returncode == 2 and "--failback later is neither no, now nor policy" in done.stderr


def test_a_drain_with_a_deadline(cluster):
    cluster.serve(*drain(changed(FAILED)))
    assert cluster.run("node", "drain", "n1", "--deadline", "10m").returncode == 1
    assert cluster.requests[1] == {"verb": "node.drain", "node": "n1", "deadline_ms": 600000}
    done = cluster.run("node", "drain", "n1", "--deadline", "soon")
    assert done.returncode == 2 and "--deadline soon is not a time; write it like 90s, 10m or 2h" in done.stderr


def test_other_peoples_operations_do_not_matter(cluster):
    other = operation("failed", vm_state("web9", "failed"), number=13)
    cluster.serve(*drain(changed(other), sample("web9", 50, number=13), changed(DONE)))
    done = cluster.run("node", "drain", "n1")
    assert done.returncode == 0
    assert "web9" not in done.stdout


def test_json_is_one_document_and_progress_goes_to_stderr(cluster):
    cluster.serve(*drain(sample("web1", 47), changed(HALF), changed(DONE)))
    done = cluster.run("node", "drain", "n1", "--json")
    assert done.returncode == 0
    assert json.loads(done.stdout) == {"ok": True, "operation": DONE}
    assert "web1: n1 -> n2, 47 %" in done.stderr


def test_json_of_a_failure_carries_the_operation(cluster):
    cluster.serve(*drain(changed(FAILED)))
    done = cluster.run("node", "drain", "n1", "--json")
    assert done.returncode == 1
    document = json.loads(done.stdout)
    assert document["ok"] is False and document["exit"] == 1
    assert document["error"]["code"] == "failed"
    assert document["operation"] == FAILED


def test_no_wait(cluster):
    cluster.serve(ok("node.drain", operation=12))
    done = cluster.run("node", "drain", "n1", "--no-wait")
    assert done.returncode == 0
    assert done.stdout == "operation 12 has started; watch it with: clusterctl operation show 12 --follow\n"
    assert verbs(cluster) == ["node.drain"]
    as_json = cluster.run("node", "drain", "n1", "--no-wait", "--json")
    assert json.loads(as_json.stdout) == {"ok": True, "operation": 12}


def test_dry_run(cluster):
    plan = [{"vm": "web1", "from": "n1", "to": "n2", "reason": "best of 2 possible nodes; runner-up n3"}]
    cluster.serve(ok("node.drain", plan=plan), ok("vm.move", plan=[]))
    done = cluster.run("node", "drain", "n1", "--dry-run")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "VM    FROM  TO  NOTE",
        "web1  n1    n2  best of 2 possible nodes; runner-up n3",
        "dry run: nothing was moved",
    ]
    assert cluster.run("vm", "move", "web1", "--best-node", "--dry-run").stdout == "nothing would be moved\n"
    assert cluster.requests == [{"verb": "node.drain", "node": "n1", "dry_run": True},
                                {"verb": "vm.move", "vm": "web1", "mode": "auto", "dry_run": True}]


def planned(vm, to, how, reason="", about_ms=None, longest_ms=None):
    return {"vm": vm, "from": "n1", "to": to, "how": how, "reason": reason, "about_ms": about_ms, "longest_ms": longest_ms}


def test_dry_run_of_a_drain(cluster):
    plan = [planned("web1", "n2", "live", "best", about_ms=2300), planned("web2", "n3", "quick"),
            planned("web3", "n3", "restart", longest_ms=90000),
            planned("web4", None, "shut-down", "off until the node is resumed", longest_ms=90000)]
    cluster.serve(ok("node.drain", plan=plan, about_ms=2300, becomes_empty=True))
    done = cluster.run("node", "drain", "n1", "--dry-run", "--deadline", "2s")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "VM    FROM  TO   HOW        TIME              NOTE",
        "web1  n1    n2   live       about 2.3 s       best",
        "web2  n1    n3   quick      ?",
        "web3  n1    n3   restart    up to 1 min 30 s",
        "web4  n1    off  shut-down  up to 1 min 30 s  off until the node is resumed",
        "the moves would take about 2.3 s in all, longer than the deadline of 2.0 s",
        "dry run: nothing was moved",
    ]
    assert json.loads(cluster.run("node", "drain", "n1", "--dry-run", "--json").stdout)["plan"] == plan


@pytest.mark.parametrize("how, reason", [("stay", "its move policy is stay"), ("none", "it stands still")])
def test_dry_run_of_a_drain_that_would_leave_a_vm(cluster, how, reason):
    plan = [planned("web1", "n2", "live"), planned("web2", None, how, reason)]
    cluster.serve(ok("node.drain", plan=plan, about_ms=None, becomes_empty=False))
    done = cluster.run("node", "drain", "n1", "--dry-run")
    assert done.returncode == 1
    assert done.stderr == f"clusterctl: n1 would not be safe to power off: web2: {reason}\n"
    assert done.stdout.splitlines()[2].split() == ["web2", "n1", "stays", "-", "-", *reason.split()]
    said = json.loads(cluster.run("node", "drain", "n1", "--dry-run", "--json").stdout)
    assert (said["ok"], said["exit"], said["plan"]) == (False, 1, plan)


PREDICTED = {"converges": 1, "predicted_ms": 2300, "predicted_blackout_ms": 180, "predicted_passes": 2, "predicted_throttle": 0,
             "measured_bps": 12582912, "memory_bytes": 180 << 20, "assumed_bps": 115343360}


@pytest.mark.parametrize("options, change, line", [
    ([], {}, "a live move would take about 2.3 s, with a blackout of about 180 ms: 180 MiB to send at 110M/s, and the guest dirties 12M/s"),
    ([], {"converges": 0, "predicted_throttle": 99},
     "a live move would not converge: it would be aborted after about 2.3 s: 180 MiB to send at 110M/s, and the guest dirties 12M/s; "
     "it would be slowed down by 99 %"),
    (["--if-not-converging", "suspend"], {"converges": 0},
     "a live move would not converge: the guest would be suspended for about 180 ms, after 2.3 s: 180 MiB to send at 110M/s, and the "
     "guest dirties 12M/s"),
])
def test_dry_run_of_a_live_move(cluster, options, change, line):
    plan = [{"vm": "web1", "from": "n1", "to": "n2", "reason": ""}]
    cluster.serve(ok("vm.move", plan=plan), ok("vm.predict", prediction={**PREDICTED, **change}))
    done = cluster.run("vm", "move", "web1", "--to", "n2", "--dry-run", "--max-downtime", "80ms", *options)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[2:] == [line, "dry run: nothing was moved"]
    more = {"if_not_converging": options[1]} if options else {}
    assert cluster.requests[-1] == {"verb": "vm.predict", "vm": "web1", "max_downtime_ms": 80, **more}
    as_json = json.loads(cluster.run("vm", "move", "web1", "--to", "n2", "--dry-run", "--json").stdout)
    assert as_json["plan"] == plan and as_json["prediction"] == {**PREDICTED, **change}


def test_dry_run_of_a_quick_move_predicts_nothing(cluster):
    cluster.serve(ok("vm.move", plan=[{"vm": "web1", "from": "n1", "to": "n2", "reason": ""}]))
    assert cluster.run("vm", "move", "web1", "--to", "n2", "--dry-run", "--quick").returncode == 0
    assert verbs(cluster) == ["vm.move"]


def test_a_dry_run_that_finds_no_place_ends_as_the_command_would(cluster):
    plan = [{"vm": "web1", "from": "n1", "to": "n2", "reason": ""},
            {"vm": "db1", "from": "n1", "to": None, "reason": "no node can take it: 2 lack memory"}]
    cluster.serve(ok("node.drain", plan=plan))
    done = cluster.run("node", "drain", "n1", "--dry-run")
    assert done.returncode == 3
    assert done.stdout.splitlines()[1:] == [
        "web1  n1    n2",
        "db1   n1    nowhere  no node can take it: 2 lack memory",
        "dry run: nothing was moved",
    ]
    assert done.stderr == ("clusterctl: it would be refused: db1: no node can take it: 2 lack memory\n"
                           "  to do: see: clusterctl vm explain db1\n")
    done = cluster.run("node", "drain", "n1", "--dry-run", "--json")
    said = json.loads(done.stdout)
    assert (done.returncode, said["ok"], said["exit"], said["error"]["code"]) == (3, False, 3, "refused")
    assert said["plan"] == plan


@pytest.mark.parametrize("words, request_sent", [
    (["vm", "move", "web1", "--to", "n2"], {"verb": "vm.move", "vm": "web1", "to": "n2", "mode": "auto"}),
    (["vm", "move", "web1", "--best-node", "--live"], {"verb": "vm.move", "vm": "web1", "mode": "live"}),
    (["vm", "move", "--quick", "web1", "--best-node"], {"verb": "vm.move", "vm": "web1", "mode": "quick"}),
    (["vm", "move", "web1", "--to", "n2", "--max-downtime", "80ms", "--bandwidth", "400", "--if-not-converging", "suspend"],
     {"verb": "vm.move", "vm": "web1", "to": "n2", "mode": "auto", "max_downtime_ms": 80, "bandwidth_mbps": 400,
      "if_not_converging": "suspend"}),
    (["vm", "start", "web1"], {"verb": "vm.start", "vm": "web1"}),
    (["vm", "adopt", "web1"], {"verb": "vm.start", "vm": "web1", "adopt": True}),
    (["vm", "stop", "web1"], {"verb": "vm.stop", "vm": "web1", "force": False}),
    (["vm", "stop", "web1", "--force"], {"verb": "vm.stop", "vm": "web1", "force": True}),
    (["vm", "remove", "web1", "--yes"], {"verb": "vm.remove", "vm": "web1"}),
    (["node", "resume", "n1"], {"verb": "node.resume", "node": "n1"}),
    (["node", "fence", "n1", "--yes"], {"verb": "node.fence", "node": "n1"}),
    (["node", "confirm-off", "n1", "-y"], {"verb": "node.confirm-off", "node": "n1"}),
    (["fence-device", "test", "ilo", "n1"], {"verb": "fence-device.test", "name": "ilo", "node": "n1"}),
])
def test_what_is_sent_and_waited_for(cluster, words, request_sent):
    cluster.serve(ok(request_sent["verb"], {"until": "operation.show"}, changed(DONE), operation=12), SHOWN)
    done = cluster.run(*words)
    assert done.returncode == 0, done.stderr
    assert cluster.requests[1] == request_sent
    assert "web2: n1 -> n3, live, done in 1.4 s, blackout 95 ms" in done.stdout


def test_a_start_and_a_quick_move_in_words(cluster):
    start = operation("done", vm_state("web1", "done", source=None, target="n2", mode="auto", total_ms=420), kind="start",
                      subject="web1")
    quick = operation("done", vm_state("web1", "done", mode="quick", blackout_ms=2300, total_ms=2500), kind="move",
                      subject="web1")
    cluster.serve(ok("vm.start", operation=12), ok("operation.show", operation=start, times=1), ok("vm.move", operation=12),
                  ok("operation.show", operation=quick))
    assert cluster.run("vm", "start", "web1").stdout == "web1: on n2, done in 420 ms\nstart web1 done in 2.3 s\n"
    assert cluster.run("vm", "move", "web1", "--to", "n2").stdout == (
        "web1: n1 -> n2, quick, done in 2.5 s, blackout 2.3 s\nmove web1 done in 2.3 s\n")


def test_following_an_operation_of_somebody_else(cluster):
    cluster.serve(ok("operation.show", changed(HALF), changed(DONE), operation=RUNNING))
    done = cluster.run("operation", "show", "12", "--follow")
    assert done.returncode == 0
    assert done.stdout.endswith("drain n1 done, 2 VMs in 2.3 s\n")
    assert verbs(cluster) == ["subscribe", "operation.show"]


def test_following_one_that_nobody_knows(cluster):
    cluster.serve(error("operation.show", "not-found", "there is no operation 99", "clusterctl operation list"))
    done = cluster.run("operation", "show", "99", "--follow")
    assert done.returncode == 3
    assert "there is no operation 99" in done.stderr


# ---- on a terminal


def test_a_bar_has_the_time_left(cluster):
    cluster.serve(*drain(sample("web1", 10, rate_bps=0, dirty_bps=0), {"wait_ms": 150},
                         sample("web1", 50, rate_bps=20971520, dirty_bps=10485760, throttle_percent=20), {"until": "node.list"},
                         changed(DONE)), ok("node.list", nodes=[]))
    terminal = cluster.terminal("node", "drain", "n1")
    terminal.wait_for(r"\] +50% +20M/s dirty +10M/s pass 2 slowed 20% ETA 31\.0 s")
    assert "0B/s" not in terminal.screen()
    cluster.run("node", "list")
    assert terminal.end() == 0


def test_bars_are_drawn_in_place(cluster):
    cluster.serve(*drain(sample("web1", 10), {"wait_ms": 150}, sample("web1", 50), {"wait_ms": 150},
                         sample("web1", 90, iteration=3), {"until": "node.list"}, changed(HALF), {"until": "vm.list"},
                         changed(DONE)), ok("node.list", nodes=[]), ok("vm.list", vms=[]))
    terminal = cluster.terminal("node", "drain", "n1")
    terminal.wait_for(r"web1 +n1 -> n2 +\[=+> *\]  90% 812M/s dirty 120M/s pass 3\nweb2 +on n1 +waiting")
    assert terminal.screen().count("web1") == 1
    cluster.run("node", "list")
    terminal.wait_for(r"web1: n1 -> n2, live, done in 900 ms, blackout 180 ms\nweb2 +n1 -> n3")
    cluster.run("vm", "list")
    assert terminal.end() == 0
    assert terminal.screen() == ("web1: n1 -> n2, live, done in 900 ms, blackout 180 ms\n"
                                 "web2: n1 -> n3, live, done in 1.4 s, blackout 95 ms\n"
                                 "drain n1 done, 2 VMs in 2.3 s")
    assert terminal.widest <= 79


def test_bars_of_long_names_fit(cluster):
    name = "x" * 63
    it = operation("running", vm_state(name, "running", source="a" * 63, target="b" * 63))
    cluster.serve(ok("node.drain", {"until": "operation.show"}, sample(name, 50), {"until": "node.list"},
                     changed(operation("done", vm_state(name, "done", source="a" * 63, target="b" * 63))), operation=12),
                  ok("operation.show", operation=it), ok("node.list", nodes=[]))
    for columns in (80, 60, 40):
        terminal = cluster.terminal("node", "drain", "n1", columns=columns)
        terminal.wait_for(r"50%")
        cluster.run("node", "list")
        assert terminal.end() == 0
        assert terminal.widest <= columns - 1


def test_more_bars_than_rows(cluster):
    vms = [vm_state(f"web{n}", "running") for n in range(40)]
    done = [vm_state(f"web{n}", "done") for n in range(40)]
    cluster.serve(ok("node.drain", {"until": "operation.show"}, sample("web0", 50), {"until": "node.list"},
                     changed(operation("done", *done)), operation=12),
                  ok("operation.show", operation=operation("running", *vms)), ok("node.list", nodes=[]))
    terminal = cluster.terminal("node", "drain", "n1", rows=10)
    terminal.wait_for(r"web0 .*50%")
    terminal.wait_for(r"and 32 more")
    assert terminal.screen().count("\n") < 10
    cluster.run("node", "list")
    assert terminal.end() == 0
    assert terminal.screen().splitlines()[39] == "web39: n1 -> n2, live, done"


def test_no_bars_on_a_dumb_terminal(cluster):
    cluster.serve(*drain(sample("web1", 50), changed(DONE)))
    terminal = cluster.terminal("node", "drain", "n1", TERM="dumb")
    assert terminal.end() == 0
    assert "\x1b" not in terminal.raw
    assert "web1: n1 -> n2, 50 %" in terminal.screen()


# ---- ended early


def test_ctrl_c_says_that_it_goes_on(cluster):
    cluster.serve(*drain(sample("web1", 50)))
    terminal = cluster.terminal("node", "drain", "n1")
    terminal.wait_for(r"50%")
    terminal.type("\x03")
    assert terminal.end() == 130
    screen = terminal.screen()
    assert "clusterctl: interrupted; operation 12 (drain n1) continues in the cluster" in screen
    assert "  to do: watch it with: clusterctl operation show 12 --follow\n" in screen
    assert "         cancel it with: clusterctl operation cancel 12" in screen
    assert verbs(cluster)[-1] == "operation.show"  # nothing was cancelled


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_in_json(cluster, number):
    daemon = cluster.serve(*drain())
    process = cluster.start("node", "drain", "n1", "--json")
    daemon.wait_for("operation.show")
    process.send_signal(number)
    out, _ = process.communicate(timeout=20)
    assert process.returncode == 130
    document = json.loads(out)
    assert document["error"]["code"] == "interrupted"


def test_ctrl_c_before_the_answer(cluster):
    daemon = cluster.serve({"verb": "node.drain"})
    process = cluster.start("node", "drain", "n1")
    daemon.wait_for("node.drain")
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "interrupted before clusterd answered; clusterd may still carry it out" in err


def test_the_deadline(cluster):
    cluster.serve(*drain(sample("web1", 50)))
    done = cluster.run("node", "drain", "n1", "--timeout", "400ms")
    assert done.returncode == 5
    assert "the deadline of 400 ms has passed; operation 12 (drain n1) continues in the cluster" in done.stderr
    as_json = cluster.run("node", "drain", "n1", "--timeout", "400ms", "--json")
    assert as_json.returncode == 5
    assert json.loads(as_json.stdout)["operation"] == RUNNING


# ---- the daemon goes away and comes back


def test_a_restart_of_the_daemon_in_the_middle(cluster):
    first = cluster.serve(*drain(sample("web1", 50), {"until": "node.list"}, {"exit": True}), ok("node.list", nodes=[]))
    process = cluster.start("node", "drain", "n1")
    assert process.stdout.readline() == "web1: n1 -> n2, 50 %, 812M/s, dirty 120M/s, pass 2, 310 MiB left\n"
    cluster.run("node", "list")
    first.wait()
    assert "reconnecting (the operation continues in the cluster)" in process.stderr.readline()
    second = cluster.serve(ok("operation.show", {"wait_ms": 50}, changed(DONE), operation=HALF))
    out, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (0, "")
    assert [request["verb"] for request in second.requests][:2] == ["subscribe", "operation.show"]
    assert out.splitlines() == [
        "web1: n1 -> n2, live, done in 900 ms, blackout 180 ms",
        "web2: n1 -> n3, live, done in 1.4 s, blackout 95 ms",
        "drain n1 done, 2 VMs in 2.3 s",
    ]


def test_it_ended_while_nobody_listened(cluster):
    first = cluster.serve(*drain({"disconnect": True}, {"wait_ms": 20}, {"exit": True}))
    process = cluster.start("node", "drain", "n1")
    first.wait()
    cluster.serve(ok("operation.show", operation=DONE))
    out, _ = process.communicate(timeout=20)
    assert process.returncode == 0
    assert out.endswith("drain n1 done, 2 VMs in 2.3 s\n")


def test_a_daemon_that_has_to_catch_up_first(cluster):
    first = cluster.serve(*drain({"exit": True}))
    process = cluster.start("node", "drain", "n1")
    first.wait()
    cluster.serve(error("operation.show", "not-found", "there is no operation 12", then=[{"wait_ms": 50}, changed(DONE)]))
    out, _ = process.communicate(timeout=20)
    assert process.returncode == 0
    assert out.endswith("drain n1 done, 2 VMs in 2.3 s\n")


def test_a_daemon_that_never_hears_of_it(cluster):
    first = cluster.serve(*drain({"exit": True}))
    process = cluster.start("node", "drain", "n1", "--timeout", "1s")
    first.wait()
    cluster.serve(error("operation.show", "not-found", "there is no operation 12"))
    _, err = process.communicate(timeout=20)
    assert process.returncode == 5
    assert "the deadline of 1.0 s has passed" in err


def test_a_daemon_that_does_not_come_back_by_the_deadline(cluster):
    first = cluster.serve(*drain({"exit": True}))
    process = cluster.start("node", "drain", "n1", "--timeout", "1s")
    first.wait()
    _, err = process.communicate(timeout=20)
    assert process.returncode == 5
    assert "operation 12 (drain n1) continues in the cluster" in err


def test_ctrl_c_while_it_tries_to_connect(cluster):
    first = cluster.serve(*drain({"exit": True}))
    process = cluster.start("node", "drain", "n1")
    first.wait()
    assert "reconnecting" in process.stderr.readline()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "interrupted; operation 12 (drain n1) continues in the cluster" in err


def test_it_does_not_repeat_a_change_whose_answer_was_lost(cluster):
    """The change may have been committed; doing it again could do it twice."""
    cluster.serve({"verb": "vm.start", "then": [{"exit": True}]})
    done = cluster.run("vm", "start", "web1")
    assert done.returncode == 4
    assert "it is not known whether the command was carried out" in done.stderr
    assert verbs(cluster) == ["subscribe", "vm.start"]
