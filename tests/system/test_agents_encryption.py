# SPDX-License-Identifier: GPL-2.0-or-later
"""Live migration by the agent vm: what of the guest's memory can be read on the network, and what happens without certificates."""

import contextlib
import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

# pylint: disable=wrong-import-position,unused-import
from agents_world import shows, wait_ticks, wait_until, clean_world, needs_root, shared_world  # noqa: E402,F401
from labkit import console  # noqa: E402
from support.capture import Capture  # noqa: E402

SECRET = "the-guests-secret."
FILLED_MB = 18  # of a guest of 96 MB

pytestmark = needs_root


def secretive(world, name):
    """A guest on n1 whose memory is full of the secret."""
    vm = world.guest(name, fill=SECRET)
    vm.start("n1", generation=1)
    path = world.lab.volume_path("console", f"{name}.log")

    def filled():
        with open(path, encoding="utf-8", errors="replace") as file:
            return f"filled {FILLED_MB} MB" in file.read()
    wait_until(filled, 90)
    wait_ticks(vm)
    return vm


def capture(world):
    return Capture(world.lab, "n1", SECRET * 3)  # once is also in the definition, as an argument of the kernel


@pytest.mark.parametrize("transport", ["tcp", "tls"])
def test_memory_on_the_network(world, transport):
    """By qemu+tcp anybody reads it. By qemu+tls the same number of bytes flows, and nobody does."""
    vm = secretive(world, f"open-{transport}")
    with capture(world) as seen:
        shows(vm.begin_move("n1", "n2", generation=2, transport=transport).end(), result="ok", state="off", code=0)
    wait_ticks(vm)
    assert world.running("n2") == [vm.name]
    assert seen.lost == 0 and seen.stream_bytes > FILLED_MB << 20, vars(seen)
    assert (seen.seen > 100) if transport == "tcp" else (seen.seen == 0), vars(seen)


@contextlib.contextmanager
def without(world, node, *files, directory="/etc/pki/qemu"):
    """That node has no such certificates."""
    world.lab.check(node, ["sh", "-c", f"cd {directory} && for file; do mv $file $file.away; done", "sh", *files])
    try:
        yield
    finally:
        world.lab.check(node, ["sh", "-c", f"cd {directory} && for file; do mv $file.away $file; done", "sh", *files])


@pytest.mark.parametrize("node, file", [("n2", "ca-cert.pem"), ("n2", "server-cert.pem"), ("n2", "server-key.pem"),
                                        ("n1", "ca-cert.pem"), ("n1", "client-cert.pem"), ("n1", "client-key.pem")])
def test_without_a_certificate_nothing_flows(world, node, file):
    """The move is refused, names node and file, and the VM runs on where it was. It is never sent in clear text instead."""
    if world.kept is None or world.running("n1") != [world.kept.name]:
        world.kept = secretive(world, "cautious")
    vm = world.kept
    with without(world, node, file), capture(world) as seen:
        final = shows(vm.begin_move("n1", "n2", generation=2).end(20), result="failed", state="running", code=1)
    words = ("QEMU on n2 cannot use its certificates" if node == "n2" else "n1 has no", f"/etc/pki/qemu/{file}", "clusterd.conf(5)")
    assert all(word in final["reason"] for word in words) and not final.get("refused"), final
    assert (seen.seen, seen.stream_bytes) == (0, 0), vars(seen)
    assert world.running("n1") == [vm.name] and world.present("n2") == []
    wait_ticks(vm)


def test_libvirt_has_no_certificate(world):
    vm = world.kept
    with without(world, "n1", "cacert.pem", directory="/etc/pki/CA"), capture(world) as seen:
        final = shows(vm.begin_move("n1", "n2", generation=2).end(20), result="failed", state="running", code=1)
    assert "/etc/pki/CA/cacert.pem" in final["reason"] and "clusterd.conf(5)" in final["reason"], final
    assert seen.stream_bytes == 0, vars(seen)


def test_with_all_certificates_again(world):
    """Nothing of the refused moves is left behind."""
    vm = world.kept
    shows(vm.begin_move("n1", "n2", generation=2).end(), result="ok", state="off")
    shows(vm.begin_move("n2", "n1", generation=3).end(), result="ok", state="off")
    wait_ticks(vm)
    said = console.read(world.lab, vm.name)
    assert said.boots == 1 and not said.foreign and not said.trouble
