# SPDX-License-Identifier: GPL-2.0-or-later
"""Who starts a program may have closed its descriptors 0 to 2. None of its own files may take their place: it would read its orders
from there, or write its messages into it."""

import os
import signal
import socket
import subprocess

import pytest

CLUSTERD, CLUSTERCTL = os.environ["CLUSTERD"], os.environ["CLUSTERCTL"]
AGENTS = {"vm": os.environ["AGENT_VM"], "volume": os.environ["AGENT_VOLUME"]}
SEPARATE = ["unshare", "--net"] if os.geteuid() == 0 else []  # its own network: nobody else's corosync
LIMIT_S = 20


def started(closed, *command, **more):
    """The process, with these descriptors closed."""
    redirections = " ".join(f"{fd}>&-" for fd in closed)
    return subprocess.Popen(["sh", "-c", f'exec "$@" {redirections}', "sh", *command], stdin=subprocess.DEVNULL, **more)


def check_and_end(process, closed):
    try:
        targets = {fd: os.readlink(f"/proc/{process.pid}/fd/{fd}") for fd in closed}
        assert targets == {fd: "/dev/null" for fd in closed}
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=LIMIT_S)


@pytest.mark.skipif(os.geteuid() != 0, reason="files of a process that is never dumped are root's")
def test_clusterd(tmp_path):
    conf = tmp_path / "clusterd.conf"
    conf.write_text(f"[clusterd]\nstate_dir = {tmp_path}/state\nrun_dir = {tmp_path}/run\n")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as supervisor:
        supervisor.bind(str(tmp_path / "notify"))
        supervisor.settimeout(LIMIT_S)
        process = started((0, 1, 2), *SEPARATE, CLUSTERD, "--config", str(conf),
                          env=dict(os.environ, NOTIFY_SOCKET=str(tmp_path / "notify")))
        try:
            assert supervisor.recv(100) == b"READY=1"
        finally:
            check_and_end(process, (0, 1, 2))


def test_clusterctl(tmp_path):
    """It looks at its file of parameters when it opens a FIFO, and waits for the other side."""
    fifo = tmp_path / "parameters"
    os.mkfifo(fifo)
    process = started((0, 1, 2), CLUSTERCTL, "fence-device", "add", "d", "--agent", "fence_x", "--param-file", str(fifo))
    with open(fifo, "w", encoding="utf-8"):
        check_and_end(process, (0, 1, 2))


@pytest.mark.parametrize("agent", AGENTS)
def test_agents(tmp_path, agent):
    parameters = {"name": "v", "path": str(tmp_path), "node": "n1", "nonce": "x", "interval_ms": "50"}
    process = started((0, 2), AGENTS[agent], "watch", stdout=subprocess.PIPE, text=True,
                      env=dict(os.environ, **{f"OCF_RESKEY_{key}": value for key, value in parameters.items()}))
    assert process.stdout.readline().startswith("{")
    check_and_end(process, (0, 2))
