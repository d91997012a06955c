# SPDX-License-Identifier: GPL-2.0-or-later
"""The file of clusterd-cluster.json(5): what is taken, what it means, and each line by which it is refused."""

import copy
import gzip
import json
import os
import re

import pytest

from harness import HERE

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(HERE)))


def node(name, **more):
    return {"name": name, "cpu": 8, "mem": 8, **more}


def vm(name, host=None, **more):
    return {"name": name, "cpu": 1, "mem": 1, "host": host, **more}


def three(*vms, **more):
    return {"nodes": [node("n0"), node("n1"), node("n2")], "vms": list(vms), **more}


@pytest.fixture(name="plan")
def fixture_plan(cluster, tmp_path):
    def plan(content, *words):
        path = tmp_path / "c.json"
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        done = cluster.run("plan", "--file", str(path), "--json", *words)
        return done, done.stderr.replace(str(path), "c.json")
    return plan


def answer(plan, content, *words):
    done, _ = plan(content, *words)
    assert done.stdout, done.stderr
    return json.loads(done.stdout)


def placed(plan, content, *words):
    return answer(plan, content, *words)["placed"]


def without(content, *path):
    content = copy.deepcopy(content)
    at = content
    for key in path[:-1]:
        at = at[key]
    del at[path[-1]]
    return content


GOOD = three(vm("a", "n0"), vm("b"))
RULE = {"type": "apart", "vms": ["a", "b"]}
KEYS = "name, cpu, mem, state, cpu_overcommit_permille"


def with_node(**more):
    return {**GOOD, "nodes": [node("n0"), {**node("n1"), **more}]}


def with_vm(**more):
    return {**GOOD, "vms": [vm("a", "n0"), {**vm("b"), **more}]}


def with_rule(**more):
    return {**GOOD, "rules": [{**RULE, **more}], "node_groups": [["n0"], ["n0", "n1"], "x"]}


