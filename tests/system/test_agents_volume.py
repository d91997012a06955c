# SPDX-License-Identifier: GPL-2.0-or-later
"""The agent volume: heartbeats over storage that is shared, stalls, and is lost."""

import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

# pylint: disable=wrong-import-position,unused-import
from agents_world import NODES, shows, clean_world, needs_root, shared_world  # noqa: E402,F401
from labkit import settings as lab_settings  # noqa: E402

pytestmark = needs_root


# -- volume --

def volume(world, node, action, **params):
    params = {"name": "csv1", "path": lab_settings.VOLUME_PATH, "node": node, "nonce": f"{node}-nonce", "interval_ms": 200, **params}
    return world.agent(node, "volume", action, **params)


def sees(line, node, nonce, within_ms):
    """A heartbeat that was seen to move, a moment ago."""
    return line["ok"] and any(entry["node"] == node and entry["nonce"] == nonce and entry.get("moved_ms", within_ms) < within_ms
                              for entry in line["seen"])


def test_volume_is_the_same_for_both_nodes(world):
    watches = {node: volume(world, node, "watch") for node in NODES}
    first = watches["n1"].lines or [watches["n1"].wait_line(lambda line: True)]
    assert first[0][1]["volume"] == "csv1"
    watches["n1"].wait_line(lambda line: sees(line, "n2", "n2-nonce", 500))
    watches["n2"].wait_line(lambda line: sees(line, "n1", "n1-nonce", 500) and line["total_mb"] >= line["free_mb"] > 0)
    monitor = volume(world, "n1", "monitor")
    assert monitor.wait(10) == 0 and monitor.lines[0][1]["ok"]
    # Another run of the same node is told from this one.
    watches["n2"].signal("TERM")
    watches["n2"].wait(10)
    watches["n1"].wait_line(lambda line: any(entry["node"] == "n2" and entry["age_ms"] > 600 for entry in line["seen"]))
    volume(world, "n2", "watch", nonce="second")
    watches["n1"].wait_line(lambda line: sees(line, "n2", "second", 500))


def test_volume_that_stalls_is_silent_and_one_that_is_lost_is_told(world):
    watch = volume(world, "n2", "watch")
    watch.wait_line(lambda line: line["ok"])
    world.lab.stall_storage("n2")
    time.sleep(0.5)
    while not watch.news.empty():
        watch.news.get()
    time.sleep(1)
    assert watch.news.empty(), "a line in spite of a stall"
    world.lab.resume_storage("n2")
    watch.wait_line(lambda line: line["ok"])
    world.lab.lose_storage("n2")
    try:
        _, line = watch.wait_line(lambda line: not line["ok"])
        assert "csv1" in line["reason"] and "n2" in line["reason"]
    finally:
        world.lab.resume_storage("n2")
    watch.wait_line(lambda line: line["ok"])


def test_volume_validate_all(world):
    shows(volume(world, "n1", "validate-all").end(), result="ok", code=0)
    shows(volume(world, "n1", "validate-all", path="srv").end(), result="failed", code=6)
    shows(volume(world, "n1", "validate-all", path="/srv/none").end(), result="failed", code=6)
    shows(volume(world, "n1", "validate-all", path="/etc/hosts").end(), result="failed", code=6)
    assert "tmpfs" in shows(volume(world, "n1", "validate-all", path="/run").end(), result="ok", code=0)["warning"]
