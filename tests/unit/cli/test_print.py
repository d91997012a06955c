# SPDX-License-Identifier: GPL-2.0-or-later
"""Whatever stands in a name, a reason or a message: on the screen it is text, and no more.

Harmless marks are planted in every text that the daemon answers. Each way of printing must show '?' in their place, and JSON must
escape them, so that a program reads just what was planted.
"""

import json
import unicodedata

import pytest

from harness import error, ok, operation, sample, vm_state
from test_json import CHANGES, READS, golden

MARKS = "\x1b\x07\x7f\x85\u061c\u200e\u200f\u202a\u202c\u2066\u2069"


def planted(value):
    if isinstance(value, str):
        return value + MARKS
    if isinstance(value, list):
        return [planted(item) for item in value]
    if isinstance(value, dict):
        return {key: planted(item) for key, item in value.items()}
    return value


def texts(value):
    if isinstance(value, (dict, list)):
        return [text for item in (value.values() if isinstance(value, dict) else value) for text in texts(item)]
    return [value] if isinstance(value, str) else []


def strange(text):
    """Characters that act on a terminal, or on how a line reads."""
    return {c for c in text if (unicodedata.category(c) == "Cc" and c != "\n") or unicodedata.bidirectional(c) in
            ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI") or c in "\u200e\u200f\u061c\u2028\u2029"}


def serve(cluster, *rules):
    """In the place of the daemon before."""
    if cluster.daemons:
        cluster.daemons[-1].stop()
    return cluster.serve(*rules)


def check(done, *shown):
    for text in (done.stdout, done.stderr):
        assert not strange(text), repr(text)
    for word in shown:
        assert word + "?" * len(MARKS) in done.stdout + done.stderr, done.stdout + done.stderr


@pytest.mark.parametrize("verb", sorted(READS))
def test_what_is_shown(cluster, verb):
    answer = golden(verb)
    answer = {**planted(answer), "ok": True}
    serve(cluster, ok(verb, **answer), ok("node.list", nodes=planted(golden("node.list"))["nodes"]))
    done = cluster.run(*READS[verb], COLUMNS="240")
    check(done)
    assert done.returncode == 0
    assert "?" in done.stdout or "\\u200E" in done.stdout or not any(MARKS in value for value in texts(answer))
    document = cluster.run(*READS[verb], "--json")
    check(document)
    assert json.loads(document.stdout) == {key: value for key, value in answer.items() if key != "id"}


@pytest.mark.parametrize("verb", sorted(set(CHANGES) - {"vm.add"}))
def test_what_a_change_says(cluster, verb):
    words = CHANGES[verb]
    serve(cluster, ok(verb, message="moved" + MARKS, warning="careful" + MARKS))
    done = cluster.run(*words)
    check(done, "careful")
    assert done.returncode == 0
    serve(cluster, error(verb, "refused", "no" + MARKS + "\n", "wait" + MARKS))
    done = cluster.run(*words)
    check(done, "no", "wait")
    assert done.returncode == 3
    assert done.stderr.splitlines()[-1].startswith("  to do: wait")
    check(cluster.run(*words, "--json"))


def followed(state, **more):
    moving = vm_state("web1" + MARKS, state, reason="why" + MARKS, **more)
    return operation(state, moving, kind="drain" + MARKS, subject="n1" + MARKS, reason="because" + MARKS)


@pytest.mark.parametrize("end", ["done", "failed"])
def test_what_is_followed(cluster, end):
    steps = [{"until": "operation.show"}, sample("web1" + MARKS, 47), {"send": {"operation": followed(end)}}]
    rules = [ok("node.drain", *steps, operation=12), ok("operation.show", operation=followed("running"))]
    serve(cluster, *rules)
    check(cluster.run("node", "drain", "n1"), "web1", "why", "because", "n1")
    serve(cluster, *rules)
    check(cluster.run("node", "drain", "n1", "--json"))
    serve(cluster, *rules)
    terminal = cluster.terminal("node", "drain", "n1", columns=200, NO_COLOR="1")
    terminal.end()
    bars = terminal.raw.replace("\x1b[J", "").replace("\x1b[1A", "").replace("\r", "")
    assert not strange(bars), repr(bars)
    assert "because" + "?" * len(MARKS) in bars


def test_what_is_watched(cluster):
    answer = {**planted(golden("status")), "ok": True}
    serve(cluster, ok("status", **answer))
    terminal = cluster.terminal("status", columns=200, NO_COLOR="1")
    terminal.end()
    assert not strange(terminal.raw.replace("\r", "")), repr(terminal.raw)
    event = {"seq": 7, "time_ms": 1741082400123, "node": "n1", "severity": "info", "kind": "note", "subject": "x", "message": "read"}
    serve(cluster, ok("event.list", events=[planted(event)]))
    check(cluster.run("event", "list", COLUMNS="240"), "read")


def test_what_was_typed(cluster):
    check(cluster.run("vm", "strat" + MARKS))
    check(cluster.run("vm", "start", "a", "b" + MARKS), "b")
    check(cluster.run("vm" + MARKS), "vm")
    lines = cluster.run("vm", "start", "a", "b\nclusterctl: c").stderr.splitlines()
    assert [line.split(":")[0] for line in lines] == ["clusterctl", "  to do"]


def test_json_is_the_same_with_its_marks_escaped(cluster):
    serve(cluster, ok("config.get", value="\u00fc\u20ac" + MARKS))
    done = cluster.run("config", "get", "x", "--json")
    assert "\u00fc\u20ac\\u001B\\u0007\\u007F\\u0085\\u061C\\u200E" in done.stdout
    assert json.loads(done.stdout)["value"] == "\u00fc\u20ac" + MARKS
