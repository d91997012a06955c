# SPDX-License-Identifier: GPL-2.0-or-later
"""A node on which a program is missing: its init says which, and goes on as soon as the program is there (labkit/node_init.py)."""

import json
import os
import socket
import subprocess
import sys

import pytest

from sandbox import LIMIT_S, UNSHARE, UNSHARED, wait_until

LABKIT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..", "examples", "lab", "labkit")
pytestmark = UNSHARED

# The daemons of a node, but that the one that others wait for is a file of this test's.
INIT = """
import sys
sys.path.insert(0, sys.argv[1])
import node_init
node_init.UNITS = {"virtlockd": ([sys.argv[2]], (), True), "libvirtd": (["sleep", "1000"], ("virtlockd",), False)}
node_init.Init(list(node_init.UNITS)).run()
"""
DAEMON = """#!/usr/bin/python3 -SB
import os, signal, socket
socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b"READY=1", os.environ["NOTIFY_SOCKET"])
signal.pause()
"""


class Node:
    """Its init, in a mount namespace with a /run and a /var/log of its own."""

    def __init__(self, directory):
        self.run, self.log, self.daemon = (os.path.join(directory, name) for name in ("run", "log", "daemon"))
        for path in (self.run, self.log):
            os.mkdir(path)
        command = 'mount --bind "$0/run" /run && mount --bind "$0/log" /var/log && exec "$@"'
        # With a pid namespace, so that its daemons end with it.
        self.init = subprocess.Popen([*UNSHARE, "--pid", "--fork", "--kill-child", "sh", "-c", command, directory, sys.executable, "-B", "-c", INIT,
                                      LABKIT, self.daemon], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def ask(self, **request):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(LIMIT_S)
            wait_until(lambda: connection.connect_ex(os.path.join(self.run, "lab-init.sock")) == 0)
            connection.sendall(json.dumps(request).encode())
            return json.loads(connection.makefile().readline())


@pytest.fixture(name="node")
def fixture_node(tmp_path):
    node = Node(str(tmp_path))
    yield node
    node.init.kill()
    print(node.init.communicate()[0])


def test_a_program_that_is_missing_is_named_to_who_waits(node):
    why = f"virtlockd cannot be started: the program {node.daemon} is missing; on the host, as root, run: tools/packages.sh run"
    assert node.ask(wait="virtlockd") == {"error": why}
    assert node.ask(wait="libvirtd") == {"error": why}  # it waits for that one
    units = node.ask(units=True)
    assert [(unit["pid"], unit["ready"], unit["wanted"]) for unit in units.values()] == [(None, False, True)] * 2


def test_once_it_is_there_the_node_goes_on(node):
    assert "error" in node.ask(wait="libvirtd")
    with open(node.daemon + ".new", "w", encoding="ascii") as file:
        file.write(DAEMON)
    os.chmod(node.daemon + ".new", 0o755)
    os.rename(node.daemon + ".new", node.daemon)
    wait_until(lambda: node.ask(wait="libvirtd") == {"ok": True})
    assert all(unit["ready"] for unit in node.ask(units=True).values())
