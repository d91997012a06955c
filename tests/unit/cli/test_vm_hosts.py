# SPDX-License-Identifier: GPL-2.0-or-later
"""clusterctl vm move --from and host inspect: what the agent is asked, and what becomes of its words. There is no clusterd."""

import json
import os
import signal
import subprocess

import pytest

from harness import CLUSTERCTL, environment

PLAN = {"vm": "web", "from": "h1", "to": "h2", "how": "live",
        "files": [{"disk": "vda", "from": "/a/web.raw", "to": "/b/web.raw", "format": "raw", "bytes": 5 << 20, "allocated": 4096}]}
FINAL = {"result": "ok", "state": "off", "reason": "web has moved from h1 to h2", "total_ms": 2300, "blackout_ms": 150}
SAMPLE = {"percent": 42, "iteration": 0, "rate_bps": 1 << 20, "dirty_bps": 0, "remaining_bytes": 3 << 20, "done_bytes": 2 << 20,
          "total_bytes": 5 << 20}
URIS = ("--from", "qemu:///system", "--to", "qemu+tls://h2/system")

AGENT = """#!/usr/bin/python3 -B
import json, os, signal, sys
params = {key[11:]: value for key, value in os.environ.items() if key.startswith("OCF_RESKEY_")}
with open(os.path.dirname(os.path.abspath(__file__)) + "/call", "w") as file:
    json.dump({"action": sys.argv[1], "params": params}, file)
def say(*lines):
    for line in lines:
        print(json.dumps(line), flush=True)
"""