REFUSED = [
    ("{", "c.json: line 1, column 1: not JSON: string or '}' expected near end of file"),
    ('{"nodes":[],"nodes":[]}', "c.json: line 1, column 19: not JSON: duplicate object key near '\"nodes\"'"),
    ('{"nodes":[{"name":"n","cpu":99999999999999999999,"mem":1}],"vms":[]}',
     "c.json: line 1, column 48: not JSON: too big integer near '99999999999999999999'"),
    ("[]", "c.json: must be an object, and is an array"),
    ({"vms": []}, "c.json: nodes: is missing"),
    ({"nodes": [node("n")]}, "c.json: vms: is missing"),
    ({**GOOD, "moon": 1}, "c.json: moon: unknown key; allowed are nodes, vms, rules, events"),
    ({**GOOD, "version": 2}, "c.json: version: 2 is not in the range from 0 to 1"),
    ({**GOOD, "version": 0}, "c.json: version: this program reads version 1"),
    ({**GOOD, "nodes": {}}, "c.json: nodes: must be an array, and is an object"),
    ({**GOOD, "nodes": []}, "c.json: nodes: there are 0; allowed are 1 to 65536"),
    ({**GOOD, "nodes": [3]}, "c.json: nodes[0]: must be an object, and is a number"),
    (without(GOOD, "nodes", 2, "mem"), "c.json: nodes[2].mem: is missing"),
    (with_node(memory=1), f"c.json: nodes[1].memory: unknown key; allowed are {KEYS}"),
    (with_node(mem=-5), "c.json: nodes[1].mem: -5 is not in the range from 0 to 1099511627776"),
    (with_node(mem=2**40 + 1), "c.json: nodes[1].mem: 1099511627777 is not in the range from 0 to 1099511627776"),
    (with_node(mem=1.5), "c.json: nodes[1].mem: must be a whole number, and is a number with a fraction or an exponent"),
    (with_node(mem="8"), "c.json: nodes[1].mem: must be a whole number, and is a text"),
    (with_node(name="n0"), "c.json: nodes[1].name: n0 already has that name: nodes[0]"),
    (with_node(name=""), "c.json: nodes[1].name: a name has 1 to 255 bytes, this one 0"),
    (with_node(name="x" * 256), "c.json: nodes[1].name: a name has 1 to 255 bytes, this one 256"),
    (with_node(name=None), "c.json: nodes[1].name: must be a name, and is null"),
    (with_node(state="up"), "c.json: nodes[1].state: must be one of online, joining, draining, drained, lost, fencing, fenced, "
                            "offline, no-hypervisor, no-watchdog, failed; \"up\" is none of them"),
    (with_node(cpu_overcommit_permille=1000001), "nodes[1].cpu_overcommit_permille: 1000001 is not in the range from 0 to 1000000"),
    (with_node(threshold_permille=1001), "c.json: nodes[1].threshold_permille: 1001 is not in the range from 0 to 1000"),
    (with_node(volumes="csv1"), "c.json: nodes[1].volumes: must be an array, and is a text"),
    (with_node(volumes=[1]), "c.json: nodes[1].volumes[0]: must be a name, and is a number"),
    (with_node(resources={"gpu": 1}), "c.json: nodes[1].resources.gpu: is not among the additional resources of the file"),
    ({**with_node(resources={"gpu": "1"}), "resources": [{"name": "gpu"}]},
     "c.json: nodes[1].resources.gpu: must be a whole number, and is a text"),
    ({**GOOD, "resources": [{"name": "gpu"}, {"name": "gpu"}]}, "c.json: resources[1].name: gpu is listed twice"),
    ({**GOOD, "resources": [{"name": f"r{i}"} for i in range(31)]}, "c.json: resources[30].name: there are more than 32"),
    ({**GOOD, "solve": {"seconds": 1}}, "c.json: solve.seconds: unknown key; allowed are move_others, "
     "drain_moves_others, improve_ms, seed"),
    ({**GOOD, "solve": {"move_others": 1}}, "c.json: solve.move_others: must be true or false, and is a number"),
    (with_vm(name="a"), "c.json: vms[1].name: a already has that name: vms[0]"),
    (with_vm(host="n9"), "c.json: vms[1].host: there is no node n9"),
    (with_vm(host=3), "c.json: vms[1].host: must be a name, and is a number"),
    (with_vm(also_on="n1"), "c.json: vms[1].also_on: a VM without a host cannot be moving to another node"),
    (with_vm(host="n1", also_on="n1"), "c.json: vms[1].also_on: n1 is its host"),
    (with_vm(possible=["n1", "n9"]), "c.json: vms[1].possible[1]: there is no node n9"),
    (with_vm(priority=2**31), "c.json: vms[1].priority: 2147483648 is not in the range from -2147483648 to 2147483647"),
    (with_vm(priority="high"), "c.json: vms[1].priority: must be a whole number, and is a text"),
    (with_vm(mobility="fast"), "c.json: vms[1].mobility: must be one of live, cold, fixed; \"fast\" is none of them"),
    (with_vm(cpu_model="a", bound_cpu_model="b"), "c.json: vms[1].bound_cpu_model: a VM with a cpu_model cannot be bound to another"),
    (with_vm(load={"io": 1}), "c.json: vms[1].load.io: unknown key; allowed are cpu, mem, resources"),
    (with_vm(load={"resources": {"gpu": 1}}), "c.json: vms[1].load.resources.gpu: is not among the additional resources of the file"),
    (with_vm(sleeping="yes"), "c.json: vms[1].sleeping: must be true or false, and is a text"),
    ({**GOOD, "events": {"crash": []}}, "c.json: events.crash: unknown key; allowed are offline, online, ready"),
    ({**GOOD, "events": {"offline": ["x"]}}, "c.json: events.offline[0]: there is no node x"),
    ({**GOOD, "events": {"ready": ["x"]}}, "c.json: events.ready[0]: there is no VM x"),
    ({**GOOD, "events": {"resize": [{"cpu": 1}]}}, "c.json: events.resize[0].vm: is missing"),
    ({**GOOD, "events": {"resize": [{"vm": "x"}]}}, "c.json: events.resize[0].vm: there is no VM x"),
    ({**GOOD, "rules": [{"vms": []}]}, "c.json: rules[0].type: is missing"),
    (with_rule(type="near"), "c.json: rules[0].type: there is no rule \"near\"; there are apart, together, on, not-on, spread"),
    (with_rule(vms=["c"]), "c.json: rules[0].vms[0]: there is no VM c"),
    (with_rule(nodes=["n0"]), "c.json: rules[0].nodes: does not apply to the rule \"apart\""),
    (with_rule(type="on"), "c.json: rules[0].nodes: is missing; the rule \"on\" needs it"),
    (with_rule(scope="room"), "c.json: rules[0].scope: must be one of node, rack, site, part; \"room\" is none of them"),
    (with_rule(type="spread", scope="rack"), "c.json: rules[0].scope: does not apply to the rule \"spread\""),
    (with_rule(type="spread", strength="soft"), "c.json: rules[0].strength: the rule \"spread\" is always hard"),
    (with_rule(weight=3), "c.json: rules[0].weight: does not apply to a hard rule"),
    (with_rule(parts=[0]), "c.json: rules[0].parts: do not apply to the rule \"apart\" without the scope \"part\""),
    (with_rule(scope="part"), "c.json: rules[0].parts: is missing; it lists numbers of node_groups"),
    (with_rule(scope="part", parts=[3]), "c.json: rules[0].parts[0]: node_groups has no array number 3"),
    (with_rule(scope="part", parts=[0, 2]), "c.json: rules[0].parts[1]: node_groups has no array number 2"),
    (with_rule(scope="part", parts=[0, 1]), "c.json: rules[0].parts: node n0 is in two of them"),
    (with_rule(type="split", vms=[]), "c.json: rules[0].groups: is missing; the rule \"split\" needs it"),
    (with_rule(type="split", groups=[["a"]]), "c.json: rules[0].vms: does not apply to the rule \"split\""),
    (with_rule(type="split", vms=[], groups=["a"]), "c.json: rules[0].groups[0]: must be an array of VMs"),
    (with_rule(type="split", vms=[], groups=[["a"], ["b", "a"]]), "c.json: rules[0].groups[1]: VM a is named twice"),
    (with_rule(type="splitAmong", vms=[], groups=[["a"]]), "c.json: rules[0].parts: is missing; it lists numbers of node_groups"),
    (with_rule(type="lonely", groups=[["a"]]), "c.json: rules[0].groups: does not apply to the rule \"lonely\""),
    (with_rule(type="cap", nodes=["n0"], amount=3), "c.json: rules[0].resource: is missing; the rule \"cap\" needs it"),
    (with_rule(type="cap", nodes=["n0"], amount=3, resource="gpu"), "c.json: rules[0].resource: there is no resource gpu"),
    (with_rule(type="runningCapacity", nodes=["n0"]), "c.json: rules[0].amount: is missing; the rule \"runningCapacity\" needs it"),
    (with_rule(type="runningCapacity", nodes=["n0"], amount=-1), "c.json: rules[0].amount: -1 is not in the range"),
    (with_rule(type="maxOnline", vms=[], nodes=["n0", "n1"], amount=1),
     "c.json: rules[0].amount: 2 of its nodes would be on, and it allows 1; a plan powers no node off"),
]


