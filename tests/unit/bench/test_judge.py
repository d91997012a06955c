# SPDX-License-Identifier: GPL-2.0-or-later
"""The judge of plans' JSON goes red on each kind of fault, and only then."""

import os
import sys

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "bench"))

from benchkit import judge  # noqa: E402  pylint: disable=wrong-import-position


def problem(**changes):
    """n0 failed with vm0 (4); n1 has vm1 (6) and vm2 (4), n2 has vm3 (6); each node has 10."""
    sizes = {"vm0": 4, "vm1": 6, "vm2": 4, "vm3": 6}
    hosts = {"vm0": None, "vm1": "n1", "vm2": "n1", "vm3": "n2"}
    return {"nodes": [{"name": f"n{i}", "cpu": 10, "mem": 10, "state": "failed" if i == 0 else "online"} for i in range(3)],
            "vms": [{"name": name, "cpu": 0, "mem": size, "host": hosts[name]} for name, size in sizes.items()], **changes}


def plan(placed=None, moves=(), unplaced=()):
    return {"placed": placed or {}, "moves": [dict(zip(("vm", "from", "to", "stage"), move)) for move in moves],
            "unplaced": [{"vm": vm, "reason": "no memory"} for vm in unplaced]}


def verdict(given, **changes):
    return judge.Judge(problem(**changes)).verdict(given)


@pytest.mark.parametrize("given", [plan({"vm0": "n2"}), plan({"vm0": "n2"}, [("vm0", None, "n2")])])
def test_a_sound_plan(given):
    found = verdict(given)
    assert (found["homeless"], found["started"], found["moved"], found["stopped"], found["overloaded"]) == (1, 1, 0, 0, 0)
    assert found["wrong"] == []
    assert found["where"]["vm0"] == "n2"


def test_unplaced_is_told():
    found = verdict(plan(unplaced=["vm0"]))
    assert found["started"] == 0 and found["wrong"] == []
    assert verdict(plan())["wrong"]
    assert verdict(plan({"vm0": "n2"}, unplaced=["vm0"]))["wrong"]


def test_overload():
    assert verdict(plan({"vm0": "n1"}))["overloaded"] == 1


def test_room_comes_after_the_move():
    first = plan({"vm0": "n1"}, [("vm2", "n1", "n2"), ("vm0", None, "n1")])
    assert verdict(first)["overloaded"] == 0 and verdict(first)["moved"] == 1
    assert verdict(plan({"vm0": "n1"}, [("vm0", None, "n1"), ("vm2", "n1", "n2")]))["overloaded"] == 1
    assert verdict(plan({"vm0": "n1"}, [("vm2", "n1", "n2", 0), ("vm0", None, "n1", 0)]))["overloaded"] == 1
    assert verdict({**plan({"vm0": "n1"}, [("vm2", "n1", "n2", 0)]), "starts": [{"vm": "vm0", "from": None, "to": "n1", "stage": 0}]}
                   )["overloaded"] == 1
    assert verdict({**plan({"vm0": "n1"}, [("vm2", "n1", "n2", 0)]), "starts": [{"vm": "vm0", "from": None, "to": "n1", "stage": 1}]}
                   )["overloaded"] == 0
    assert verdict(plan({"vm0": "n1"}, [("vm2", "n1", "n2", 0), ("vm0", None, "n1", 1)]))["overloaded"] == 0


@pytest.mark.parametrize("given, word", [
    (plan({"vm9": "n1"}), "said to be on"),
    (plan({"vm0": "n2"}, [("vm9", "n1", "n2")]), "no such VM"),
    (plan({"vm0": "n2"}, [("vm1", "n1", "n9")]), "no such node"),
    (plan({"vm0": "n0"}), "takes no VM"),
    (plan({"vm0": "n2"}, [("vm1", "n2", "n1")]), "but it is on n1"),
    (plan({"vm0": "n2"}, [("vm1", "n1", "n1")]), "where it is"),
    (plan({"vm0": "n2", "vm1": "n2"}), "the moves leave it on n1"),
])
def test_faults(given, word):
    assert any(word in text for text in verdict(given)["wrong"])


def test_events():
    """BtrPlace's form: n2 must end up off, vm0 must run; vm3 has to start elsewhere."""
    found = verdict(plan({"vm0": "n0", "vm3": "n0"}), nodes=[{"name": f"n{i}", "cpu": 10, "mem": 10} for i in range(3)],
                    events={"offline": ["n2"], "ready": ["vm0"]})
    assert (found["homeless"], found["started"], found["overloaded"], found["wrong"]) == (2, 2, 0, [])


def test_a_peers_end():
    judged = judge.Judge(problem())
    assert judged.fixed({"vm1": "n2", "vm2": "n1", "vm3": "n2", "vm0": "n1"}) == {
        "homeless": 1, "started": 1, "moved": 1, "stopped": 0, "overloaded": 1, "wrong": []}
    assert judged.fixed({"vm2": "n1", "vm3": "n2"})["stopped"] == 1