@pytest.fixture(name="move")
def agent_and_command(tmp_path):
    def run(*words, then, wait=True, verb=("vm", "move", "web")):
        path = tmp_path / "vm"
        path.write_text(AGENT + then.replace("PLAN", repr(PLAN)).replace("FINAL", repr(FINAL)).replace("SAMPLE", repr(SAMPLE)))
        os.chmod(path, 0o755)
        process = subprocess.Popen([CLUSTERCTL, *verb, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                   env=environment("nobody-listens-here", CLUSTERD_AGENT_DIR=str(tmp_path)))
        if not wait:
            return process
        out, err = process.communicate(timeout=20)
        return subprocess.CompletedProcess([], process.returncode, out, err)
    run.call = lambda: json.loads((tmp_path / "call").read_text())
    return run


def test_what_is_asked_and_shown(move):
    done = move(*URIS, "--storage", "/b", "--disk", "vdb=/c/x", "--shared", "--remove-source",
                then='say({"plan": PLAN}, {"progress": SAMPLE}, FINAL)')
    assert (done.returncode, done.stderr) == (0, ""), done
    assert done.stdout.splitlines() == ["vda: /a/web.raw -> /b/web.raw, 5 MiB",
                                        "web: h1 -> h2, 42 %, 1.0M/s, 3 MiB left, about 3.0 s",
                                        "web: h1 -> h2, live, done in 2.3 s, blackout 150 ms"]
    call = move.call()
    assert call["action"] == "host-move"
    expected = {"name": "web", "uri": "qemu:///system", "target_uri": "qemu+tls://h2/system", "dest": "/b", "disks": "vdb=/c/x\n",
                "shared": "1", "remove_source": "1", "dry_run": "0"}
    assert {key: call["params"][key] for key in expected} == expected


def test_former_files_are_named(move):
    assert "its former files are still on h1: /a/web.raw\n" in move(*URIS, then='say({"plan": PLAN}, FINAL)').stdout


def test_json(move):
    done = move(*URIS, "--json", then='say({"plan": PLAN}, {"progress": SAMPLE}, FINAL)')
    answer = json.loads(done.stdout)
    assert done.returncode == 0 and answer["ok"] and answer["plan"] == PLAN and answer["blackout_ms"] == 150
    assert "progress" not in answer


def test_dry_run(move):
    done = move(*URIS, "--dry-run", then='say({"plan": PLAN}, {**FINAL, "reason": ""})')
    assert done.stdout.splitlines() == ["vda: /a/web.raw -> /b/web.raw, 5 MiB", "web would move from h1 to h2, live",
                                        "dry run: nothing was moved"]
    assert move.call()["params"]["dry_run"] == "1"


@pytest.mark.parametrize("more, code", [({"refused": True}, 3), ({}, 1), ({"result": "cancelled"}, 130)])
def test_ends(move, more, code):
    done = move(*URIS, then=f'say({{**FINAL, "result": "failed", "reason": "because", **{more!r}}})')
    assert (done.returncode, done.stderr) == (code, "clusterctl: because\n")


def test_ctrl_c_lets_the_agent_end_by_itself(move):
    process = move(*URIS, wait=False, then="""
def stop(number, frame):
    say({**FINAL, "result": "cancelled", "reason": "it stays"})
    sys.exit(1)
signal.signal(signal.SIGTERM, stop)
say({"plan": PLAN})
signal.pause()
""")
    assert process.stdout.readline().startswith("vda:")
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (130, "clusterctl: it stays\n")


def test_many_lines(move):
    """More than a megabyte of progress, and the last line still counts."""
    done = move(*URIS, "--json", then='say({"plan": PLAN})\nfor i in range(9000):\n    say({"progress": SAMPLE})\nsay(FINAL)')
    assert done.returncode == 0 and json.loads(done.stdout)["total_ms"] == 2300


@pytest.mark.parametrize("words", [
    ("--from", "a"), ("--shared",), ("--remove-source", "--to", "n2"), (*URIS, "--live"), (*URIS, "--no-wait"),
    (*URIS, "--storage", "csv1"), (*URIS, "--disk", "vda"), (*URIS, "--best-node")])
def test_wrong_words(move, words):
    done = move(*words, then="")
    assert done.returncode == 2 and done.stderr.startswith("clusterctl: "), done


HOST = {"name": "h1", "libvirt": "9.0.0", "qemu": "7.2.0", "cpus": 8, "memory_mb": 32768, "memory_free_mb": 1024,
        "pools": [{"name": "default", "active": True, "total_mb": 9, "free_mb": 3}], "networks": [{"name": "lan", "active": False}],
        "interfaces": ["br0", "eth0"],
        "vms": [{"name": "web", "uuid": "u", "state": "running", "persistent": True, "memory_mb": 512, "vcpus": 2,
                 "disks": [{"disk": "vda", "path": "/a/web.raw", "format": "raw", "bytes": 5 << 20, "allocated": 4096}],
                 "to_cluster": ["it has snapshots (2)"], "to_host": ["the target has no bridge br0"]}]}
SCREEN = """\
host          h1
libvirt       9.0.0, QEMU 7.2.0
CPUs          8
memory        32 GiB, 1 GiB free
pools         default
networks      lan (inactive)
interfaces    br0, eth0

VM   STATE    MEMORY  CPUS  DISKS   SIZE
web  running  512 MiB    2      1  5 MiB

web cannot move to a cluster: it has snapshots (2)
web cannot move to x://h2: the target has no bridge br0
"""


def test_inspect(move):
    then = f'say({{"host": {HOST!r}}}, {{**FINAL, "reason": ""}})'
    done = move("x://h1", "--to", "x://h2", then=then, verb=("host", "inspect"))
    assert (done.returncode, done.stderr, [line.split() for line in done.stdout.splitlines()]) == (
        0, "", [line.split() for line in SCREEN.splitlines()])
    assert move.call()["action"] == "host-inspect" and move.call()["params"]["target_uri"] == "x://h2"
    done = move("x://h1", "--json", then=then, verb=("host", "inspect"))
    assert json.loads(done.stdout) == {"ok": True, "host": HOST}
    refused = 'say({**FINAL, "result": "failed", "refused": True, "reason": "no"})'
    assert move("x://h1", then=refused, verb=("host", "inspect")).returncode == 3