@pytest.mark.parametrize("content, message", REFUSED, ids=[message[:60] for _, message in REFUSED])
def test_refused_with_one_line(plan, content, message):
    done, text = plan(content)
    assert done.returncode == 2
    assert message in text and text.count("\n") == 2, text
    assert text.endswith("  to do: the format is described in: man clusterd-cluster.json\n")
    assert json.loads(done.stdout)["error"]["code"] == "usage"


def test_files_that_cannot_be_read(cluster, tmp_path):
    for path, reason in ((tmp_path / "none.json", "No such file or directory"), (tmp_path, "Is a directory")):
        done = cluster.run("plan", "--file", str(path))
        assert done.returncode == 2
        assert str(path) in done.stderr and (reason in done.stderr or "it cannot be read" in done.stderr)


def test_a_compressed_file_says_so(cluster, tmp_path):
    path = tmp_path / "c.json.gz"
    path.write_bytes(gzip.compress(json.dumps(GOOD).encode()))
    done = cluster.run("plan", "--file", str(path))
    assert done.returncode == 2 and done.stdout == ""
    assert f"{path}: is compressed: gunzip it first" in done.stderr


# ---- what it means


def test_peers_form(plan):
    content = {"params": {"anything": [1]}, "nodes": [node("n0", state="failed"), node("n1")],
               "vms": [{**vm("x"), "priority": 0, "was": "n0"}, {**vm("y", "n1"), "was": "n1"}, vm("z", "n0")]}
    assert placed(plan, content) == {"x": "n1", "z": "n1"}


