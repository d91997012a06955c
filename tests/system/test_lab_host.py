# SPDX-License-Identifier: GPL-2.0-or-later
"""A lab and the machine under it: nothing there is touched, a corosync and a libvirtd that run there run on, and after a crash in
the middle of `up` nothing is left. And it can be brought up from a path with a space in it, sources, build and all."""

import json
import os
import shutil
import signal
import subprocess
import time

import pytest

from labkit import build, cgroup, guests, kernel, settings as lab_settings
from labkit.lab import Lab
from support import host

TOOL = os.path.join(lab_settings.LAB_DIR, "lab")


@pytest.fixture(name="name")
def fixture_name():
    name = "labhost"
    Lab.down(name)
    yield name
    Lab.down(name)


def wait_until(condition, timeout_s=30):
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


def nothing_is_left(name):
    """Of a lab that was taken down."""
    assert not os.path.exists(lab_settings.Settings(name=name).state)
    assert not os.path.exists(f"/run/lock/clusterd-lab-{name}.lock")
    with open("/proc/self/mounts", encoding="utf-8") as file:
        bases = [line.split()[1] for line in file if line.split()[2] == "cgroup2"]
    for base in bases:
        assert not cgroup.Group(base, cgroup.ROOT_PREFIX + name).exists


def lab(words, **options):
    return subprocess.run([TOOL, *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, **options)


def test_beside_a_corosync_and_a_libvirtd(name, tmp_path):
    """On a machine that runs both: neither side sees the other, also on the same ports and socket names."""
    build.install_packages(["build", "run"])
    with host.PlayedHost(tmp_path) as machine:
        before = machine.run("ip", "-brief", "link").stdout
        done = machine.run(TOOL, "--lab", name, "up", "--nodes", "2", "--no-clusterd")
        assert done.returncode == 0, done.stderr
        status = json.loads(machine.run(TOOL, "--lab", name, "status", "--json").stdout)
        for node in status["nodes"].values():
            assert node["members"] == ["n1", "n2"] and all(unit["ready"] for unit in node["units"].values())
        listed = machine.run(TOOL, "--lab", name, "exec", "n1", "--", "virsh", "list", "--all", "--name")
        assert (listed.returncode, listed.stdout.split()) == (0, [])
        assert machine.is_as_it_was() and machine.run("ip", "-brief", "link").stdout == before
        assert machine.run(TOOL, "--lab", name, "down").returncode == 0
        assert machine.is_as_it_was() and machine.run("ip", "-brief", "link").stdout == before
    nothing_is_left(name)


def test_down_after_a_crash_in_the_middle_of_up(name):
    """`up` and the power controller are killed while nodes boot; one has a guest on storage that stalls, one is frozen besides."""
    build.install_packages(["build", "run"])
    before = host.snapshot()
    settings = lab_settings.Settings(name=name)
    with subprocess.Popen([TOOL, "--lab", name, "up", "--nodes", "4", "--no-clusterd"], stderr=subprocess.DEVNULL) as up:
        wait_until(lambda: os.path.exists(settings.path("nodes", "n2.pid")), 60)
        up.send_signal(signal.SIGSTOP)  # so that the middle does not pass
        half = Lab.open(name)
        wait_until(lambda: all(half.describe()[node]["storage"] == "ok" for node in ("n1", "n2")))
        half.ask_init("n1", {"wait": "libvirtd"})
        half.check("n1", ["virsh", "create", guests.write(half, guests.Guest("stuck"))])
        for node in ("n1", "n2"):
            half.stall_storage(node)
        wait_until(lambda: all(half.describe()[node]["storage"] == "stalled" for node in ("n1", "n2")))
        half.freeze("n2")
        pids = [pid for group in ("bmc", *half.settings.node_names) for pid in half.group(group).pids()]
        assert len(pids) > 10 and up.poll() is None
        os.kill(half.group("bmc").pids()[0], signal.SIGKILL)
        up.kill()
    down = lab(["--lab", name, "down"], timeout=60)
    assert (down.returncode, down.stdout) == (0, "")
    # With its controller dead a lab's processes are the host's init's to reap.
    wait_until(lambda: all(kernel.start_time(pid) is None for pid in pids))
    nothing_is_left(name)
    assert host.changes(before) == []


@pytest.mark.thorough
@pytest.mark.timeout(400)
def test_from_a_path_with_a_space(name, tmp_path):
    """Sources that lie there are built there, and the cluster that comes of it runs a guest."""
    build.install_packages(["build", "run"])
    place = tmp_path / "a path with a space" / "clusterd"
    shutil.copytree(lab_settings.REPOSITORY, place, symlinks=True,
                    ignore=shutil.ignore_patterns(".git", "build", "__pycache__", ".pytest_cache"))
    kernels = os.path.join(build.GUEST_CACHE, "kernel")
    if os.path.isdir(kernels):  # the guests' kernel need not be fetched again
        (place / "build" / "lab").mkdir(parents=True)
        (place / "build" / "lab" / "kernel").symlink_to(kernels)
    tool = [str(place / "examples" / "lab" / "lab"), "--lab", name]
    try:
        subprocess.run([*tool, "up", "--nodes", "2"], check=True)
        assert (place / "build" / "release" / "clusterd" / "clusterd").exists()
        subprocess.run([*tool, "guest", "add", "g1"], check=True)
        told = subprocess.run([*tool, "exec", "n2", "--", "clusterctl", "vm", "show", "g1", "--json"], check=True,
                              stdout=subprocess.PIPE)
        assert json.loads(told.stdout)["vm"]["state"] == "running"
        wait_until(lambda: " 1 boots," in subprocess.run([*tool, "guest", "show", "g1"], check=True, stdout=subprocess.PIPE,
                                                         text=True).stdout)
    finally:
        subprocess.run([*tool, "down"], check=True)
        shutil.rmtree(place)  # a build; pytest would keep three of them
    nothing_is_left(name)
