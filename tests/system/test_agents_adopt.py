# SPDX-License-Identifier: GPL-2.0-or-later
"""The agent's adopt: a guest that libvirt runs becomes the cluster's, and goes on; each reason why it cannot."""

import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

# pylint: disable=wrong-import-position,unused-import
from agents_world import Agent, lab_of, needs_root, shows, wait_ticks  # noqa: E402,F401
from labkit import guests, settings as lab_settings  # noqa: E402

NAME = "agentsadopt"
NAMESPACE = "https://clusterd.org/xmlns/vm/1"

pytestmark = needs_root


@pytest.fixture(scope="module", name="shared")
def fixture_shared():
    yield from lab_of(NAME, shared_locks=False)


@pytest.fixture(name="world")
def fixture_world(shared):
    yield shared
    for name in shared.lab.check("n1", ["virsh", "list", "--all", "--persistent", "--name"]).split():
        shared.lab.run("n1", ["virsh", "destroy", name])
        shared.lab.check("n1", ["virsh", "undefine", "--snapshots-metadata", "--keep-nvram", name])
    shared.clean()


class Found:
    """A guest that libvirt on n1 has defined and runs."""

    def __init__(self, world, name, **more):
        self.world, self.lab = world, world.lab
        self.vm = world.guest(name, **more)
        self.virsh("define", f"{lab_settings.VOLUME_PATH}/{name}/{name}.xml")
        self.virsh("start", name)
        wait_ticks(self.vm)

    def virsh(self, *words):
        return self.lab.check("n1", ["virsh", *words])

    def begin(self, xml=None, **params):
        params = {"generation": 7, "name": self.vm.name, "uuid": self.vm.uuid, **params}
        return self.world.agent("n1", "vm", "adopt", xml or self.vm.xml, **params)

    def adopt(self, xml=None, **params):
        return self.begin(xml, **params).end()

    def pid(self):
        return self.lab.check("n1", ["cat", f"/run/libvirt/qemu/{self.vm.name}.pid"]).strip()

    def is_persistent(self):
        return self.vm.name in self.virsh("list", "--all", "--persistent", "--name").split()

    def mark(self):
        """Of the domain as it runs."""
        said = self.lab.run("n1", ["virsh", "metadata", self.vm.name, NAMESPACE, "--live"])
        return said.stdout if said.returncode == 0 else ""

    def is_untouched(self):
        return self.is_persistent() and not self.mark()

    def refused(self, *words, state="running", **more):
        final = shows(self.adopt(**more), result="failed", state=state, refused=True)
        assert all(word in final["reason"] for word in words), final
        assert self.is_untouched()


def disk_of(name):
    return f"{lab_settings.VOLUME_PATH}/{name}/disk.raw"


def test_a_running_guest_becomes_the_clusters(world):
    found = Found(world, "adopted")
    vm, pid = found.vm, found.pid()
    found.virsh("autostart", vm.name)
    watch = world.watch("n1")
    ticks = vm.ticks()
    final = shows(found.adopt(), result="ok", state="running", generation=7, reason="", code=0)
    assert final["machine"].startswith("pc") and not found.is_persistent() and found.pid() == pid
    assert "generation='7'" in found.mark().replace('"', "'") and disk_of(vm.name) in found.mark()

    # The watch tells it once, with the VM's state.
    _, line = watch.wait_event("domain", vm.name)
    assert (line["generation"], line["state"], line["uuid"]) == (7, "running", vm.uuid), line
    _, line = watch.wait_event("disks", vm.name)
    assert (line["generation"], line["reason"]) == (7, ""), line
    wait_ticks(vm)
    assert vm.ticks() > ticks

    # The order comes again; another one does not take it.
    shows(found.adopt(), result="ok", state="running", generation=7, code=0)
    final = shows(found.adopt(generation=8), result="failed", state="running", generation=7)
    assert "generation 7" in final["reason"] and "generation='7'" in found.mark().replace('"', "'")
    assert not [line for _, line in watch.lines if line.get("event") == "domain" and line["generation"] == 8]

    # It is a VM of the cluster as any other.
    shows(vm.begin_move("n1", "n2", generation=8).end(), result="ok")
    assert world.running("n2") == [vm.name] and world.present("n1") == []
    wait_ticks(vm)
    assert guests.read_disk(world.lab, vm.name).boots == 1


