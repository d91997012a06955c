# SPDX-License-Identifier: GPL-2.0-or-later
"""A machine that is played (played.py), and tools/packages.sh on it, in a mount namespace."""

import errno
import json
import os
import shutil
import signal
import subprocess
import time

import pytest

from played import COMMANDS, POLICY, Machine

HERE = os.path.dirname(os.path.abspath(__file__))
TOOL = os.path.join(HERE, "..", "..", "..", "tools", "packages.sh")
LIMIT_S = 30
# Root can do without a user namespace; somebody else cannot.
UNSHARE = ["unshare", "--mount", "--propagation", "private", *([] if os.geteuid() == 0 else ["--user", "--map-root-user"])]
FILES = (("run/os-release", "/etc/os-release"),)
# /tmp last: that is where these directories lie.
MOUNTS = (("sbin", "/usr/sbin"), ("local", "/usr/local/sbin"), ("run", "/run"), ("tmp", "/tmp"))

# The set `cov` is one package. Here it brings two others with it, as libvirt and corosync are brought on a real machine.
SET, WANTED = "cov", "gcovr"
UNITS = {"libvirt-daemon-system": ["libvirtd.service"], WANTED: ["gcovr.socket"], "corosync": ["corosync.service"],
         "systemd-timesyncd": ["systemd-timesyncd.service"]}
THERE = {"installed": ["libvirt-daemon-system"], "enabled": ["libvirtd.service"], "running": ["libvirtd.service"]}

UNSHARED = pytest.mark.skipif(subprocess.run([*UNSHARE, "true"], capture_output=True, check=False).returncode != 0,
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
        self.release("12")
        self.play()

    def path(self, *names):
        return os.path.join(self.directory, *names)

    def play(self, **more):
        with open(self.path("run/played/machine.json"), "w", encoding="utf-8") as file:
            json.dump({**THERE, "units": UNITS, "depends": ["corosync"], "rogues": [], "heard": [], "hold": False,
                       "apt_status": 0, "depends_of": {}, **more}, file)

    def release(self, version):
        """Which Debian this is. None: one without a number."""
        with open(self.path("run/os-release"), "w", encoding="ascii") as file:
            file.write('ID=debian\n' + (f'VERSION_ID="{version}"\n' if version else ""))

    @property
    def machine(self):
        return Machine(self.path("run/played"))

    def start(self, *words, before=""):
        """Its pid is that of packages.sh: nothing on the way forks."""
        def hear_signals():  # also where the test itself was started to ignore them
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, signal.SIG_DFL)
        mounts = " && ".join(f'mount --bind "$0/{name}" {target}' for name, target in (*FILES, *MOUNTS))
        return subprocess.Popen([*UNSHARE, "sh", "-c", f'{mounts} && exec {before} /run/packages.sh "$@"', self.directory, *words],
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                preexec_fn=hear_signals)

    def run(self, *words, before=""):
        process = self.start(*words, before=before)
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
