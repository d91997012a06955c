# SPDX-License-Identifier: GPL-2.0-or-later
"""tools/packages.sh installs what is missing and starts nothing, whatever was there before and whatever befalls it.

It runs as it is, in a mount namespace with a machine that is played (played.py).
"""

import os
import signal
import subprocess

import pytest

from played import FORBIDDEN, POLICY
from sandbox import LIMIT_S, SET, THERE, UNSHARED, WANTED, Sandbox, wait_until

pytestmark = UNSHARED

@pytest.fixture(name="sandbox")
def fixture_sandbox(tmp_path):
    def look(path):  # not at the time of the last reading: whoever installs something on that machine reads it
        at = os.lstat(path)
        return at.st_ino, at.st_mode, at.st_size, at.st_mtime_ns

    def real():
        return [look(path) if os.path.lexists(path) else None for path in (POLICY, POLICY + ".before-clusterd")]
    before = real()
    yield Sandbox(tmp_path)
    assert real() == before, "the real machine was touched"


def forbids(path):
    return subprocess.run([path, "corosync", "start"], check=False).returncode == FORBIDDEN


@pytest.mark.parametrize("kind", ["none", "file", "link"])
def test_nothing_is_started_and_the_policy_comes_back(sandbox, kind):
    before = sandbox.put_policy(kind)
    code, said = sandbox.run(SET)
    assert code == 0, said
    assert sandbox.machine.installed == ["libvirt-daemon-system", WANTED, "corosync"]
    assert sandbox.machine.heard == [FORBIDDEN, FORBIDDEN], "each package's scripts ask; each must hear no"
    assert sandbox.look_at_policy() == before
    sandbox.nothing_starts()
    assert "left disabled: corosync.service (of corosync)" in said and "libvirtd" not in said
    sandbox.nothing_is_left()


@pytest.mark.parametrize("kind, number", [("none", signal.SIGTERM), ("file", signal.SIGTERM), ("none", signal.SIGINT)])
def test_a_signal_changes_nothing_about_that(sandbox, kind, number):
    """It waits for apt-get, which must not be torn from its work; then all is as after a run to the end."""
    before = sandbox.put_policy(kind)
    sandbox.play(hold=True)
    process = sandbox.start(SET)
    hold = sandbox.wait_for_apt()
    assert forbids(sandbox.policy)
    process.send_signal(number)
    os.close(hold)
    _, said = process.communicate(timeout=LIMIT_S)
    assert process.returncode == 130, said
    assert sandbox.machine.heard == [FORBIDDEN, FORBIDDEN]
    assert sandbox.look_at_policy() == before
    sandbox.nothing_starts()
    sandbox.nothing_is_left()


@pytest.mark.parametrize("kind", ["none", "file"])
@pytest.mark.parametrize("done", [True, False])
def test_after_a_sigkill_the_next_run_puts_the_policy_back(sandbox, kind, done):
    """Whether apt-get, which is an orphan then, has come to its end or not."""
    before = sandbox.put_policy(kind)
    sandbox.play(hold=True)
    process = sandbox.start(SET)
    hold = sandbox.wait_for_apt()
    process.kill()
    process.communicate()
    os.close(hold)
    wait_until(lambda: WANTED in sandbox.machine.installed)
    assert forbids(sandbox.policy)
    if not done:
        sandbox.play()
    code, said = sandbox.run(SET)
    assert code == 0, said
    assert sandbox.machine.heard == [FORBIDDEN, FORBIDDEN] and sandbox.look_at_policy() == before


def test_check_leaves_the_policy_of_a_run_at_work(sandbox):
    sandbox.play(hold=True)
    process = sandbox.start(SET)
    hold = sandbox.wait_for_apt()
    assert sandbox.run("--check", SET)[0] == 1 and forbids(sandbox.policy)
    os.close(hold)
    process.communicate(timeout=LIMIT_S)
    assert process.returncode == 0


def test_a_package_that_goes_round_the_policy_is_stopped(sandbox):
    sandbox.play(rogues=["corosync.service"])
    code, said = sandbox.run(SET)
    assert code == 0 and "stopped: corosync.service" in said
    sandbox.nothing_starts()


def test_units_of_the_system_itself_are_the_systems(sandbox):
    """A minimal image may get them as dependencies."""
    sandbox.play(depends=["systemd-timesyncd"])
    assert sandbox.run(SET)[0] == 0
    assert sandbox.machine.enabled == [*THERE["enabled"], "systemd-timesyncd.service"]


def test_a_failure_of_apt_leaves_nothing_that_starts(sandbox):
    """What did get installed is treated as ever; the log is kept, and named."""
    before = sandbox.put_policy("file")
    sandbox.play(apt_status=100)
    code, said = sandbox.run(SET)
    (log,) = os.listdir(sandbox.path("tmp"))
    assert code == 1 and f"the whole log is in /tmp/{log}" in said
    assert sandbox.look_at_policy() == before
    sandbox.nothing_starts()


def test_what_is_there_is_not_installed_again(sandbox):
    sandbox.play(installed=[*THERE["installed"], WANTED])
    assert sandbox.run(SET) == (0, "")
    assert sandbox.machine.heard == [] and sandbox.look_at_policy() is None
    assert sandbox.run("--check", SET) == (0, "")


def test_check_only_says_what_is_missing(sandbox):
    assert sandbox.run("--check", SET) == (1, f"missing: {WANTED} \n")
    assert sandbox.machine.heard == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_who_is_not_root_is_told_what_to_type(sandbox):
    assert sandbox.run(SET, before="setpriv --reuid 65534 --regid 65534 --clear-groups") == (
        1, f"packages.sh: missing: {WANTED} - only root can install them; as root run: /run/packages.sh {SET}\n")
    assert sandbox.machine.heard == []
