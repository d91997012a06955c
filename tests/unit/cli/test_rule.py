# SPDX-License-Identifier: GPL-2.0-or-later
"""Rules of placement, and what may be set of VMs and nodes: what is sent, what is shown, what is refused before it is sent."""

import pytest

from harness import check_golden, ok

APART = {"name": "web-apart", "kind": "apart", "scope": "rack", "strength": "hard", "weight": 1, "vms": ["web1", "web2"],
         "nodes": [], "broken": 1, "state": "broken"}
ON = {"name": "db-on", "kind": "on", "scope": None, "strength": "soft", "weight": 5, "vms": ["db1"], "nodes": ["n1", "n2"],
      "broken": 0, "state": "kept"}


def test_list_and_show(cluster):
    cluster.serve(ok("rule.list", rules=[APART, ON]), ok("rule.show", rule=APART, times=1), ok("rule.show", rule=ON))
    text = "\n".join(cluster.run(*words).stdout for words in
                     (["rule", "list"], ["rule", "show", "web-apart"], ["rule", "show", "db-on"]))
    check_golden("rules.txt", text)


def test_no_rules(cluster):
    cluster.serve(ok("rule.list", rules=[]))
    assert cluster.run("rule", "list").stdout.startswith("no rules")


@pytest.mark.parametrize("words, sent", [
    (["--apart", "--vms", "a,b"], {"kind": "apart", "hard": False, "vms": ["a", "b"], "nodes": [], "scope": "node"}),
    (["--together", "--vms", "a,b", "--scope", "site", "--hard"],
     {"kind": "together", "hard": True, "vms": ["a", "b"], "nodes": [], "scope": "site"}),
    (["--not-on", "--vms", "a", "--nodes", "n1,n2", "--soft", "--weight", "9"],
     {"kind": "not-on", "hard": False, "vms": ["a"], "nodes": ["n1", "n2"], "weight": 9}),
])
def test_add(cluster, words, sent):
    cluster.serve(ok("rule.add", operation=0))
    done = cluster.run("rule", "add", "r", *words)
    assert (done.returncode, done.stdout, done.stderr) == (
        0, "rule r has been added; see whether it is met: clusterctl rule show r\n", "")
    assert cluster.requests[-1] == {"verb": "rule.add", "name": "r", **sent}


def test_a_warning_is_told_beside_the_answer(cluster):
    cluster.serve(ok("rule.add", operation=0, message="", warning="rule r keeps VMs down"))
    done = cluster.run("rule", "add", "r", "--apart", "--vms", "a,b")
    assert done.returncode == 0
    assert done.stderr == "clusterctl: warning: rule r keeps VMs down\n"
    assert done.stdout.startswith("rule r has been added")


@pytest.mark.parametrize("words, text", [
    ([], "give one of --apart"),
    (["--apart", "--on", "--vms", "a,b"], "exclude each other"),
    (["--apart"], "--vms is missing"),
    (["--on", "--vms", "a"], "--nodes is missing"),
    (["--apart", "--vms", "a,b", "--nodes", "n1"], "--nodes belongs to"),
    (["--on", "--vms", "a", "--nodes", "n1", "--scope", "rack"], "--scope belongs to"),
    (["--apart", "--vms", "a,b", "--scope", "room"], "neither node, rack nor site"),
    (["--apart", "--vms", "a,b", "--hard", "--soft"], "--hard and --soft"),
    (["--apart", "--vms", "a,b", "--hard", "--weight", "2"], "no weight"),
    (["--apart", "--vms", "a,b", "--weight", "x"], "not a number"),
    (["--apart", "--vms", "a,,b"], "a name is empty"),
])
def test_add_refused_at_once(cluster, words, text):
    done = cluster.run("rule", "add", "r", *words)
    assert done.returncode == 2 and text in done.stderr


def test_remove(cluster):
    cluster.serve(ok("rule.remove", operation=0))
    assert cluster.run("rule", "remove", "r").stdout == "rule r has been removed\n"
    assert cluster.requests[-1] == {"verb": "rule.remove", "rule": "r"}


