# SPDX-License-Identifier: GPL-2.0-or-later
"""The disk of the database is full. clusterd does not end and start again for ever: it says so once, waits, and goes on when there is
room.

The disk is a tmpfs in a namespace of its own, which is also without corosync. Those who serve it as systemd does are below."""

import os
import re
import select
import signal
import subprocess
import time

import pytest

CLUSTERD, CLUSTERCTL = os.environ["CLUSTERD"], os.environ["CLUSTERCTL"]
LIMIT_S = 20
# Restart=always, RestartSec=100ms. Its first process outlives it, and keeps the disk for the test to change.
SUPERVISOR = """
mount -t tmpfs -o "$2" none "$1/state" || exit 99
trap 'kill $child; wait $child; exit 0' TERM
while true; do
    "$3" --config "$1/clusterd.conf" & child=$!
    wait $child; echo "supervisor: it ended with $?" >&2; sleep 0.1
done
"""


class Node:
    def __init__(self, directory, disk):
        self.directory, self.log = str(directory), ""
        os.mkdir(directory / "state")
        (directory / "clusterd.conf").write_text(f"[clusterd]\nstate_dir = {directory}/state\nrun_dir = {directory}/run\n")
        self.process = subprocess.Popen(["unshare", "--mount", "--net", "sh", "-c", SUPERVISOR, "sh", self.directory, disk, CLUSTERD],
                                        stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)

    def read(self, until, pattern=None):
        """Reads the log until then, or until it has the pattern."""
        while not (pattern and re.search(pattern, self.log)):
            left = until - time.monotonic()
            if left <= 0 or not select.select([self.process.stderr], [], [], left)[0]:
                return
            data = os.read(self.process.stderr.fileno(), 65536)
            assert data, self.log
            self.log += data.decode()

    def wait_for(self, pattern):
        self.read(time.monotonic() + LIMIT_S, pattern)
        assert re.search(pattern, self.log), self.log

    def on_disk(self, *command):
        subprocess.run(["nsenter", f"--mount=/proc/{self.process.pid}/ns/mnt", *command], check=True)

    def status(self):
        done = subprocess.run([CLUSTERCTL, "status"], capture_output=True, text=True, timeout=LIMIT_S, check=False,
                              env=dict(os.environ, CLUSTERD_RUN_DIR=f"{self.directory}/run"))
        return done.stdout + done.stderr

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.communicate(timeout=LIMIT_S)


@pytest.fixture(name="node")
def fixture_node(tmp_path):
    if os.geteuid() != 0 or subprocess.run(["unshare", "--mount", "--net", "mount", "-t", "tmpfs", "none", str(tmp_path)],
                                           check=False).returncode != 0:
        pytest.skip("no tmpfs can be mounted here")
    nodes = []

    def start(disk):
        nodes.append(Node(tmp_path, disk))
        return nodes[0]

    yield start
    for node in nodes:
        node.end()


def test_full_from_the_beginning(node):
    node = node("size=900k")
    node.wait_for(r"waiting for room: the disk of \S+/state is full: \d+ KiB are free, 1024 are needed; make room")
    assert "make room, and clusterd goes on" in " ".join(node.status().split()), "it answers meanwhile"
    node.read(time.monotonic() + 3, "supervisor")
    assert node.log.count("\n") <= 3, node.log
    node.on_disk("mount", "-o", "remount,size=8m", f"{node.directory}/state")
    node.wait_for("has room again")
    node.wait_for("waiting for corosync")
    assert "supervisor" not in node.log


def test_it_ends_for_lack_of_room(node):
    """There is as much room as it looks for, and yet not enough. Without inodes, its first file cannot be made."""
    node = node("size=4m,nr_inodes=1")
    node.wait_for("waiting for room: .* 4096 KiB are free, 5120 are needed")
    node.read(time.monotonic() + 3, "supervisor.*supervisor")
    assert node.log.count("supervisor: it ended with 1") == 1, node.log
    assert node.log.count("\n") <= 8, node.log
    node.on_disk("mount", "-o", "remount,size=8m,nr_inodes=100", f"{node.directory}/state")
    node.wait_for("waiting for corosync")
    assert not os.path.exists(f"{node.directory}/run/clusterd.full")
    assert node.log.count("supervisor") == 1
