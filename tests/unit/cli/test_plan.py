# SPDX-License-Identifier: GPL-2.0-or-later
"""clusterctl plan and export: on a file, and on a live cluster, of which it asks nothing but the export."""

import json
import os
import signal
import stat
import subprocess

import pytest

from harness import CLUSTERCTL, check_golden, environment, error, ok


def node(number, **more):
    return {"name": f"n{number}", "cpu": 4000, "mem": 8192, "state": "online", **more}


def vm(name, host=None, mem=2048, **more):
    return {"name": name, "cpu": 1000, "mem": mem, "host": host, **more}


CLUSTER = {
    "nodes": [node(1), node(2, rack="r1"), node(3, rack="r2", state="drained")],
    "vms": [vm("web1", "n1"), vm("web2", "n1", priority=5), vm("db", "n2", mem=4096), vm("mail", None),
            vm("quiet", None, stay_off=True)],
    "rules": [{"name": "webs", "type": "apart", "strength": "soft", "vms": ["web1", "web2"]}],
}
FULL = {"nodes": [node(1), node(2)], "vms": [vm("one", "n1", mem=4000), vm("two", "n2", mem=2000), vm("new", None, mem=8000)]}


@pytest.fixture(name="plan")
def fixture_plan(cluster, tmp_path):
    def plan(content, *words, **env):
        path = tmp_path / "cluster.json"
        path.write_text(json.dumps(content))
        return cluster.run("plan", "--file", str(path), *words, **env)
    return plan


def document(done):
    """The one JSON document, without what differs from run to run."""
    whole = json.loads(done.stdout)
    assert 0 <= whole.pop("seconds") < 20
    return whole