@pytest.mark.parametrize("words, sent", [
    (["vm", "set", "a", "--accept-disks"], {"verb": "vm.set", "vm": "a", "accept_disks": True}),
    (["vm", "set", "a", "--priority", "9", "--auto-start", "no"],
     {"verb": "vm.set", "vm": "a", "priority": 9, "auto_start": False}),
    (["vm", "set", "a", "--possible", "n1,n2", "--preferred", "", "--mobility", "quick"],
     {"verb": "vm.set", "vm": "a", "possible": ["n1", "n2"], "preferred": [], "mobility": "quick"}),
    *[(["vm", "set", "a", "--move-policy", how], {"verb": "vm.set", "vm": "a", "move_policy": how})
      for how in ("live-or-quick", "live", "restart", "shut-down", "stay")],
    (["vm", "set", "a", "--max-downtime", "2s"], {"verb": "vm.set", "vm": "a", "max_downtime_ms": 2000}),
    (["vm", "set", "a", "--max-downtime", "default"], {"verb": "vm.set", "vm": "a", "max_downtime_ms": 0}),
    (["node", "set", "n1", "--vms-max", "0"], {"verb": "node.set", "node": "n1", "vms_max": 0}),
    (["node", "set", "n1", "--resource", "vgpu=2,hugepages=0", "--resource", "sriov=1099511627776"],
     {"verb": "node.set", "node": "n1", "resources": {"vgpu": 2, "hugepages": 0, "sriov": 1 << 40}}),
    (["vm", "set", "a", "--resource", "vgpu=1", "--priority", "2"],
     {"verb": "vm.set", "vm": "a", "priority": 2, "resources": {"vgpu": 1}}),
])
def test_set(cluster, words, sent):
    cluster.serve(ok(sent["verb"], operation=0))
    done = cluster.run(*words)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{words[2]} has been changed; nothing is moved for it\n", "")
    assert cluster.requests[-1] == sent


@pytest.mark.parametrize("words, text", [
    (["vm", "set", "a"], "give at least one option to set"),
    (["vm", "set", "a", "--auto-start", "maybe"], "neither yes nor no"),
    (["vm", "set", "a", "--mobility", "slow"], "neither live, quick nor fixed"),
    (["vm", "set", "a", "--move-policy", "kill"], "neither live-or-quick, live, restart, shut-down nor stay"),
    (["vm", "set", "a", "--max-downtime", "61s"], "is not a time from 1ms to 60s, nor default"),
    (["vm", "set", "a", "--max-downtime", "0ms"], "is not a time from 1ms to 60s, nor default"),
    (["vm", "set", "a", "--priority", "1001"], "not a number from 0 to 1000"),
    (["node", "set", "n1"], "give at least one option to set"),
    (["node", "set", "n1", "--vms-max", "100001"], "not a number from 0 to 100000"),
    (["node", "set", "n1", "--resource", "vgpu"], "--resource vgpu: write it as vgpu=2"),
    (["node", "set", "n1", "--resource", ""], "write it as vgpu=2"),
    (["node", "set", "n1", "--resource", "vgpu=2,"], "write it as vgpu=2"),
    (["node", "set", "n1", "--resource", "=2"], "write it as vgpu=2"),
    (["node", "set", "n1", "--resource", "vgpu=-1"], "number from 0 to 1099511627776"),
    (["node", "set", "n1", "--resource", "vgpu=1099511627777"], "number from 0 to 1099511627776"),
    (["vm", "set", "a", "--resource", "vgpu=two"], "--resource vgpu=two: write it as"),
    (["vm", "set", "a", "--resource", "vgpu=1", "--resource", "b=1,vgpu=2"], "--resource vgpu is given twice"),
    (["vm", "move", "a", "--resource", "vgpu=1"], "option --resource cannot be used here"),
])
def test_set_refused_at_once(cluster, words, text):
    done = cluster.run(*words)
    assert done.returncode == 2 and text in done.stderr
