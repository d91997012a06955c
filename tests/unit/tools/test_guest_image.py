# SPDX-License-Identifier: GPL-2.0-or-later
"""The guests' kernel and modules as the releases of Debian pack them (labkit/image.py): what is taken, and what is said, not passed
over, if it cannot be."""

import gzip
import lzma
import os
import struct
import sys

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "..", "examples", "lab"))

# pylint: disable=wrong-import-position
from labkit import errors, image  # noqa: E402

REL = "6.1.0-1-cloud-amd64"
MODULE = image.ELF + b" a module"


def put(path, data=b""):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(data)


def program(directory, name, text):
    put(f"{directory}/{name}", f"#!/bin/sh\n{text}\n".encode())
    os.chmod(f"{directory}/{name}", 0o755)


@pytest.fixture(name="modules")
def fixture_modules(tmp_path):
    modules = tmp_path / "lib" / "modules" / REL
    put(f"{modules}/modules.builtin", b"kernel/drivers/virtio/virtio.ko\nkernel/drivers/virtio/virtio_ring.ko\n")
    os.makedirs(f"{modules}/kernel")
    return str(modules)


@pytest.mark.parametrize("suffix, pack", [("", bytes), (".xz", lzma.compress), (".gz", gzip.compress)])
def test_a_module_is_unpacked(modules, suffix, pack):
    put(f"{modules}/kernel/drivers/virtio_blk.ko{suffix}", pack(MODULE))
    assert image.read_module(modules, "virtio_blk") == MODULE


def test_a_module_that_is_built_in_is_left_out(modules):
    assert image.read_module(modules, "virtio") is None


def test_a_module_that_is_neither_there_nor_built_in(modules):
    put(f"{modules}/kernel/drivers/virtio_blk.ko.xz", lzma.compress(MODULE))
    with pytest.raises(errors.LabError, match="kernel module evdev, and .* neither has it nor names it as built in"):
        image.read_module(modules, "evdev")
    os.unlink(f"{modules}/modules.builtin")
    with pytest.raises(errors.LabError, match="kernel module virtio, "):
        image.read_module(modules, "virtio")


@pytest.mark.parametrize("suffix, data", [(".xz", b"\xfd7zXZ torn"), (".new", b"who knows"), (".xz", lzma.compress(b"no ELF"))])
def test_a_module_that_cannot_be_unpacked(modules, suffix, data):
    put(f"{modules}/kernel/drivers/button.ko{suffix}", data)
    with pytest.raises(errors.LabError, match=rf"module {modules}/kernel/drivers/button.ko{suffix} cannot be unpacked: "):
        image.read_module(modules, "button")


@pytest.mark.parametrize("kernel", [f"boot/vmlinuz-{REL}", f"lib/modules/{REL}/vmlinuz"])
def test_the_newest_kernel_that_has_modules(tmp_path, modules, kernel):
    put(f"{tmp_path}/{kernel}")
    put(f"{tmp_path}/boot/vmlinuz-9.9-cloud-amd64")  # its modules are not there
    put(f"{tmp_path}/lib/modules/9.8-cloud-amd64/kernel/a.ko")  # no kernel
    assert image.newest_kernel(str(tmp_path)) == (f"{tmp_path}/{kernel}", modules)


def test_no_kernel(tmp_path):
    assert image.newest_kernel(str(tmp_path)) is None


def packed_kernel(path, payload):
    """A bzImage as far as the place of its payload goes."""
    head = bytearray(0x400)
    head[0x1F1] = 1  # one sector of setup behind the boot sector
    struct.pack_into("<II", head, 0x248, 0, len(payload) + 4)
    put(path, bytes(head) + payload + b"size")


def test_a_kernel_that_cannot_be_unpacked_yet(tmp_path, monkeypatch, capfd):
    """It is used as it is; and once the program is there, it is unpacked after all. Also where an older lab has kept it packed
    under the name of an unpacked one."""
    packed, kept, programs = (f"{tmp_path}/{name}" for name in (f"boot/vmlinuz-{REL}", f"vmlinux-{REL}", "programs"))
    packed_kernel(packed, b"\x28\xb5\x2f\xfd zstd")
    put(kept, b"packed")
    monkeypatch.setenv("PATH", programs)
    assert image._unpacked_kernel(str(tmp_path), packed) == packed
    assert "used packed (program zstd is missing)" in capfd.readouterr().err
    program(programs, "zstd", "printf '\\177ELF a kernel'")
    assert image._unpacked_kernel(str(tmp_path), packed) == kept
    assert open(kept, "rb").read() == b"\x7fELF a kernel" and capfd.readouterr().err == ""
    os.unlink(f"{programs}/zstd")
    assert image._unpacked_kernel(str(tmp_path), packed) == kept


def test_a_kernel_that_cannot_be_fetched_is_one_line(tmp_path):
    program(tmp_path, "packages.sh", "echo no network >&2; exit 1")
    tool = f"{tmp_path}/packages.sh"
    with pytest.raises(errors.LabError, match=f"no guest kernel: '{tool} kernel {tmp_path}/kernel' failed, see what it says"):
        image._find_kernel(str(tmp_path), tool)
    program(tmp_path, "packages.sh", "exit 0")
    with pytest.raises(errors.LabError, match="holds none after"):
        image._find_kernel(str(tmp_path), tool)
