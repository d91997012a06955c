# SPDX-License-Identifier: GPL-2.0-or-later
"""What cannot be taken back is asked for first, with what it means."""

import pytest

from harness import ok


def verbs(cluster):
    return [request["verb"] for request in cluster.requests]


@pytest.mark.parametrize("words, meaning", [
    (["node", "fence", "n2"], "node n2 will be powered off at once"),
    (["node", "confirm-off", "n2"], "you are about to confirm that n2 is off; if it is still running, its VMs will "
                                    "run twice and destroy their disks"),
    (["vm", "remove", "web1"], "VM web1 will be removed from the cluster; its disks are kept"),
])
def test_dangerous_things_need_yes_where_nobody_can_be_asked(cluster, words, meaning):
    cluster.serve()
    done = cluster.run(*words, stdin="y\n")
    assert done.returncode == 2
    assert meaning in done.stderr
    assert "--yes" in done.stderr
    assert cluster.requests == []


def test_fence_asks_on_a_terminal(cluster):
    cluster.serve(ok("node.fence", operation=0))
    for answer, exit_code in (("y\n", 0), ("yes\n", 0), ("\n", 1), ("n\n", 1), ("\x04", 1)):
        terminal = cluster.terminal("node", "fence", "n2")
        terminal.wait_for(r"Fence n2\? \[y/N\]")
        terminal.type(answer)
        assert terminal.end() == exit_code, terminal.screen()
        if exit_code == 1:
            assert "not confirmed; nothing was done" in terminal.screen()
    assert verbs(cluster).count("node.fence") == 2


def test_confirm_off_wants_the_nodes_name(cluster):
    cluster.serve(ok("node.confirm-off", operation=0))
    for answer, exit_code in (("y\n", 1), ("n1\n", 1), ("n2\n", 0)):
        terminal = cluster.terminal("node", "confirm-off", "n2")
        terminal.wait_for("If you have seen that it is off, type the node's name:")
        assert "if it is still running, its VMs will" in terminal.screen()
        terminal.type(answer)
        assert terminal.end() == exit_code, terminal.screen()
    assert cluster.requests[-1] == {"verb": "node.confirm-off", "node": "n2"}