def test_the_agent_was_killed_between_mark_and_definition(world):
    """The same order again removes what libvirt still has."""
    found = Found(world, "half")
    found.virsh("metadata", found.vm.name, NAMESPACE, "--live", "--key", "clusterd", "--set", "<vm generation='7'/>")
    assert found.is_persistent()
    final = shows(found.adopt(generation=8), result="failed", state="running", generation=7)
    assert "refused" not in final and found.is_persistent()
    found.virsh("suspend", found.vm.name)  # it is the cluster's, and the answer says how it is
    shows(found.adopt(), result="ok", state="paused", generation=7)
    assert not found.is_persistent()
    found.virsh("resume", found.vm.name)
    shows(found.adopt(), result="ok", state="running", generation=7)
    assert world.running("n1") == [found.vm.name]


def test_it_no_longer_runs(world):
    found = Found(world, "gone")
    found.virsh("destroy", found.vm.name)
    final = shows(found.adopt(), result="failed", state="off")
    assert "no longer runs on n1" in final["reason"] and found.is_persistent()
    found.virsh("undefine", found.vm.name)
    final = shows(found.adopt(), result="failed", state="off")
    assert "no longer runs on n1" in final["reason"]


def test_it_is_not_what_the_definition_says(world):
    found = Found(world, "other")
    name, disk = found.vm.name, disk_of("other")
    found.refused("vda", disk, "/srv/csv1/x.raw", xml=found.vm.xml.replace(disk, "/srv/csv1/x.raw"))
    found.refused("vda", "raw", "qcow2", xml=found.vm.xml.replace("type='raw'", "type='qcow2'"))
    found.refused("vda", "missing in its definition", xml=found.vm.xml.replace("dev='vda'", "dev='vdb'"))
    found.refused(f"named {name} there", xml=found.vm.xml.replace(f"<name>{name}<", "<name>another<"), name="another")
    # The definition of another VM is none of libvirt's business.
    shows(found.adopt(name="another"), result="failed", detail="not-begun")
    assert found.is_untouched()


def test_it_stands_still(world):
    found = Found(world, "still")
    found.virsh("suspend", found.vm.name)
    found.refused("paused", "virsh resume still", state="paused")
    found.virsh("resume", found.vm.name)
    shows(found.adopt(), result="ok", state="running")


def test_its_snapshots_would_be_lost(world):
    found = Found(world, "rich", exclusive=True)
    found.virsh("snapshot-create-as", found.vm.name, "before", "--disk-only", "--diskspec",
                f"vda,file={lab_settings.VOLUME_PATH}/rich/over.qcow2")
    found.refused("vda", "over.qcow2 (qcow2) there")
    found.virsh("blockcommit", found.vm.name, "vda", "--active", "--pivot")
    found.refused("snapshots", "virsh snapshot-list rich")
    found.virsh("snapshot-delete", found.vm.name, "before", "--metadata")
    shows(found.adopt(), result="ok", state="running")


def test_a_job_runs_on_a_disk(world):
    found = Found(world, "busy", exclusive=True)
    found.virsh("blockcopy", found.vm.name, "vda", f"{lab_settings.VOLUME_PATH}/busy/copy.raw", "--format", "raw",
                "--transient-job", "--wait")
    found.refused("job", "vda", "virsh blockjob busy vda")
    found.virsh("blockjob", found.vm.name, "vda", "--abort")
    shows(found.adopt(), result="ok", state="running")


def test_nothing_is_adopted_for_a_reader_that_is_gone(world):
    found = Found(world, "lonely")
    read, write = os.pipe()
    os.close(read)
    adopt = Agent(world.lab, "n1", "vm", "adopt", found.vm.xml, stdout=write, name=found.vm.name, uuid=found.vm.uuid, generation=7)
    os.close(write)
    adopt.wait()
    assert found.is_untouched() and any("clusterd has ended" in line for line in adopt.errors), adopt.errors
