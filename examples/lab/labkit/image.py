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
import tempfile
import zlib

from . import errors

# In the order in which they need each other; what a kernel has built in is skipped.
MODULES = (
    "virtio_ring", "virtio", "virtio_pci_legacy_dev", "virtio_pci_modern_dev", "virtio_pci", "virtio_blk",
    "evdev", "button", "pvpanic", "pvpanic-mmio",
)


def ensure(cache, guest_init, packages_tool):
    """Returns (kernel, initramfs) under cache, building what is missing."""
    os.makedirs(cache, exist_ok=True)
    packed, modules = _find_kernel(cache, packages_tool)
    kernel = os.path.join(cache, os.path.basename(packed).replace("vmlinuz", "vmlinux"))
    if not os.path.exists(kernel):
        _write(kernel, _unpack(packed))
    digest = hashlib.sha256(os.path.basename(packed).encode() + repr(MODULES).encode())
    with open(guest_init, "rb") as file:
        digest.update(file.read())
    initramfs = os.path.join(cache, f"initramfs-{digest.hexdigest()[:16]}.cpio")
    if not os.path.exists(initramfs):
        _write(initramfs, _build_initramfs(guest_init, modules))
    return kernel, initramfs


def _write(path, data):
    with open(path + ".part", "wb") as file:
        file.write(data)
    os.rename(path + ".part", path)


def _find_kernel(cache, packages_tool):
    unpacked = os.path.join(cache, "kernel")
    found = _newest("/") or _newest(unpacked)
    if not found:
        subprocess.run([packages_tool, "kernel", unpacked], check=True)
        found = _newest(unpacked)
    if not found:
        raise errors.LabError(f"no guest kernel: {unpacked} holds none after '{packages_tool} kernel'; remove it and try again")
    return found


def _newest(root):
    for kernel in sorted(glob.glob(f"{glob.escape(root)}/boot/vmlinuz-*-cloud-amd64"), key=os.path.getmtime, reverse=True):
        release = os.path.basename(kernel)[len("vmlinuz-"):]
        modules = f"{root}/lib/modules/{release}/kernel"
        if os.path.isdir(modules):
            return kernel, modules
    return None


def _unpack(path):
    """The ELF image inside a bzImage (payload_offset and payload_length of the boot protocol), or the bzImage as it is."""
    with open(path, "rb") as file:
        image = file.read()
    offset, length = struct.unpack_from("<II", image, 0x248)
    start = (image[0x1F1] + 1) * 512 + offset
    payload = image[start:start + length - 4]  # the last four bytes are its unpacked size
    if payload.startswith(b"\x02\x21\x4c\x18") and shutil.which("lz4"):
        elf = subprocess.run(["lz4", "-dc"], input=payload, capture_output=True, check=False).stdout
    elif payload.startswith(b"\x28\xb5\x2f\xfd") and shutil.which("zstd"):
        elf = subprocess.run(["zstd", "-dc"], input=payload, capture_output=True, check=False).stdout
    elif payload.startswith(b"\xfd7zXZ"):
        elf = lzma.LZMADecompressor().decompress(payload)
    elif payload.startswith(b"\x1f\x8b"):
        elf = zlib.decompressobj(31).decompress(payload)
    else:
        elf = b""
    return elf if elf.startswith(b"\x7fELF") else image


def _build_initramfs(guest_init, modules):
    with tempfile.TemporaryDirectory() as scratch:
        root = f"{scratch}/root"
        for directory in ("dev", "proc", "modules"):
            os.makedirs(f"{root}/{directory}")
        listed = []
        for module in MODULES:
            found = glob.glob(f"{glob.escape(modules)}/**/{module}.ko", recursive=True)
            if found:
                shutil.copy(found[0], f"{root}/modules/{module}.ko")
                listed.append(f"{module}.ko\n")
        with open(f"{root}/modules/list", "w", encoding="ascii") as file:
            file.writelines(listed)
        subprocess.run(["cc", "-std=c17", "-O2", "-static", "-pthread", "-Wall", "-Wextra", "-o", f"{root}/init", guest_init],
                       check=True)
        subprocess.run(["strip", f"{root}/init"], check=True)
        names = subprocess.run(["find", ".", "-print0"], cwd=root, capture_output=True, check=True).stdout
        return subprocess.run(["cpio", "-0", "--quiet", "--create", "--format=newc", "--owner=0:0"],
                              cwd=root, input=names, capture_output=True, check=True).stdout