def test_events_say_which_vms_wait(plan):
    content = three(vm("a"), vm("b"), vm("s", "n0", sleeping=True), events={"ready": ["b", "s"]})
    assert sorted(placed(plan, content)) == ["b", "s"]
    assert sorted(placed(plan, without(content, "events"))) == ["a", "b"]
    assert placed(plan, {**content, "events": {}}) == {}


def test_nodes_that_go_off_are_emptied(plan):
    content = three(vm("a", "n0"), vm("w"), events={"offline": ["n0", "n2"], "ready": ["w"]})
    both = answer(plan, content)
    assert both["placed"] == {"a": "n1", "w": "n1"} and [move["vm"] for move in both["moves"]] == ["a"]


def test_nodes_that_come_on_take_vms(plan):
    content = three(vm("w", mem=8), vm("a", "n0"), vm("b", "n1"), events={"online": ["n2"], "ready": ["w"]})
    content["nodes"][2]["state"] = "offline"
    assert placed(plan, content) == {"w": "n2"}
    assert placed(plan, {**content, "events": {"ready": ["w"]}}, "--no-move-others") == {}


def test_what_stops_makes_room(plan):
    content = {"nodes": [node("n0")], "vms": [vm("a", "n0", mem=8), vm("w", mem=8)], "events": {"stop": ["a"], "ready": ["w"]}}
    assert placed(plan, content) == {"w": "n0"}


def test_what_grows_too_large_moves(plan):
    content = three(vm("a", "n0", mem=4), vm("b", "n0", mem=4), events={"resize": [{"vm": "b", "mem": 5}]})
    assert list(placed(plan, content)) == ["b"]
    assert placed(plan, {**content, "events": {"resize": [{"vm": "b", "mem": 3}]}}) == {}


def test_stay_off_and_no_auto_start_stay_down(plan):
    content = three(vm("a", stay_off=True), vm("b", "n0", no_auto_start=True), vm("c"))
    content["nodes"][0]["state"] = "failed"
    assert list(placed(plan, content)) == ["c"]
    assert list(placed(plan, content, "--vm", "a")) == ["a"]


@pytest.mark.parametrize("rule, expected", [
    ({"type": "spread", "vms": ["a", "w"]}, ["n1", "n2"]),
    ({"type": "apart", "vms": ["a", "w"]}, ["n1", "n2"]),
    ({"type": "apart", "vms": ["a", "w"], "scope": "rack"}, ["n2"]),
    ({"type": "apart", "vms": ["a", "w"], "scope": "part", "parts": [0, 1]}, ["n2"]),
    ({"type": "gather", "vms": ["a", "w"]}, ["n0"]),
    ({"type": "together", "vms": ["a", "w"], "scope": "rack"}, ["n0", "n1"]),
    ({"type": "fence", "vms": ["w"], "nodes": ["n2"]}, ["n2"]),
    ({"type": "on", "vms": ["w"], "nodes": ["n1"]}, ["n1"]),
    ({"type": "ban", "vms": ["w"], "nodes": ["n0", "n1"]}, ["n2"]),
    ({"type": "not-on", "vms": ["w"], "nodes": ["n0", "n2"]}, ["n1"]),
    ({"type": "among", "vms": ["a", "w"], "parts": [0, 1]}, ["n0", "n1"]),
    ({"type": "among", "vms": ["w"], "parts": [1]}, ["n2"]),
    ({"type": "among", "vms": ["a", "w"], "parts": [0, 1], "continuous": True}, ["n0", "n1"]),
    ({"type": "lonely", "vms": ["w"]}, ["n1", "n2"]),
    ({"type": "lonely", "vms": ["a", "w"]}, ["n0", "n1", "n2"]),
    ({"type": "split", "groups": [["a"], ["w"]]}, ["n1", "n2"]),
    ({"type": "split", "groups": [["a", "w"], []]}, ["n0", "n1", "n2"]),
    ({"type": "splitAmong", "groups": [["a"], ["w"]], "parts": [0, 1]}, ["n2"]),
    ({"type": "splitAmong", "groups": [["a", "w"]], "parts": [0, 1]}, ["n0", "n1"]),
    ({"type": "runningCapacity", "vms": ["a", "w"], "nodes": ["n0", "n1"], "amount": 1}, ["n2"]),
    ({"type": "runningCapacity", "vms": ["a", "w"], "nodes": ["n0", "n1"], "amount": 2}, ["n0", "n1", "n2"]),
    ({"type": "cap", "vms": ["a", "w"], "nodes": ["n1", "n2"], "amount": 0, "resource": "mem"}, ["n0"]),
    ({"type": "maxOnline", "nodes": ["n0", "n1"], "amount": 2}, ["n0", "n1", "n2"]),
], ids=lambda value: "-".join(value) if isinstance(value, list) else value["type"] + value.get("scope", ""))
def test_rules(plan, rule, expected):
    content = three(vm("a", "n0"), vm("w"), rules=[rule], node_groups=[["n0", "n1"], ["n2"]])
    for at, rack in enumerate(("r", "r", "s")):
        content["nodes"][at]["rack"] = rack
    seen = {}
    for full in ([], ["n0"], ["n1"], ["n2"], ["n0", "n1"], ["n1", "n2"], ["n0", "n2"]):  # so that each possible node is chosen
        changed = copy.deepcopy(content)
        changed["vms"] += [vm(f"full-{name}", name, mem=7, mobility="fixed") for name in full]
        changed["vms"][1]["mem"] = 2 if full else 1
        seen.update(dict.fromkeys(placed(plan, changed, "--no-move-others").values()))
    assert sorted(seen) == expected


