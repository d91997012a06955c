# SPDX-License-Identifier: GPL-2.0-or-later
"""The agent's release: a guest of the cluster becomes libvirt's own, and goes on; what is said when it cannot."""

import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

# pylint: disable=wrong-import-position,unused-import
from agents_world import needs_root, shared_world, shows, wait_ticks  # noqa: E402,F401
from labkit import guests, settings as lab_settings  # noqa: E402

NAMESPACE = "https://clusterd.org/xmlns/vm/1"

pytestmark = needs_root


@pytest.fixture(name="world")
def fixture_world(shared):
    yield shared
    shared.clean()
    for name in shared.lab.check("n1", ["virsh", "list", "--all", "--persistent", "--name"]).split():
        shared.lab.check("n1", ["virsh", "undefine", "--keep-nvram", name])


class Ours:
    """A guest that an agent has started on n1, with generation 7."""

    def __init__(self, world, name):
        self.world, self.vm = world, world.guest(name, exclusive=True)
        self.vm.start("n1", generation=7)
        wait_ticks(self.vm)

    def virsh(self, *words):
        return self.world.lab.check("n1", ["virsh", *words])

    def order(self, action, generation=7):
        return self.world.agent("n1", "vm", action, self.vm.xml, name=self.vm.name, uuid=self.vm.uuid, generation=generation).end()

    def release(self, **more):
        return self.order("release", **more)

    def pid(self):
        return self.world.lab.check("n1", ["cat", f"/run/libvirt/qemu/{self.vm.name}.pid"]).strip()

    def is_persistent(self):
        return self.vm.name in self.virsh("list", "--all", "--persistent", "--name").split()

    def is_marked(self):
        """As it runs."""
        return self.world.lab.run("n1", ["virsh", "metadata", self.vm.name, NAMESPACE, "--live"]).returncode == 0

    def define(self):
        self.virsh("define", f"{lab_settings.VOLUME_PATH}/{self.vm.name}/{self.vm.name}.xml")


def test_it_goes_on_as_libvirts_own(world):
    ours = Ours(world, "let")
    vm, pid = ours.vm, ours.pid()
    watch = world.watch("n1")
    shows(ours.release(), result="ok", state="running", reason="", code=0)
    assert ours.is_persistent() and not ours.is_marked() and ours.pid() == pid
    _, line = watch.wait_event("domain", vm.name)
    while line["generation"] == 7:  # of the watch's beginning
        _, line = watch.wait_event("domain", vm.name)
    assert (line["generation"], line["state"]) == (0, "running"), line
    shows(ours.release(), result="ok", state="running", code=0)  # the order comes again

    # The definition starts it, too; and it can be taken back.
    assert NAMESPACE not in ours.virsh("dumpxml", "--inactive", vm.name)
    shows(ours.order("adopt", generation=9), result="ok", state="running", generation=9)
    assert ours.is_marked() and not ours.is_persistent() and ours.pid() == pid
    wait_ticks(vm)
    assert guests.read_disk(world.lab, vm.name).boots == 1


def test_the_agent_was_killed_between_definition_and_mark(world):
    ours = Ours(world, "half")
    ours.define()
    shows(ours.release(), result="ok", state="running", code=0)
    assert ours.is_persistent() and not ours.is_marked()


def test_it_has_ended(world):
    ours = Ours(world, "gone")
    ours.virsh("destroy", ours.vm.name)
    final = shows(ours.release(), result="failed", state="off")
    assert "no longer runs on n1" in final["reason"] and not ours.is_persistent()
    ours.define()  # as after a release that was killed: the cluster starts it, and only the cluster
    final = shows(ours.release(), result="failed", state="off")
    assert "no longer runs on n1" in final["reason"] and not ours.is_persistent()


def test_it_stays_the_clusters(world):
    ours = Ours(world, "kept")
    final = shows(ours.release(generation=8), result="failed", state="running", generation=7)
    assert "generation 7" in final["reason"]
    ours.virsh("suspend", ours.vm.name)
    final = shows(ours.release(), result="failed", state="paused", generation=7)
    assert "stands still" in final["reason"]
    ours.define()  # of an earlier order
    shows(ours.release(), result="failed", state="paused", generation=7)
    ours.virsh("resume", ours.vm.name)
    assert ours.is_marked() and not ours.is_persistent()

    # It runs on another disk than the definition names.
    disk = f"{lab_settings.VOLUME_PATH}/kept/disk.raw"
    final = shows(world.agent("n1", "vm", "release", ours.vm.xml.replace(disk, f"{disk}.old"), name=ours.vm.name, uuid=ours.vm.uuid,
                              generation=7).end(), result="failed", state="running", generation=7)
    assert "vda" in final["reason"] and disk in final["reason"], final
    assert ours.is_marked() and not ours.is_persistent()

    # libvirt does not take the definition: nothing is changed.
    wrong = ours.vm.xml.replace("<os>", "<os><loader readonly='yes' type='pflash'>/nowhere</loader>").replace("machine='", "machine='no-such-")
    final = shows(world.agent("n1", "vm", "release", wrong, name=ours.vm.name, uuid=ours.vm.uuid, generation=7).end(),
                  result="failed", state="running", generation=7)
    assert "does not take its definition" in final["reason"], final
    assert ours.is_marked() and not ours.is_persistent()
