# SPDX-License-Identifier: GPL-2.0-or-later
"""Nodes with another QEMU than the others have, as in a cluster of two releases.

without(): one that lacks a machine type or a device. libvirt believes what it has written down about a QEMU, as long as that QEMU is
the same; so the line is taken out of its notes. broken_qemu(): one that cannot be asked what it is, as in the middle of an upgrade; it
lies over the usual one, so what runs there goes on, and what arrives meets the other. hanging_qemu(): one that hangs for one VM.
"""

import contextlib
import os
import time

QEMU = "/usr/bin/qemu-system-x86_64"
NOTES = "/var/cache/libvirt/qemu/capabilities"


def _restart_libvirtd(lab, node, timeout_s=30):
    before = lab.units(node)["libvirtd"]["pid"]
    lab.check(node, ["kill", "-9", str(before)])
    deadline = time.monotonic() + timeout_s
    while lab.units(node)["libvirtd"]["pid"] in (None, 0, before):
        assert time.monotonic() < deadline, f"libvirtd on {node} was not started again"
        time.sleep(0.05)
    lab.ask_init(node, {"wait": "libvirtd"}, deadline)


MACHINE = "name='pc-i440fx-7.2'"
PANIC_DEVICE = "flag name='pvpanic'"


@contextlib.contextmanager
def without(lab, line, *nodes):
    changed = []
    try:
        for node in nodes:
            lab.check(node, ["virsh", "domcapabilities", "--virttype", "qemu"])  # the notes are there now
            lab.check(node, ["cp", "-a", NOTES, NOTES + ".usual"])
            changed.append(node)
            lab.check(node, ["sh", "-c", f'grep -q "{line}" {NOTES}/*.xml && sed -i "/{line}/d" {NOTES}/*.xml'])
            _restart_libvirtd(lab, node)
        yield
    finally:
        for node in changed:
            lab.check(node, ["sh", "-c", f"rm -r {NOTES} && mv {NOTES}.usual {NOTES}"])
            _restart_libvirtd(lab, node)


@contextlib.contextmanager
def broken_qemu(lab, *nodes):
    changed = []
    try:
        for node in nodes:
            lab.check(node, ["mount", "--bind", "/bin/false", QEMU])
            changed.append(node)
        yield
    finally:
        for node in changed:
            lab.check(node, ["umount", QEMU])


def hanging_qemu(lab, definition, guest):
    """Gives this VM (its definition's path on the volume) an emulator that answers when libvirt asks what QEMU it is, and says
    nothing once it should be the guest. libvirt goes on, and so does its watch: only this start hangs."""
    directory, (seen_at, xml) = lab.volume_path(guest), os.path.split(definition)
    own = "hanging-qemu"
    script = f"#!/bin/sh\ncase \"$*\" in *guest={guest},*) exec sleep 600 ;; esac\nexec {QEMU} \"$@\"\n"
    with open(os.path.join(directory, own), "w", encoding="utf-8") as file:
        file.write(script)
    os.chmod(os.path.join(directory, own), 0o755)
    with open(os.path.join(directory, xml), "r+", encoding="utf-8") as file:
        text = file.read()
        assert QEMU in text
        file.seek(0)
        file.write(text.replace(QEMU, os.path.join(seen_at, own)))
        file.truncate()