@pytest.mark.parametrize("rule, moved", [
    ({"type": "spread", "vms": ["a", "b"]}, 1),
    ({"type": "apart", "vms": ["a", "b"]}, 0),
    ({"type": "fence", "vms": ["a", "b"], "nodes": ["n1", "n2"]}, 2),
    ({"type": "on", "vms": ["a", "b"], "nodes": ["n1", "n2"]}, 0),
    ({"type": "ban", "vms": ["a"], "nodes": ["n0"]}, 1),
    ({"type": "gather", "vms": ["a", "b", "c"]}, 1),
    ({"type": "among", "vms": ["a", "c"], "parts": [0, 1]}, 1),
    ({"type": "lonely", "vms": ["b"]}, 1),
    ({"type": "lonely", "vms": ["c"]}, 0),
    ({"type": "split", "groups": [["a", "c"], ["b"]]}, 1),
    ({"type": "splitAmong", "groups": [["a"], ["b"]], "parts": [0, 1]}, 1),
    ({"type": "splitAmong", "groups": [["a", "b"], ["c"]], "parts": [0, 1]}, 0),
    ({"type": "runningCapacity", "nodes": ["n0"], "amount": 0}, 2),
    ({"type": "cap", "nodes": ["n0", "n1"], "amount": 2, "resource": "cpu"}, 1),
    ({"type": "cap", "nodes": ["n0", "n1"], "amount": 3, "resource": "cpu"}, 0),
], ids=lambda value: value["type"] if isinstance(value, dict) else "")
def test_what_runs_against_a_rule_of_btrplace_moves(plan, rule, moved):
    content = three(vm("a", "n0"), vm("b", "n0"), vm("c", "n1"), rules=[rule], node_groups=[["n0"], ["n1", "n2"]])
    assert len(answer(plan, content)["moves"]) == moved


def test_a_group_that_moves_leaves_the_smaller_behind(plan):
    """Of groups that share a node the one with most VMs there stays."""
    content = three(vm("a", "n0"), vm("b", "n0"), vm("c", "n0"), rules=[{"type": "split", "groups": [["a"], ["b", "c"]]}])
    assert list(placed(plan, content)) == ["a"]
    content["rules"] = [{"type": "lonely", "vms": ["b", "c"]}]
    assert list(placed(plan, content)) == ["a"]


def test_of_a_limit_the_largest_leaves(plan):
    content = three(vm("a", "n0", mem=1), vm("b", "n1", mem=3), rules=[{"type": "cap", "nodes": ["n0", "n1"], "amount": 2, "resource": "mem"}])
    assert placed(plan, content) == {"b": "n2"}


def test_nodes_that_go_off_keep_a_limit_of_nodes(plan):
    rule = {"type": "maxOnline", "nodes": ["n0", "n1", "n2"], "amount": 2}
    content = three(vm("a", "n0"), rules=[rule], events={"offline": ["n0"]})
    assert list(placed(plan, content)) == ["a"]


