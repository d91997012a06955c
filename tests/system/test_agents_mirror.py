# SPDX-License-Identifier: GPL-2.0-or-later
"""The agent's mirror: the files of a guest move while it runs; cancelled, killed in the middle, repeated, and taken back."""

import glob
import os
import shutil
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

# pylint: disable=wrong-import-position,unused-import
from agents_world import lab_of, needs_root, shows, wait_ticks, wait_until  # noqa: E402,F401
from labkit import console, guests, settings as lab_settings  # noqa: E402

NAME = "agentsmirror"
VOLUME = lab_settings.VOLUME_PATH
LARGE_BYTES = 400 << 20  # so much that it is met on its way

pytestmark = needs_root


@pytest.fixture(scope="module", name="shared")
def fixture_shared():
    yield from lab_of(NAME, shared_locks=False)


@pytest.fixture(name="world")
def fixture_world(shared):
    shutil.rmtree(shared.lab.volume_path("other"), ignore_errors=True)
    os.mkdir(shared.lab.volume_path("other"))
    yield shared
    shared.clean()


class Mirrored:
    """A guest with disks of its own, and the move of their files to another directory."""

    def __init__(self, world, name, large=False):
        self.world, self.lab = world, world.lab
        self.vm = world.guest(name, exclusive=True)
        if large:
            with open(self.path(name, "disk.raw"), "ab") as file:
                for _ in range(LARGE_BYTES >> 20):
                    file.write(os.urandom(1 << 20))
        self.files = f"{VOLUME}/{name}/disk.raw\t{VOLUME}/other/disk.raw\n"
        self.vm.start("n1", generation=1)
        wait_ticks(self.vm)

    def path(self, *names):
        return self.lab.volume_path(*names)

    def begin(self, action="mirror", **params):
        return self.vm.begin("n1", action, generation=1, files=self.files, move=7, **params)

    def do(self, action="mirror", **params):
        return self.begin(action, **params).end()

    def sources(self):
        """The files that libvirt says its QEMU has."""
        xml = self.lab.check("n1", ["virsh", "dumpxml", self.vm.name])
        return [path for path in (f"{VOLUME}/{self.vm.name}/disk.raw", f"{VOLUME}/other/disk.raw")
                if f"<source file='{path}' index=" in xml.split("<mirror")[0]]

    def copies(self):
        return "<mirror" in self.lab.check("n1", ["virsh", "dumpxml", self.vm.name])

    def sequence(self, directory):
        return guests.read_disk(self.lab, self.vm.name, self.path(directory, "disk.raw")).sequence

    def goes_on_there(self):
        """It runs on the copy, and what it writes is there and nowhere else."""
        shows(self.do("mirror-continue"), result="ok", state="running", code=0)
        before = self.sequence(self.vm.name)
        wait_until(lambda: self.sequence("other") > before + 2, 60)
        assert self.sequence(self.vm.name) == before
        self.never_stumbled()

    def never_stumbled(self):
        said = console.read(self.lab, self.vm.name)
        assert said.boots == 1 and not said.lost and not said.trouble, said

    def nothing_is_left(self):
        assert self.sources() == [f"{VOLUME}/{self.vm.name}/disk.raw"] and not self.copies()
        shows(self.do("copy-undo"), result="ok")
        assert os.listdir(self.path("other")) == []
        wait_ticks(self.vm)
        self.never_stumbled()


def test_it_goes_over_and_on(world):
    watch = world.watch("n1")
    moved = Mirrored(world, "over")
    final = shows(moved.do(), result="ok", state="paused", code=0)
    assert 0 <= final["blackout_ms"] <= final["total_ms"]
    assert moved.sources() == [f"{VOLUME}/other/disk.raw"]
    shows(moved.do(), result="ok", state="paused")  # it is so already
    moved.goes_on_there()
    shows(moved.do("mirror-continue"), result="ok", state="running")
    # Nobody has taken the copy for an image that something else had put there.
    disks = [line for _, line in watch.lines if line.get("event") == "disks" and line.get("name") == "over"]
    assert disks and all(line["reason"] == "" for line in disks), disks
    shows(moved.do("copy-finish"), result="ok")
    assert os.listdir(moved.path("over")) == ["over.xml"] and os.listdir(moved.path("other")) == ["disk.raw"]
    wait_ticks(moved.vm)


