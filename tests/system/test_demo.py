# SPDX-License-Identifier: GPL-2.0-or-later
"""The demonstration: it ends by itself and in time, says only what is so, fits on a terminal, and leaves nothing behind."""

import json
import os
import subprocess

import pytest

from labkit import build, demo, settings as lab_settings
from labkit.lab import Lab
from support.terminal import Terminal

NAME = "labdemo"
WORDS = [os.path.join(lab_settings.LAB_DIR, "lab"), "--lab", NAME, "demo"]
COLUMNS = 80
# Once built, as the README promises. On two idle cores it takes half a minute.
LIMIT_S = 180


@pytest.fixture(name="built", scope="module")
def fixture_built():
    build.install_packages(["build", "run"])
    Lab.down(NAME)
    yield ["--build-dir", build.compile_release()]
    Lab.down(NAME)


def nothing_is_left():
    return not os.path.exists(lab_settings.Settings(name=NAME).state)


@pytest.mark.timeout(400)
def test_to_the_end(built, capsys, monkeypatch):
    done = subprocess.run([*WORDS, "--json", *built], stdout=subprocess.PIPE, text=True, check=False, timeout=350)
    said = [json.loads(line) for line in done.stdout.splitlines()]
    if done.returncode != 0:  # what the cluster said of it is in there, too
        pytest.fail("\n".join(line.get("step") or line["what"] for line in said), pytrace=False)
    assert sum(line.get("ok", False) for line in said) > 20
    assert said[-1]["t"] < LIMIT_S, f"it took {said[-1]['t']} s"
    assert nothing_is_left()

    # The same words on a terminal.
    monkeypatch.setenv("COLUMNS", str(COLUMNS))
    timeline = demo.Timeline(as_json=False)
    for line in said:
        if "step" in line:
            timeline.heading(line["step"])
        else:
            timeline.say(line["what"])
    shown = capsys.readouterr().out
    assert [line for line in shown.splitlines() if len(line) > COLUMNS] == []
    assert len(shown.splitlines()) > len(said) and shown.split()[-1] == said[-1]["step"].split()[-1]


def test_on_a_terminal_until_ctrl_c(built):
    with Terminal([*WORDS, *built], COLUMNS) as terminal:
        terminal.wait_for(r"node drain n1[^\n]*\n", timeout_s=120)  # or Ctrl-C is echoed into that line
        terminal.type("\x03")
        assert terminal.end(timeout_s=60) == 130
        assert [line for line in terminal.lines if len(line) > COLUMNS] == []
        assert "all nodes, guests and networks are removed" in terminal.text
    assert nothing_is_left()