def test_root_and_fixed_stay(plan):
    for content in (three(vm("a", "n0"), rules=[{"type": "root", "vms": ["a"]}]), three(vm("a", "n0", mobility="fixed"))):
        assert [each["vm"] for each in answer(plan, content, "--drain", "n0")["unplaced"]] == ["a"]


def test_nodes_that_list_no_volumes_reach_all(plan):
    content = three(vm("w", volumes=["csv1"], cpu_model="Skylake"))
    content["nodes"][0].update(volumes=["csv2"])
    content["nodes"][1].update(volumes=["csv1"], cpu_models=["Haswell"])
    assert placed(plan, content) == {"w": "n2"}


def test_a_vm_is_bound_to_its_cpu_while_it_runs(plan):
    content = three(vm("a", "n0", bound_cpu_model="as on n0"))
    content["nodes"][0].update(cpu_models=["as on n0"])
    content["nodes"][1].update(cpu_models=[])
    assert placed(plan, content, "--drain", "n0") == {"a": "n2"}
    content["nodes"][2].update(cpu_models=[])
    assert placed(plan, content, "--drain", "n0") == {}
    assert list(placed(plan, content, "--lose", "n0")) == ["a"]


def test_drains_may_be_forbidden_to_move_others(plan):
    content = three(vm("a", "n0", mem=5), vm("b", "n1", mem=4), vm("c", "n2", mem=4), solve={"drain_moves_others": False})
    assert placed(plan, content, "--drain", "n0") == {}
    assert placed(plan, {**content, "solve": {}}, "--drain", "n0") != {}
    assert placed(plan, {**content, "solve": {"move_others": False}}, "--drain", "n0") == {}
    assert placed(plan, {**content, "solve": {"move_others": False, "drain_moves_others": True}}, "--drain", "n0") != {}


def test_further_resources_and_limits(plan):
    content = three(vm("w", resources={"gpu": 2}), resources=[{"name": "gpu"}])
    content["nodes"][0].update(resources={"gpu": 1})
    content["nodes"][1].update(resources={"gpu": 2})
    content["nodes"][2].update(resources={"gpu": 2}, vms_max=1)
    assert placed(plan, content) == {"w": "n1"} or placed(plan, content) == {"w": "n2"}
    content["vms"] += [vm("x", "n2"), vm("y", "n1", resources={"gpu": 1})]
    reason = answer(plan, content, "--no-move-others")["unplaced"][0]["reason"]
    assert "limit of VMs reached" in reason or "not enough of a resource" in reason


def test_units_are_those_of_the_file(plan):
    content = three(vm("w", mem=9), resources=[{"name": "mem", "unit": "GB"}, {"name": "cpu", "per_unit": 1}])
    explained = answer(plan, content, "--explain")["explanations"][0]["nodes"][0]["reason"]
    assert "needs 9 GB, 8 GB free of 8 GB" in explained


def test_the_example_of_the_man_page(plan):
    with open(os.path.join(ROOT, "cli", "man", "clusterd-cluster.json.5"), encoding="utf-8") as file:
        page = file.read()
    example = re.search(r"^\.Bd -literal\n(\{.*?)^\.Ed", page, re.M | re.S).group(1)
    assert placed(plan, example) == {"mail": "n2"}


def test_the_man_page_has_every_key(plan):
    with open(os.path.join(ROOT, "cli", "man", "clusterd-cluster.json.5"), encoding="utf-8") as file:
        page = file.read()
    for content in ({**GOOD, "?": 1}, with_node(**{"?": 1}), with_vm(**{"?": 1}), with_rule(**{"?": 1}),
                    {**GOOD, "events": {"?": 1}}, {**GOOD, "solve": {"?": 1}}, {**GOOD, "resources": [{"?": 1}]}):
        _, text = plan(content)
        for key in re.search(r"allowed are ([^\n]*)", text).group(1).split(", "):
            assert re.search(rf"^\.It (Cm|Xo Cm) {key}\b", page, re.M), f"clusterd-cluster.json(5) lacks {key}"


def test_large_files_are_read_fast(plan):
    """No list is searched from its beginning: 1,000 nodes with 100,000 VMs take a moment."""
    content = {"nodes": [node(f"n{i}", cpu=1000, mem=1000) for i in range(1000)],
               "vms": [vm(f"vm{i}", f"n{i % 1000}") for i in range(100000)]}
    assert placed(plan, content, "--seconds", "0") == {}