def test_without_a_question_it_places_what_has_no_host_and_should(plan):
    done = plan(CLUSTER, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    answer = document(done)
    assert answer["placed"] == {"mail": "n1"} or answer["placed"] == {"mail": "n2"}
    assert answer["ok"] is True and answer["moves"] == [] and answer["unplaced"] == []
    assert answer["starts"][0]["vm"] == "mail" and answer["starts"][0]["mode"] == "start"
    assert answer["cost"]["unplaced"] == 0 and answer["cost"]["moves"] == 0


def test_a_loss(plan):
    answer = document(plan(CLUSTER, "--lose", "n1", "--json"))
    assert answer["placed"] == {"web1": "n2", "web2": "n2"}
    assert [start["from"] for start in answer["starts"]] == ["n1", "n1"]
    assert answer["starts"][0]["ready_ms"] > 0
    assert answer["cost"]["soft_broken"] == 1


def test_a_drain(plan):
    answer = document(plan(CLUSTER, "--drain", "n2", "--json"))
    assert answer["placed"] == {"db": "n1"}
    assert [(move["vm"], move["from"], move["to"], move["mode"], move["stage"], move["asked"]) for move in answer["moves"]] == [
        ("db", "n2", "n1", "live", 0, True)]
    assert answer["moves"][0]["ready_ms"] > 0 and answer["starts"] == []


def test_a_vm_that_runs_leaves_its_node(plan):
    assert document(plan(CLUSTER, "--vm", "web1,db", "--json"))["placed"] == {"web1": "n2", "db": "n1"}


def test_two_lost_nodes_leave_nothing(plan):
    done = plan(CLUSTER, "--lose", "n1,n2", "--json")
    assert done.returncode == 3
    answer = document(done)
    assert answer["ok"] is False and answer["exit"] == 3 and answer["error"]["code"] == "refused"
    assert answer["placed"] == {} and [each["vm"] for each in answer["unplaced"]] == ["web2", "db", "web1"]
    assert "no node can take it" in answer["unplaced"][0]["reason"]
    assert done.stderr.startswith("clusterctl: 3 VMs have no place; web2: no node can take it")


def test_shown_in_80_columns(plan):
    text = ""
    for words in ([], ["--lose", "n1"], ["--drain", "n2", "--explain"], ["--lose", "n1,n2"], ["--lose", "n3"]):
        done = plan(CLUSTER, *words, "--seconds", "0")
        text += f"$ {' '.join(['clusterctl', 'plan', *words])}\n{done.stdout}\n"
    check_golden("plan.txt", text)


def test_explained_in_json(plan):
    explained = document(plan(CLUSTER, "--vm", "db", "--explain", "--json"))["explanations"]
    assert [each["vm"] for each in explained] == ["db"] and explained[0]["chosen"] == "n1"
    verdicts = {each["node"]: each for each in explained[0]["nodes"]}
    assert verdicts["n1"]["possible"] and verdicts["n1"]["rank"] == 0 and verdicts["n1"]["change"] == ""
    assert not verdicts["n3"]["possible"] and "drained" in verdicts["n3"]["reason"]


@pytest.mark.parametrize("words, message", [
    (["--lose", "n9"], "plan: --lose n9: there is no node n9"),
    (["--drain", "n1,,n2"], "plan: --drain n1,,n2: there is no node without a name"),
    (["--vm", "web1,web9"], "plan: --vm web1,web9: there is no VM web9"),
])
def test_names_that_nobody_has(plan, words, message):
    done = plan(CLUSTER, *words)
    assert done.returncode == 3 and message in done.stderr and done.stdout == ""


def test_the_same_seed_gives_the_same_answer(plan):
    first, second = (document(plan(TIGHT, "--seconds", "0", "--seed", "7", "--json")) for _ in range(2))
    assert first == second


# ---- a live cluster


def test_live_and_from_its_export(cluster, plan, tmp_path):
    cluster.serve(ok("export", cluster=CLUSTER))
    path = tmp_path / "export.json"
    assert cluster.run("export", str(path)).returncode == 0
    assert json.loads(path.read_text()) == CLUSTER
    for words in ([], ["--lose", "n1"], ["--drain", "n1"], ["--vm", "db"]):
        live = cluster.run("plan", *words, "--json")
        assert document(live) == document(cluster.run("plan", "--file", str(path), *words, "--json"))
    assert {request["verb"] for request in cluster.requests} == {"export"}
    assert [entry.name for entry in tmp_path.iterdir() if "export" in entry.name] == ["export.json"]


def test_a_plan_of_a_file_needs_no_daemon(plan):
    assert plan(CLUSTER).returncode == 0


def test_without_a_daemon(cluster):
    for words in (["plan", "--lose", "n1"], ["export"]):
        done = cluster.run(*words)
        assert done.returncode == 4 and "clusterd is not running on this node" in done.stderr


def test_a_daemon_that_refuses(cluster):
    cluster.serve(error("export", "failed", "this clusterd knows no nodes yet", "see: clusterctl status"))
    for words in (["plan"], ["export"]):
        done = cluster.run(*words)
        assert done.returncode == 1
        assert done.stderr == "clusterctl: this clusterd knows no nodes yet\n  to do: see: clusterctl status\n"


def test_a_daemon_whose_answer_is_strange(cluster):
    cluster.serve(ok("export", cluster={**CLUSTER, "moon": 1}))
    done = cluster.run("plan")
    assert done.returncode == 1
    assert "plan: clusterd's answer: moon: unknown key" in done.stderr
    assert "are clusterctl and clusterd of the same version?" in done.stderr


def test_export_to_standard_output_and_back(cluster):
    cluster.serve(ok("export", cluster=CLUSTER))
    text = cluster.run("export").stdout
    assert json.loads(text) == CLUSTER
    assert cluster.run("plan", "--file", "-", "--json", stdin=text).returncode == 0


def test_an_export_that_cannot_be_written(cluster, tmp_path):
    cluster.serve(ok("export", cluster=CLUSTER))
    done = cluster.run("export", str(tmp_path / "not" / "there.json"))
    assert done.returncode == 1
    assert done.stderr.startswith("clusterctl: export: cannot write ") and "No such file" in done.stderr
    done = cluster.run("export", "/dev/full")
    assert done.returncode == 1 and "cannot write /dev/full: No space left on device" in done.stderr


def exported(directory):
    return sorted(path.name for path in directory.iterdir())


def test_an_export_follows_nobody_elses_link(cluster, tmp_path):
    cluster.serve(ok("export", cluster=CLUSTER))
    shared = tmp_path / "shared"
    shared.mkdir()
    victim = tmp_path / "victim"
    victim.write_text("as it was")
    out = shared / "export.json"
    for name in ("export.json.new", ".export.json.new"):
        (shared / name).symlink_to(victim)
    assert cluster.run("export", str(out)).returncode == 0
    assert json.loads(out.read_text()) == CLUSTER and stat.S_IMODE(out.stat().st_mode) == 0o600
    out.unlink()
    out.symlink_to(victim)
    done = cluster.run("export", str(out))
    assert done.returncode == 1 and f"cannot write {out}: it is a symbolic link" in done.stderr
    assert victim.read_text() == "as it was" and out.is_symlink()
    assert exported(shared) == [".export.json.new", "export.json", "export.json.new"]


def test_an_export_replaces_a_file_as_a_whole(cluster, tmp_path):
    cluster.serve(ok("export", cluster=CLUSTER))
    directory = tmp_path / "out"
    directory.mkdir()
    other = directory / "other"
    other.write_text("old")
    out = directory / "a"
    out.hardlink_to(other)
    assert subprocess.run([CLUSTERCTL, "export", "a"], cwd=directory, env=environment(cluster.run_dir), check=False).returncode == 0
    assert json.loads(out.read_text()) == CLUSTER and other.read_text() == "old"
    assert exported(directory) == ["a", "other"]
    done = cluster.run("export", str(directory))
    assert done.returncode == 1 and "cannot write" in done.stderr


def test_an_export_into_a_pipe(cluster, tmp_path):
    cluster.serve(ok("export", cluster=CLUSTER))
    assert json.loads(cluster.run("export", "/proc/self/fd/1").stdout) == CLUSTER
    with open(tmp_path / "out", "w", encoding="utf-8") as file:
        subprocess.run([CLUSTERCTL, "export", "/proc/self/fd/1"], stdout=file, env=environment(cluster.run_dir), check=True)
    assert json.loads((tmp_path / "out").read_text()) == CLUSTER
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    writer = cluster.start("export", str(fifo))
    assert json.loads(fifo.read_text()) == CLUSTER
    assert writer.wait(20) == 0
    writer.communicate()


# ---- a long search


def tight():
    """More VMs of awkward sizes than fit, so that nobody can say soon which of them is left over."""
    state = 12345
    vms = []
    for number in range(240):
        state = (state * 1103515245 + 12345) % 2**31
        vms.append({"name": f"vm{number}", "cpu": 1, "mem": 3000 + state // 7 % 4501, "host": None})
    return {"nodes": [{"name": f"n{number}", "cpu": 100, "mem": 30000} for number in range(40)], "vms": vms}


TIGHT = tight()


def test_ctrl_c_shows_the_best_plan_so_far(cluster, tmp_path):
    path = tmp_path / "cluster.json"
    path.write_text(json.dumps(TIGHT))
    terminal = cluster.terminal("plan", "--file", str(path), "--seconds", "600", rows=400)
    terminal.wait_for("looking for a better plan, ")
    terminal.type("\x03")
    assert terminal.end() == 130
    assert "would start: " in terminal.screen()
    assert "clusterctl: interrupted: this is the best plan so far" in terminal.screen()
    assert "looking" not in terminal.screen()


def test_sigterm_with_json(cluster, tmp_path):
    path = tmp_path / "cluster.json"
    path.write_text(json.dumps(TIGHT))
    process = cluster.start("plan", "--file", str(path), "--seconds", "600", "--json")
    with open(f"/proc/{process.pid}/status", encoding="ascii") as status:
        while True:  # until it has blocked the signals: before that it would end without a word
            status.seek(0)
            blocked = int(next(line for line in status if line.startswith("SigBlk:")).split()[1], 16)
            if blocked & (1 << (signal.SIGTERM - 1)):
                break
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=20)
    assert process.returncode == 130
    answer = json.loads(out)
    assert answer["exit"] == 130 and len(answer["placed"]) + len(answer["unplaced"]) == 240


def test_the_time_is_kept(plan):
    assert 0.2 <= json.loads(plan(TIGHT, "--seconds", "0.2", "--json").stdout)["seconds"] < 5
    assert json.loads(plan(TIGHT, "--seconds", "600", "--timeout", "300ms", "--json").stdout)["seconds"] < 5


# ---- what makes room, what is balanced, what is admitted


def test_running_vms_make_room(plan):
    answer = document(plan(FULL, "--json"))
    assert answer["placed"] == {"new": "n2"}
    assert [(move["vm"], move["from"], move["to"], move["asked"]) for move in answer["moves"]] == [("two", "n2", "n1", False)]
    assert answer["starts"][0]["stage"] > answer["moves"][0]["stage"]
    assert answer["starts"][0]["ready_ms"] > answer["moves"][0]["ready_ms"]
    for done in (plan(FULL, "--no-move-others", "--json"), plan({**FULL, "solve": {"move_others": False}}, "--json")):
        assert done.returncode == 3 and document(done)["unplaced"][0]["vm"] == "new"
    check_golden("plan-room.txt", plan(FULL).stdout)


def test_admission(plan):
    done = plan(CLUSTER, "--admit", "1", "--json")
    answer = document(done)
    assert (done.returncode, answer["answer"], answer["cases"]["all"]) == (0, "yes", 2)
    done = plan(CLUSTER, "--admit", "2", "--json")
    answer = document(done)
    assert (done.returncode, answer["answer"]) == (3, "no")
    assert sorted(answer["counterexample"]) == ["n1", "n2"] and answer["vm"]
    text = plan(CLUSTER, "--admit", "1").stdout + plan(CLUSTER, "--admit", "2").stdout
    check_golden("plan-admit.txt", text)


# The large VM has room on n2 only, and only if three of the small ones leave it, one for each of the holes.
CROWDED = {
    "nodes": [node(number) for number in range(1, 6)],
    "vms": [vm("large", "n1", mem=6000), *[vm(f"small{i}", "n2", mem=1000, cpu=100) for i in range(5)],
            *[vm(f"filler{number}", f"n{number}", mem=7100) for number in (3, 4, 5)]],
}


def test_three_leave_one_node(plan):
    answer = document(plan(CROWDED, "--lose", "n1", "--json"))
    assert answer["placed"] == {"large": "n2"} and answer["proven"] is True and answer["cost"]["moves_of_others"] == 3
    assert sorted(move["to"] for move in answer["moves"]) == ["n3", "n4", "n5"]
    answer = document(plan(CROWDED, "--admit", "1", "--json"))
    assert (answer["answer"], answer["cases"]["yes"]) == ("yes", 5)


BROKEN = {
    "nodes": [node(1), node(2), node(3)],
    "vms": [vm("dns1", "n1", mem=512), vm("dns2", "n1", mem=512), vm("app", "n1", mem=512), vm("cache", "n2", mem=512),
            vm("licensed", "n3", mem=512), vm("dirty", "n2", mem=512), vm("fine", "n3", mem=512)],
    "rules": [{"name": "dns", "type": "apart", "vms": ["dns1", "dns2"]}, {"name": "near", "type": "together", "vms": ["app", "cache"]},
              {"name": "licence", "type": "on", "vms": ["licensed"], "nodes": ["n1", "n2"]},
              {"name": "clean", "type": "not-on", "vms": ["dirty", "fine"], "nodes": ["n2"]},
              {"name": "wish", "type": "apart", "strength": "soft", "vms": ["app", "dns1"]},
              {"name": "kept", "type": "apart", "vms": ["app", "fine"]}],
}


def test_rules_that_are_broken_already_are_named(plan):
    text = plan(BROKEN).stdout
    answer = document(plan(BROKEN, "--json"))
    assert [(each["rule"], each["vms"]) for each in answer["broken_rules"]] == [
        ("dns", ["dns1", "dns2"]), ("near", ["app", "cache"]), ("licence", ["licensed"]), ("clean", ["dirty"])]
    for words in (["--balance"], ["--admit", "1"]):
        assert document(plan(BROKEN, *words, "--json"))["broken_rules"] == answer["broken_rules"]
    check_golden("plan-broken-rules.txt", text + plan(BROKEN, "--admit", "1").stdout)
    # What the hint says to ask for does mend them all.
    words = next(line for line in text.splitlines() if "clusterctl plan --vm" in line).split("plan ")[1].split()
    moved = document(plan(BROKEN, *words, "--json"))["placed"]
    mended = {**BROKEN, "vms": [{**each, "host": moved.get(each["name"], each["host"])} for each in BROKEN["vms"]]}
    assert document(plan(mended, "--json"))["broken_rules"] == []
    assert document(plan(CLUSTER, "--json"))["broken_rules"] == []