def test_what_is_written_meanwhile(world):
    """It is on the copies, to the last write, though the guest writes all the time."""
    moved = Mirrored(world, "writer", large=True)
    disk = "/machine/peripheral/virtio-disk0/virtio-backend"
    mirror = moved.begin()
    mirror.wait_line(lambda line: "progress" in line)
    written = 0
    while mirror.process.poll() is None and written < 380:
        written += 1
        order = f'qemu-io -d {disk} "write -q -P {written % 251 + 1} {8 + written}M 1M"'
        assert world.lab.check("n1", ["virsh", "qemu-monitor-command", "writer", "--hmp", order]).strip() == ""
    shows(mirror.end(), result="ok", state="paused", code=0)
    assert written > 3
    reads = [f"-c 'read -q -P {i % 251 + 1} {8 + i}M 1M'" for i in range(1, written + 1)]
    said = world.lab.run("n1", ["sh", "-c", f"qemu-io -r -U -f raw {' '.join(reads)} {VOLUME}/other/disk.raw"])
    assert said.returncode == 0 and said.stdout + said.stderr == "", said
    moved.goes_on_there()


@pytest.mark.parametrize("how", ["asked", "killed", "killed-then-taken-back", "libvirtd"])
def test_broken_off_while_qemu_copies(world, how):
    moved = Mirrored(world, f"broken{len(how)}", large=True)
    mirror = moved.begin()
    mirror.wait_line(lambda line: "progress" in line)
    if how == "asked":
        mirror.signal("TERM")
        shows(mirror.end(), result="cancelled", state="running")
        moved.nothing_is_left()
        return
    if how == "libvirtd":
        world.libvirtd("n1", "KILL")
        shows(mirror.end(), result="failed", state="unknown")
        world.lab.wait_for_nodes(["n1"])
    else:
        mirror.signal("KILL")
        mirror.wait()
    assert moved.copies() and moved.sources() == [f"{VOLUME}/{moved.vm.name}/disk.raw"]
    wait_ticks(moved.vm)
    if how == "killed-then-taken-back":
        shows(moved.do(cancelled=1), result="cancelled", state="running")
        moved.nothing_is_left()
        return
    # It continues what it finds.
    shows(moved.do(), result="ok", state="paused")
    moved.goes_on_there()


def test_qemu_is_killed_while_it_copies(world):
    moved = Mirrored(world, "dies", large=True)
    mirror = moved.begin()
    mirror.wait_line(lambda line: "progress" in line)
    world.kill_qemu("n1", "dies")
    shows(mirror.end(), result="failed", state="off")
    shows(moved.do("copy-undo"), result="ok")
    assert os.listdir(moved.path("other")) == [] and os.path.exists(moved.path("dies", "disk.raw"))


def test_a_file_in_the_way(world):
    moved = Mirrored(world, "way")
    with open(moved.path("other", "disk.raw"), "wb") as file:
        file.write(b"somebody else's")
    final = shows(moved.do(), result="failed", state="running")
    assert "exists and is not of this move" in final["reason"], final
    shows(moved.do("copy-undo"), result="ok")
    with open(moved.path("other", "disk.raw"), "rb") as file:
        assert file.read() == b"somebody else's"
    assert glob.glob(moved.path("other", "*clusterd*")) == []
    wait_ticks(moved.vm)
    os.unlink(moved.path("other", "disk.raw"))
    moved.nothing_is_left()


def test_only_the_right_copy(world):
    moved = Mirrored(world, "right")
    shows(moved.vm.do("n1", "mirror", generation=9, files=moved.files, move=7), result="failed", state="unknown")
    assert os.listdir(moved.path("other")) == []
    # It does not go on before all of its disks are the copies.
    world.lab.check("n1", ["virsh", "suspend", "right"])
    final = shows(moved.do("mirror-continue"), result="failed", state="paused")
    assert "not all of its disks" in final["reason"], final
    world.lab.check("n1", ["virsh", "resume", "right"])
    moved.nothing_is_left()
