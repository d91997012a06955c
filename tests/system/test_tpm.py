# SPDX-License-Identifier: GPL-2.0-or-later
"""A VM with a TPM in a cluster: it moves quickly, and after a power cut it has the TPM that it had."""

import os

import pytest

from labkit import settings as lab_settings
from support.cluster import Cluster

CLUSTER = Cluster("systpm", {"a": ["--possible", "n3"]}, nodes=3, memory_mb=600)

REFUSED = 3

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="the lab needs root")


def states(cluster, name):
    directory = cluster.lab.volume_path(name, "tpm")
    return sorted(entry for entry in os.listdir(directory) if entry.startswith("tpm2"))


def certificates(cluster, name):
    """What the TPM was manufactured with is most of its state."""
    return os.path.getsize(cluster.lab.volume_path(name, "tpm", "tpm2-00.permall")) > 4000


def swtpms(cluster):
    return {node: cluster.lab.run(node, ["pgrep", "-xc", "swtpm"]).stdout.strip() for node in cluster.nodes
            if cluster.lab.describe()[node]["power"] == "on"}


def test_its_moves_and_a_power_cut(cluster):
    cluster.add_guest("safe", "--preferred", "n1", tpm=True)
    assert cluster.follower.wait_ticks("safe", 5, timeout_s=120)
    assert cluster.vm("safe")["mobility"] == "quick"
    assert states(cluster, "safe") == ["tpm2-00.permall"] and certificates(cluster, "safe")
    # Not live, and said why; else quickly.
    said = cluster.try_ctl("vm", "move", "safe", "--to", "n2", "--live")
    assert said.returncode == REFUSED and "TPM" in said.stderr and "--quick" in said.stderr, said.stderr
    cluster.ctl("vm", "move", "safe", "--to", "n2")
    assert cluster.follower.wait_ticks("safe", 3, timeout_s=120)
    assert cluster.where()["safe"] == "n2" and len(cluster.follower.track("safe").said.nonces) == 1
    # Even if somebody insists, nothing is harmed.
    cluster.ctl("vm", "set", "safe", "--mobility", "live")
    said = cluster.try_ctl("vm", "move", "safe", "--to", "n1", "--live")
    assert said.returncode != 0 and "TPM" in said.stderr, said.stderr
    assert cluster.where()["safe"] == "n2"
    cluster.ctl("vm", "set", "safe", "--mobility", "quick")
    # Nobody makes another TPM for it. A state that is made anew would be another file with no history.
    cluster.power_off("n2")
    cluster.until("safe runs elsewhere", lambda: cluster.where().get("safe") in ("n1", "n3"), timeout_s=120)
    assert cluster.follower.wait_ticks("safe", 3, timeout_s=120)
    assert states(cluster, "safe") == ["tpm2-00.permall"] and certificates(cluster, "safe")
    assert sorted(swtpms(cluster).values()) == ["0", "1"], swtpms(cluster)
    cluster.power_on("n2")
    cluster.ctl("vm", "stop", "safe", "--force")
    cluster.until("no swtpm is left", lambda: set(swtpms(cluster).values()) == {"0"})
    cluster.ctl("vm", "remove", "safe", "--yes")
    assert any("its TPM's state were not touched" in event["message"] for event in cluster.events())
    assert certificates(cluster, "safe")
    cluster.added.discard("safe")


def test_its_state_goes_along_with_its_files(cluster):
    """While it runs that is refused; once it is off, the same TPM is at the new place, and the VM runs with it."""
    cluster.add_guest("mover", tpm=True, exclusive=True)
    assert cluster.follower.wait_ticks("mover", 3, timeout_s=120)
    os.makedirs(cluster.lab.volume_path("new"))
    new = f"{lab_settings.VOLUME_PATH}/new"
    for dry in ((), ("--dry-run",)):
        said = cluster.try_ctl("vm", "move", "mover", "--storage", new, *dry)
        assert said.returncode == REFUSED and "the state of its TPM" in said.stderr, said
    cluster.ctl("vm", "stop", "mover", "--force")
    cluster.until("it is off", lambda: "mover" not in cluster.where())
    with open(cluster.lab.volume_path("mover", "tpm", "tpm2-00.permall"), "rb") as file:
        before = file.read()
    cluster.ctl("vm", "move", "mover", "--storage", new)
    with open(cluster.lab.volume_path("new", "tpm", "tpm2-00.permall"), "rb") as file:
        assert file.read() == before
    cluster.ctl("vm", "start", "mover")
    cluster.until("the former directory is gone", lambda: not os.path.exists(cluster.lab.volume_path("mover", "tpm")))
    cluster.until("its swtpm uses the new one", lambda: any(
        f"{new}/tpm" in cluster.lab.run(node, ["pgrep", "-af", "swtpm socket"]).stdout for node in cluster.nodes))
    assert cluster.follower.wait_ticks("mover", 3, timeout_s=120)
