# SPDX-License-Identifier: GPL-2.0-or-later
"""Completion: what the hidden verb offers, and that bash gets it."""

import os
import subprocess

import pytest

from harness import CLUSTERCTL, HERE, environment, ok
from test_status import node, vm

SCRIPT = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(HERE))), "cli", "completion", "clusterctl")

RULES = (ok("node.list", nodes=[node(1), node(2), node(3)]), ok("vm.list", vms=[vm("web1"), vm("web2"), vm("db1")]),
         ok("volume.list", volumes=[{"name": "csv1"}]), ok("fence-device.list", devices=[{"name": "ilo"}]),
         ok("operation.list", operations=[{"id": 12}, {"id": 7}]), ok("config.list", config=[{"key": "self_fence_ms"}]),
         ok("rule.list", rules=[{"name": "web-apart"}]),
         ok("vm.show", vm={"checkpoints": [{"name": "first"}, {"name": "second"}]}))

CASES = [
    ([""], ["status", "node", "vm", "host", "volume", "fence-device", "rule", "operation", "plan", "export", "event",
            "config", "support-bundle", "help"]),
    (["plan", "--lose", "n1,n"], ["n1,n1", "n1,n2", "n1,n3"]),
    (["plan", "--vm", "db1,we"], ["db1,web1", "db1,web2"]),
    (["plan", "--a"], ["--admit"]),
    (["plan", "--file", ""], []),
    (["export", ""], []),
    (["v"], ["vm", "volume"]),
    (["--json", "no"], ["node"]),
    (["--timeout", "5s", "no"], ["node"]),
    (["node", ""], ["list", "show", "drain", "resume", "set", "fence", "confirm-off"]),
    (["vm", "m"], ["move"]),
    (["vm", "ch"], ["checkpoint"]),
    (["vm", "checkpoint", ""], ["create", "list", "revert", "remove"]),
    (["vm", "checkpoint", "re"], ["revert", "remove"]),
    (["vm", "checkpoint", "revert", "we"], ["web1", "web2"]),
    (["vm", "checkpoint", "revert", "web1", ""], ["first", "second"]),
    (["vm", "checkpoint", "remove", "web1", "s"], ["second"]),
    (["vm", "checkpoint", "revert", "web1", "--s"], ["--start", "--stop"]),
    (["vm", "checkpoint", "create", "web1", ""], []),
    (["vm", "checkpoint", "nonsense", ""], []),
    (["rule", "add", "web", "--vms", "web1,d"], ["web1,db1"]),
    (["rule", "add", "web", "--scope", "r"], ["rack"]),
    (["rule", "remove", ""], ["web-apart"]),
    (["vm", "set", "web1", "--mobility", ""], ["live", "quick", "fixed"]),
    (["vm", "set", "web1", "--move-policy", ""], ["live-or-quick", "live", "restart", "shut-down", "stay"]),
    (["vm", "move", "web1", "--if-not-converging", ""], ["abort", "suspend"]),
    (["vm", "set", "web1", "--r"], ["--resource"]),
    (["node", "set", "n1", "--resource", "v"], []),
    (["nonsense", ""], []),
    (["node", "drain", ""], ["n1", "n2", "n3"]),
    (["node", "drain", "--no-wait", ""], ["n1", "n2", "n3"]),
    (["node", "drain", "n1", ""], []),
    (["vm", "move", "we"], ["web1", "web2"]),
    (["vm", "move", "web1", "--"], ["--help", "--json", "--timeout", "--no-wait", "--dry-run", "--best-node", "--to", "--live",
                                    "--quick", "--storage", "--disk", "--disks-only", "--max-downtime", "--bandwidth",
                                    "--if-not-converging", "--from", "--shared", "--remove-source"]),
    (["vm", "move", "web1", "--storage", "c"], ["csv1"]),
    (["vm", "move", "web1", "--storage", "/"], []),
    (["vm", "move", "web1", "--disk", "v"], []),
    (["vm", "move", "--disk", "vda=/srv/a", "d"], ["db1"]),
    (["vm", "move", "web1", "--to", "n"], ["n1", "n2", "n3"]),
    (["vm", "move", "--to", "n2", "d"], ["db1"]),
    (["vm", "add", "x.xml", "--possible", "n1,n"], ["n1,n1", "n1,n2", "n1,n3"]),
    (["status", "--w"], ["--watch"]),
    (["status", ""], []),
    (["su"], ["support-bundle"]),
    (["support-bundle", "--o"], ["--output"]),
    (["support-bundle", "--output", ""], []),
    (["volume", "show", ""], ["csv1"]),
    (["volume", "add", "x", ""], []),
    (["fence-device", "test", "ilo", ""], ["n1", "n2", "n3"]),
    (["operation", "cancel", ""], ["12", "7"]),
    (["config", "set", "se"], ["self_fence_ms"]),
]


@pytest.mark.parametrize("words, expected", CASES, ids=lambda value: " ".join(value) or "-")
def test_candidates(cluster, words, expected):
    cluster.serve(*RULES)
    done = cluster.run("_complete", "--", *words)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == expected


def test_without_a_daemon_it_is_silent(cluster):
    done = cluster.run("_complete", "--", "node", "drain", "")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def complete_in_bash(cluster, words):
    program = ('source "$SCRIPT"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _clusterctl; '
               'printf "%s\\n" "${COMPREPLY[@]}"')
    env = environment(cluster.run_dir, SCRIPT=SCRIPT, PATH=os.path.dirname(CLUSTERCTL) + ":" + os.environ["PATH"])
    done = subprocess.run(["bash", "-c", program, "bash", *words], capture_output=True, text=True, timeout=20, env=env,
                          check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.split()


@pytest.mark.parametrize("words, expected", [
    (["clusterctl", "node", "dr"], ["drain"]),
    (["clusterctl", "vm", "move", "web1", "--to", ""], ["n1", "n2", "n3"]),
    (["clusterctl", "vm", "move", "web1", "--to", "="], ["n1", "n2", "n3"]),
    (["clusterctl", "vm", "move", "web1", "--to", "=", "n3"], ["n3"]),
    (["clusterctl", "vm", "add", ""], []),
], ids=lambda value: " ".join(value) or "-")
def test_in_bash(cluster, words, expected):
    cluster.serve(*RULES)
    assert complete_in_bash(cluster, words) == expected
