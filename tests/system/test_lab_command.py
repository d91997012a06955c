# SPDX-License-Identifier: GPL-2.0-or-later
"""The lab as a command line, on one lab of seven nodes: what each command does is read off `lab status` and off the nodes."""

import json
import os
import subprocess
import time

import pytest

from labkit import build, settings as lab_settings
from labkit.lab import Lab

NAME = "labcmd"
TOOL = os.path.join(lab_settings.LAB_DIR, "lab")
ALL = [f"n{i}" for i in range(1, 8)]


def lab(*words, code=0):
    """Runs a command; what it printed. A refusal is one line that begins with the program's name."""
    done = subprocess.run([TOOL, "--lab", NAME, *words], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == code, f"lab {' '.join(words)} ended with {done.returncode}: {done.stderr}"
    if code:
        assert done.stderr.startswith("lab: ") and done.stderr.count("\n") == 1, done.stderr
        return done.stderr
    return done.stdout


def statuses():
    return json.loads(lab("status", "--json"))["nodes"]


def status(node):
    return statuses()[node]


def until(condition, timeout_s=40):
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"it did not happen within {timeout_s} s:\n{lab('status')}"
        time.sleep(0.1)


def members_are(*parts):
    """Each of these nodes sees those of its part and no other."""
    nodes = statuses()
    return all(nodes[node]["members"] == list(part) for part in parts for node in part)


def parts():
    return [node["part"] for node in statuses().values()]


@pytest.fixture(scope="module", autouse=True)
def fixture_seven():
    build.install_packages(["build", "run"])
    Lab.down(NAME)
    lab("up", "--nodes", "7", "--no-clusterd")
    yield
    Lab.down(NAME)


def test_seven_nodes_have_a_quorum():
    assert list(statuses()) == ALL and members_are(ALL)
    said = lab("exec", "n7", "--", "corosync-quorumtool", "-s")
    rows = dict(line.split(":", 1) for line in said.splitlines() if ":" in line)
    assert [rows[row].strip() for row in ("Expected votes", "Total votes", "Quorum", "Quorate")] == ["7", "7", "4", "Yes"]
    rows = lab("status").splitlines()
    assert rows[0].split()[:2] == ["NODE", "POWER"] and [row.split()[0] for row in rows[1:]] == ALL


@pytest.mark.parametrize("number", ["1", "8"])
def test_one_and_eight_nodes_are_refused(number):
    try:
        done = subprocess.run([TOOL, "--lab", "labno", "up", "--nodes", number, "--no-clusterd"], capture_output=True, text=True,
                              check=False)
        assert (done.returncode, done.stderr) == (1, f"lab: a lab has 2 to 7 nodes, not {number}\n")
        assert not os.path.exists(lab_settings.Settings(name="labno").state)
    finally:
        Lab.down("labno")


def test_power_and_network():
    lab("power-off", "n7")
    lab("cut", "n6")
    assert status("n7")["power"] == "off" and status("n6")["network"] == "cut"
    until(lambda: members_are(ALL[:5]))
    assert "is powered off; run: lab power-on n7" in lab("exec", "n7", "--", "true", code=1)
    lab("power-on", "n7")
    lab("heal", "n6")
    until(lambda: members_are(ALL))
    assert "has no node 'n8'" in lab("cut", "n8", code=1)


def test_partition():
    """Blanks round the slash or not; what is no partition is refused, and changes nothing."""
    lab("partition", "n1,n2,n3,n4", "/", "n5,n6,n7")
    assert parts() == [0, 0, 0, 0, 1, 1, 1]
    until(lambda: members_are(ALL[:4], ALL[4:]))
    lab("partition", "n1,n2/n3,n4,n5,n6/n7")
    assert parts() == [0, 0, 1, 1, 1, 1, 2]
    for words, why in ((["n1,n2"], "two parts or more"), (["n1", "/", "n1,n2"], "no node twice"), (["n1", "/", "n9"], "no node 'n9'")):
        assert why in lab("partition", *words, code=1)
    assert parts() == [0, 0, 1, 1, 1, 1, 2]
    lab("heal")
    until(lambda: members_are(ALL))


def test_storage():
    lab("stall-storage", "n2")
    until(lambda: status("n2")["storage"] == "stalled")
    lab("resume-storage", "n2")
    until(lambda: status("n2")["storage"] == "ok")
    lab("lose-storage", "n2")
    until(lambda: status("n2")["storage"] == "none")
    assert subprocess.run([TOOL, "--lab", NAME, "exec", "n2", "--", "ls", lab_settings.VOLUME_PATH], capture_output=True,
                          check=False).returncode != 0
    lab("resume-storage", "n2")
    assert "console" in lab("exec", "n2", "--", "ls", lab_settings.VOLUME_PATH)


def test_freeze_and_thaw():
    lab("freeze", "n3")
    assert status("n3")["frozen"] and "frozen; run: lab thaw n3" in lab("exec", "n3", "--", "true", code=1)
    lab("thaw", "n3")
    assert lab("exec", "n3", "--", "hostname") == "n3\n"
    until(lambda: members_are(ALL))


def test_guests():
    """With the memory that was asked for, which they dirty as fast as was asked for."""
    path = lab("guest", "add", "g1", "--memory", "128", "--dirty", "20", "--no-register").strip()
    assert path == f"{lab_settings.VOLUME_PATH}/g1/g1.xml"
    assert "there is a guest 'g1' already" in lab("guest", "add", "g1", "--no-register", code=1)
    assert "80 to 4096 MB, not 8" in lab("guest", "add", "g2", "--memory", "8", "--no-register", code=1)
    lab("exec", "n1", "--", "virsh", "create", path)
    assert "<memory unit='KiB'>131072</memory>" in lab("exec", "n1", "--", "virsh", "dumpxml", "g1")
    until(lambda: int(lab("guest", "show", "g1").split()[1]) > 10)
    lab("exec", "n1", "--", "virsh", "domdirtyrate-calc", "g1", "--seconds", "1")

    def dirty_mbps():
        rows = lab("exec", "n1", "--", "virsh", "domstats", "g1", "--dirtyrate").split()
        return [int(row.split("=")[1]) for row in rows if row.startswith("dirtyrate.megabytes_per_second=")]
    until(dirty_mbps)
    assert 5 <= dirty_mbps()[0] <= 60, dirty_mbps()
    lab("guest", "tell", "g1", "poweroff")
    until(lambda: lab("exec", "n1", "--", "virsh", "list", "--name").split() == [])
    assert "it knows poweroff, reboot, panic, hang" in lab("guest", "tell", "g1", "dance", code=1)
    assert "g1: " in lab("guest", "show") and " 0 foreign writes, 0 other troubles" in lab("guest", "show", "g1")


def test_down_and_down_again():
    lab("down")
    assert not os.path.exists(lab_settings.Settings(name=NAME).state)
    done = subprocess.run([TOOL, "--lab", NAME, "down"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, f"lab: lab '{NAME}' is not up; nothing to do\n")
    assert f"lab '{NAME}' is not up; start it with: lab --lab {NAME} up" in lab("status", code=1)
