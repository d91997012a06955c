# SPDX-License-Identifier: GPL-2.0-or-later
"""The guests' kernel and initramfs: Debian's cloud kernel, a handful of its modules, and guest_init as PID 1.

Built once and kept under names that are the hash of all that went in. The kernel is taken from /boot if it is there;
otherwise tools/packages.sh unpacks its package without installing it. It is stored unpacked: QEMU then enters it at its PVH
entry, and the guest need not decompress itself, which costs 0.4 s without KVM.
"""

import glob
import hashlib
import lzma
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import zlib

from . import errors

# In the order in which they need each other; what a kernel has built in is skipped.
MODULES = (
    "virtio_ring", "virtio", "virtio_pci_legacy_dev", "virtio_pci_modern_dev", "virtio_pci", "virtio_blk",
    "evdev", "button", "pvpanic", "pvpanic-mmio",
)
ELF = b"\x7fELF"


def ensure(cache, guest_init, packages_tool):
    """Returns (kernel, initramfs) under cache, building what is missing."""
    os.makedirs(cache, exist_ok=True)
    packed, modules = _find_kernel(cache, packages_tool)
    digest = hashlib.sha256(f"vmlinuz-{_release(packed)}".encode() + repr(MODULES).encode())
    with open(guest_init, "rb") as file:
        digest.update(file.read())
    initramfs = os.path.join(cache, f"initramfs-{digest.hexdigest()[:16]}.cpio")
    if not os.path.exists(initramfs):
        _write(initramfs, _build_initramfs(guest_init, modules))
    return _unpacked_kernel(cache, packed), initramfs


def _write(path, data):
    with open(path + ".part", "wb") as file:
        file.write(data)
    os.rename(path + ".part", path)


def _find_kernel(cache, packages_tool):
    unpacked = os.path.join(cache, "kernel")
    found = newest_kernel("/") or newest_kernel(unpacked)
    if not found:
        if subprocess.run([packages_tool, "kernel", unpacked], stdout=sys.stderr, check=False).returncode != 0:
            raise errors.LabError(f"no guest kernel: '{packages_tool} kernel {unpacked}' failed, see what it says")
        found = newest_kernel(unpacked)
    if not found:
        raise errors.LabError(f"no guest kernel: {unpacked} holds none after '{packages_tool} kernel'; remove it and try again")
    return found


def newest_kernel(root):
    """(kernel image, its directory of modules) of the cloud kernel that came last; None if there is none with modules."""
    found = []
    for modules in glob.glob(f"{glob.escape(root)}/lib/modules/*-cloud-amd64"):
        for kernel in (f"{root}/boot/vmlinuz-{os.path.basename(modules)}", f"{modules}/vmlinuz"):
            if os.path.exists(kernel) and os.path.isdir(f"{modules}/kernel"):
                found.append((os.path.getmtime(kernel), kernel, modules))
                break
    return max(found)[1:] if found else None


def _unpacked_kernel(cache, packed):
    """A kernel that cannot be unpacked here is used as it is, but not under the name of an unpacked one: next time it may be."""
    kernel = os.path.join(cache, f"vmlinux-{_release(packed)}")
    try:
        with open(kernel, "rb") as file:
            if file.read(len(ELF)) == ELF:
                return kernel
    except FileNotFoundError:
        pass
    with open(packed, "rb") as file:
        elf, why = _unpack(file.read())
    if not elf:
        print(f"lab: the guests' kernel is used packed ({why}): each boot takes some seconds more", file=sys.stderr)
        return packed
    _write(kernel, elf)
    return kernel


def _release(packed):
    name = os.path.basename(packed)
    return name[len("vmlinuz-"):] if name.startswith("vmlinuz-") else os.path.basename(os.path.dirname(packed))


def _unpack(image):
    """The ELF image inside a bzImage (payload_offset and payload_length of the boot protocol), or why it is not to be had."""
    if len(image) < 0x250:
        return None, "it is no bzImage"
    offset, length = struct.unpack_from("<II", image, 0x248)
    start = (image[0x1F1] + 1) * 512 + offset
    payload = image[start:start + length - 4]  # the last four bytes are its unpacked size
    try:
        elf = _decompress(payload)
    except (OSError, lzma.LZMAError, zlib.error) as error:
        return None, str(error)
    return (elf, None) if elf.startswith(ELF) else (None, "its compression is unknown here")


def _decompress(data):
    """By what it begins with; as it is if that is nothing known."""
    for magic, program in ((b"\x02\x21\x4c\x18", "lz4"), (b"\x28\xb5\x2f\xfd", "zstd")):
        if data.startswith(magic):
            if not shutil.which(program):
                raise OSError(f"program {program} is missing")
            return subprocess.run([program, "-dc"], input=data, capture_output=True, check=False).stdout
    if data.startswith(b"\xfd7zXZ"):
        return lzma.LZMADecompressor().decompress(data)
    if data.startswith(b"\x1f\x8b"):
        return zlib.decompressobj(31).decompress(data)
    return data


def read_module(modules, name):
    """A module's ELF image, however it is compressed; None if it is built into the kernel. A guest that lacks one would be silent
    on its disk, its power button or its panics, so nothing else will do."""
    found = sorted(glob.glob(f"{glob.escape(modules)}/kernel/**/{name}.ko*", recursive=True))
    if found:
        try:
            with open(found[0], "rb") as file:
                module = _decompress(file.read())
        except (OSError, lzma.LZMAError, zlib.error) as error:
            raise errors.LabError(f"the guests' module {found[0]} cannot be unpacked: {error}") from None
        if not module.startswith(ELF):
            raise errors.LabError(f"the guests' module {found[0]} cannot be unpacked: its compression is unknown here")
        return module
    try:
        with open(f"{modules}/modules.builtin", encoding="utf-8") as file:
            builtin = {os.path.basename(line.strip()) for line in file}
    except FileNotFoundError:
        builtin = set()
    if f"{name}.ko" not in builtin:
        raise errors.LabError(f"the guests need the kernel module {name}, and {modules} neither has it nor names it as built in; "
                              f"another kernel than linux-image-cloud-amd64?")
    return None


def _build_initramfs(guest_init, modules):
    with tempfile.TemporaryDirectory() as scratch:
        root = f"{scratch}/root"
        for directory in ("dev", "proc", "modules"):
            os.makedirs(f"{root}/{directory}")
        listed = []
        for name in MODULES:
            module = read_module(modules, name)
            if module:
                with open(f"{root}/modules/{name}.ko", "wb") as file:
                    file.write(module)
                listed.append(f"{name}.ko\n")
        with open(f"{root}/modules/list", "w", encoding="ascii") as file:
            file.writelines(listed)
        _run(["cc", "-std=c17", "-O2", "-static", "-pthread", "-Wall", "-Wextra", "-o", f"{root}/init", guest_init])
        _run(["strip", f"{root}/init"])
        names = _run(["find", ".", "-print0"], cwd=root)
        return _run(["cpio", "-0", "--quiet", "--create", "--format=newc", "--owner=0:0"], cwd=root, input=names)


def _run(command, **options):
    done = subprocess.run(command, capture_output=True, check=False, **options)
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip() or "it says nothing"
        raise errors.LabError(f"the guests' initramfs could not be made: {command[0]} ended with {done.returncode}: {said}")
    return done.stdout
