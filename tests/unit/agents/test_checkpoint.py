# SPDX-License-Identifier: GPL-2.0-or-later
"""The agent's actions on checkpoints of a VM that is off, with the real qemu-img: what they do to the images, also if they are
repeated, or cannot begin. (Without qemu-img nothing can be made or set back, so the tests are skipped.)"""

import os
import shutil
import subprocess

import pytest

from copy_world import Agent, shows

pytestmark = pytest.mark.skipif(not shutil.which("qemu-img"), reason="qemu-img is not installed")


def run(*words):
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert done.returncode == 0, (words, done.stdout)
    return done.stdout


class Images:
    """A VM with two disks."""

    def __init__(self, path):
        self.paths = {disk: os.path.join(str(path), f"{disk}.qcow2") for disk in ("vda", "vdb")}
        for image in self.paths.values():
            run("qemu-img", "create", "-q", "-f", "qcow2", image, "4M")

    def write(self, byte):
        for image in self.paths.values():
            run("qemu-io", "-f", "qcow2", "-c", f"write -P {byte} 0 1M", image)

    def hold(self, disk, byte):
        return "failed" not in run("qemu-io", "-f", "qcow2", "-c", f"read -P {byte} 0 1M", self.paths[disk])

    def snapshots(self):
        return [[line.split()[1] for line in run("qemu-img", "snapshot", "-l", image).splitlines()[2:]]
                for image in self.paths.values()]

    def do(self, action, number=7, **more):
        lines = "".join(f"{disk}={image}\n" for disk, image in self.paths.items())
        params = {"name": "web1", "checkpoint": number, "disks": lines, **more}
        return Agent(action, **params).end()


@pytest.fixture(name="images")
def fixture_images(tmp_path):
    return Images(tmp_path)


def test_there_and_back(images):
    images.write(1)
    shows(images.do("checkpoint"), result="ok", state="off", code=0)
    shows(images.do("checkpoint", 8), result="ok")
    assert images.snapshots() == [["clusterd-7", "clusterd-8"]] * 2
    images.write(2)
    shows(images.do("checkpoint-revert"), result="ok", state="off")
    assert images.hold("vda", 1) and images.hold("vdb", 1)
    shows(images.do("checkpoint-revert"), result="ok")  # again
    assert images.snapshots() == [["clusterd-7", "clusterd-8"]] * 2
    shows(images.do("checkpoint-remove"), result="ok", state="off")
    shows(images.do("checkpoint-remove"), result="ok")  # again
    assert images.snapshots() == [["clusterd-8"]] * 2
    assert images.hold("vda", 1)


def test_what_is_half_made_is_completed(images):
    run("qemu-img", "snapshot", "-c", "clusterd-7", images.paths["vda"])
    shows(images.do("checkpoint"), result="ok")
    assert images.snapshots() == [["clusterd-7"]] * 2


def test_half_of_it_is_not_gone_back_to(images):
    """Nothing is touched, and it says so."""
    images.write(1)
    run("qemu-img", "snapshot", "-c", "clusterd-7", images.paths["vda"])
    images.write(2)
    shows(images.do("checkpoint-revert"), "vdb: ", result="failed", detail="not-begun")
    assert images.hold("vda", 2) and images.hold("vdb", 2)


@pytest.mark.parametrize("disk", ["vda", "vdb"])
def test_an_image_in_use(images, disk):
    """Whichever it is, nothing is touched."""
    images.write(1)
    images.do("checkpoint")
    images.write(2)
    with subprocess.Popen(["qemu-io", "-f", "qcow2", images.paths[disk]], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as user:
        user.stdin.write(b"length\n")
        user.stdin.flush()
        user.stdout.readline()  # it has it open
        shows(images.do("checkpoint-revert"), disk, result="failed", detail="not-begun")
        user.stdin.close()
    assert images.hold("vda", 2) and images.hold("vdb", 2)


def test_an_image_that_is_none(images):
    with open(images.paths["vdb"], "wb") as file:
        file.write(b"raw" * 1000)
    shows(images.do("checkpoint"), "is not a qcow2 image", result="failed", detail="not-begun")
    images.do("checkpoint-remove")
    shows(images.do("checkpoint-remove"), result="ok")
    os.unlink(images.paths["vdb"])
    shows(images.do("checkpoint-revert"), "cannot read", result="failed", detail="not-begun")
    shows(images.do("checkpoint-remove"), result="ok")


def test_a_list_that_is_cut_off(images):
    """It is not taken for one without the snapshot: another would be made, or none removed."""
    images.do("checkpoint")
    with open(images.paths["vda"], "r+b") as file:
        file.seek(64)
        file.write((1 << 40).to_bytes(8, "big"))
    for action in ("checkpoint", "checkpoint-revert", "checkpoint-remove"):
        shows(images.do(action), "its list of snapshots is damaged", result="failed", detail="not-begun")


def test_parameters(images):
    for more in ({"checkpoint": 0}, {"disks": ""}, {"disks": "vda"}):
        assert images.do("checkpoint", **more)["result"] == "failed"
