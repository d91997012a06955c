# SPDX-License-Identifier: GPL-2.0-or-later
"""tools/packages.sh installs what is missing and starts nothing, whatever was there before and whatever befalls it.

It runs as it is, in a mount namespace with a machine that is played (played.py).
"""

import errno
import json
import os
import shutil
import signal
import subprocess
import time

import pytest

from played import COMMANDS, FORBIDDEN, POLICY, Machine

HERE = os.path.dirname(os.path.abspath(__file__))
TOOL = os.path.join(HERE, "..", "..", "..", "tools", "packages.sh")
LIMIT_S = 30
# Root can do without a user namespace; somebody else cannot.
UNSHARE = ["unshare", "--mount", "--propagation", "private", *([] if os.geteuid() == 0 else ["--user", "--map-root-user"])]
# /tmp last: that is where these directories lie.
MOUNTS = (("sbin", "/usr/sbin"), ("local", "/usr/local/sbin"), ("run", "/run"), ("tmp", "/tmp"))

# The set `cov` is one package. Here it brings two others with it, as libvirt and corosync are brought on a real machine.
SET, WANTED = "cov", "gcovr"
UNITS = {"libvirt-daemon-system": ["libvirtd.service"], WANTED: ["gcovr.socket"], "corosync": ["corosync.service"],
         "systemd-timesyncd": ["systemd-timesyncd.service"]}
THERE = {"installed": ["libvirt-daemon-system"], "enabled": ["libvirtd.service"], "running": ["libvirtd.service"]}

pytestmark = pytest.mark.skipif(subprocess.run([*UNSHARE, "true"], capture_output=True, check=False).returncode != 0,
                                reason="no mount namespace to be had here")


def wait_until(condition):
    deadline = time.monotonic() + LIMIT_S
    while True:
        said = condition()
        if said:
            return said
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


class Sandbox:
    """A machine, and packages.sh on it."""

    def __init__(self, directory):
        self.directory = str(directory)
        for name, _ in MOUNTS:
            os.mkdir(self.path(name))
        os.makedirs(self.path("run/played"))
        os.makedirs(self.path("run/systemd/system"))  # systemd runs
        os.mkfifo(self.path("run/played/hold"))
        shutil.copy(TOOL, self.path("run"))
        shutil.copy(os.path.join(HERE, "played.py"), self.path("run/played"))
        for command in COMMANDS:
            os.symlink("/run/played/played.py", self.path("local", command))
        self.policy = self.path("sbin", os.path.basename(POLICY))
        self.play()

    def path(self, *names):
        return os.path.join(self.directory, *names)

    def play(self, **more):
        with open(self.path("run/played/machine.json"), "w", encoding="utf-8") as file:
            json.dump({**THERE, "units": UNITS, "depends": ["corosync"], "rogues": [], "heard": [], "hold": False,
                       "apt_status": 0, **more}, file)

    @property
    def machine(self):
        return Machine(self.path("run/played"))

    def start(self, *words):
        """Its pid is that of packages.sh: nothing on the way forks."""
        def hear_signals():  # also where the test itself was started to ignore them
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, signal.SIG_DFL)
        mounts = " && ".join(f'mount --bind "$0/{name}" {target}' for name, target in MOUNTS)
        return subprocess.Popen([*UNSHARE, "sh", "-c", f'{mounts} && exec /run/packages.sh "$@"', self.directory, *words],
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                preexec_fn=hear_signals)

    def run(self, *words):
        process = self.start(*words)
        out, err = process.communicate(timeout=LIMIT_S)
        return process.returncode, out + err

    def wait_for_apt(self):
        """Waits until apt-get is at work; it goes on when what this returns is closed."""
        def opened():
            try:
                return os.open(self.path("run/played/hold"), os.O_WRONLY | os.O_NONBLOCK)
            except OSError as error:
                assert error.errno == errno.ENXIO, error
                return None
        return wait_until(opened)

    def put_policy(self, kind):
        """What an administrator may have there. Returns what to find again."""
        if kind == "file":
            with open(self.policy, "w", encoding="ascii") as file:
                file.write("#!/bin/sh\nexit 0\n")
            os.chmod(self.policy, 0o750)
        elif kind == "link":
            os.symlink("/bin/true", self.policy)
        return self.look_at_policy()

    def look_at_policy(self):
        if not os.path.lexists(self.policy):
            return None
        if os.path.islink(self.policy):
            return os.readlink(self.policy)
        with open(self.policy, encoding="ascii") as file:
            return file.read(), os.stat(self.policy).st_mode

    def nothing_is_left(self):
        assert os.listdir(self.path("sbin")) in ([], [os.path.basename(POLICY)])
        assert os.listdir(self.path("tmp")) == []

    def nothing_starts(self):
        """Now, or at the next boot, but for what was there before."""
        assert (self.machine.enabled, self.machine.running) == (THERE["enabled"], THERE["running"])


@pytest.fixture(name="sandbox")
def fixture_sandbox(tmp_path):
    def real():
        return [os.lstat(path) if os.path.lexists(path) else None for path in (POLICY, POLICY + ".before-clusterd")]
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
