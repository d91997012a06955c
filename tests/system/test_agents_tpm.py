# SPDX-License-Identifier: GPL-2.0-or-later
"""A VM with a TPM or UEFI variables, by the agent vm: they are on the volume, are made once, and are used by one copy at a time."""

import hashlib
import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

# pylint: disable=wrong-import-position,unused-import
from agents_world import NODES, shows, wait_ticks, wait_until, clean_world, needs_root, shared_world  # noqa: E402,F401
from labkit import console  # noqa: E402

pytestmark = needs_root

STATE = "tpm2-00.permall"


class WithTpm:
    """A guest with a TPM, and what there is of it."""

    def __init__(self, world, name):
        self.world, self.lab = world, world.lab
        os.makedirs(self.lab.volume_path(".clusterd"), exist_ok=True)  # as clusterd has it on each volume
        self.vm = world.guest(name, tpm=True)

    @property
    def state(self):
        return self.lab.volume_path(self.vm.name, "tpm", STATE)

    @property
    def record(self):
        return self.lab.volume_path(".clusterd", f"kept.{self.vm.uuid}.tpm")

    def content(self):
        with open(self.state, "rb") as file:
            return hashlib.sha256(file.read()).hexdigest()

    def certificates(self):
        """The size of the state says whether it has been manufactured: an empty TPM has a quarter of that."""
        return os.path.getsize(self.state) > 4000

    def swtpms(self, node):
        return self.lab.run(node, ["pgrep", "-f", f"swtpm socket .*clusterd-tpm/{self.vm.name}.pid"]).stdout.split()

    def remove(self):
        for path in (self.record,):
            if os.path.exists(path):
                os.unlink(path)


@pytest.fixture(name="tpm")
def fixture_tpm(world, request):
    tpm = WithTpm(world, "t" + request.node.name.removeprefix("test_").replace("_", "-")[:36])
    yield tpm
    world.clean()
    for node in NODES:
        wait_until(lambda node=node: not tpm.swtpms(node))
    tpm.remove()


def test_the_same_tpm_after_a_failover(world, tpm):
    vm = tpm.vm
    vm.start("n1", generation=1)
    wait_ticks(vm)
    assert tpm.certificates() and os.path.exists(tpm.record) and len(tpm.swtpms("n1")) == 1
    assert "type='external'" in world.lab.check("n1", ["virsh", "dumpxml", vm.name])
    before = tpm.content()
    shows(vm.do("n1", "destroy"), result="ok", state="off")
    wait_until(lambda: not tpm.swtpms("n1"))
    vm.start("n2", generation=2)
    wait_ticks(vm)
    assert tpm.certificates() and len(tpm.swtpms("n2")) == 1
    # The kernel of the guest may write to its TPM; its keys and certificates are most of the state.
    print("state changed" if tpm.content() != before else "state is the same")
    world.kill_qemu("n2", vm.name)
    wait_until(lambda: not tpm.swtpms("n2"))
    vm.start("n1", generation=3)
    assert tpm.certificates()


def test_quick_move(world, tpm):
    vm = tpm.vm
    vm.start("n1", generation=1)
    wait_ticks(vm)
    said = shows(vm.begin_move("n1", "n2", generation=2).end(), result="failed", state="running")
    assert "TPM" in said["reason"] and "--quick" in said["reason"]
    shows(vm.do("n1", "save", state_file=vm.state_file, generation=1), result="ok", state="off")
    wait_until(lambda: not tpm.swtpms("n1"))
    shows(vm.do("n2", "restore", state_file=vm.state_file, generation=2), result="ok", state="running")
    wait_ticks(vm)
    assert tpm.certificates() and len(tpm.swtpms("n2")) == 1
    said = console.read(world.lab, vm.name)
    assert said.boots == 1 and not said.trouble


def test_two_never_use_one_state(world, tpm):
    """What nobody orders: the same VM on both nodes. Its disk would let it."""
    vm = tpm.vm
    vm.start("n1", generation=1)
    wait_ticks(vm)
    final = shows(vm.do("n2", "start", generation=2), result="failed", state="off")
    print(final)
    wait_until(lambda: not tpm.swtpms("n2"))
    wait_ticks(vm)
    assert len(tpm.swtpms("n1")) == 1
    # The same order again is a VM that runs already.
    shows(vm.do("n1", "start", generation=1), result="ok", state="running")
    assert len(tpm.swtpms("n1")) == 1


def test_lost_state_is_not_made_anew(world, tpm):
    vm = tpm.vm
    vm.start("n1", generation=1)
    shows(vm.do("n1", "destroy"), result="ok")
    directory = os.path.dirname(tpm.state)
    os.rename(directory, directory + ".away")
    final = shows(vm.do("n2", "start", generation=2), result="failed", state="off")
    assert "lost" in final["reason"] and tpm.record.rpartition("/")[2] in final["reason"], final
    assert not os.path.exists(directory) and not tpm.swtpms("n2")
    os.rename(directory + ".away", directory)
    vm.start("n2", generation=3)


def test_an_swtpm_that_a_dead_agent_left(world, tpm):
    """It is not connected to anything, and would stay."""
    vm = tpm.vm
    vm.start("n1", generation=1)
    shows(vm.do("n1", "destroy"), result="ok")
    wait_until(lambda: not tpm.swtpms("n1"))
    run = f"/run/libvirt/clusterd-tpm/{vm.name}"
    world.lab.check("n1", ["swtpm", "socket", "--ctrl", f"type=unixio,path={run}.pid,mode=0600", "--tpmstate",
                           f"dir=/srv/csv1/{vm.name}/tpm,mode=0600", "--terminate", "--tpm2", "--pid", f"file={run}.swtpm", "--daemon"])
    left = tpm.swtpms("n1")
    assert len(left) == 1
    vm.start("n1", generation=2)
    assert len(tpm.swtpms("n1")) == 1 and tpm.swtpms("n1") != left


def test_a_tpm_that_libvirt_has_kept(world, tpm):
    """libvirt 9.0 does not know <source>: it keeps the state on the node. Such a VM is not taken over while it runs, and does not
    get another TPM without a word."""
    vm = tpm.vm
    world.lab.check("n1", ["virsh", "create", f"/srv/csv1/{vm.name}/{vm.name}.xml"])
    if "type='emulator'" in world.lab.check("n1", ["virsh", "dumpxml", vm.name]):
        final = shows(vm.do("n1", "claim"), result="failed", state="running")
        assert f"/var/lib/libvirt/swtpm/{vm.uuid}/tpm2" in final["reason"], final
    world.lab.check("n1", ["virsh", "destroy", vm.name])
    shows(vm.do("n1", "claim"), result="ok", state="off")
    kept = f"/var/lib/libvirt/swtpm/{vm.uuid}"
    world.lab.check("n1", ["sh", "-c", f"mkdir -p {kept}/tpm2 && touch {kept}/tpm2/{STATE}"])
    try:
        final = shows(vm.do("n1", "start", generation=1), result="failed", state="off")
        assert kept in final["reason"] and not os.path.exists(tpm.state), final
    finally:
        world.lab.check("n1", ["rm", "-r", kept])
    vm.start("n1", generation=2)


def test_it_does_not_leave_the_cluster_without_its_tpm(world, tpm):
    """libvirt would remove the state together with the definition that an export makes."""
    vm = tpm.vm
    final = world.agent("n1", "vm", "host-define", vm.xml, name=vm.name, uuid=vm.uuid).end()
    assert final["result"] == "failed" and "stay behind" in final["reason"], final
    assert vm.name not in world.lab.check("n1", ["virsh", "list", "--all", "--name"])


# -- UEFI variables --

FIRMWARE = "/usr/share/seabios/bios-256k.bin"  # is as good as UEFI for all that libvirt does with the variables


class WithVariables:
    """A guest with a firmware in flash, and variables that are made from a template."""

    def __init__(self, world, name):
        self.world = world
        os.makedirs(world.lab.volume_path(".clusterd"), exist_ok=True)
        self.vm = world.guest(name)
        self.path = world.lab.volume_path(name, "vars.fd")
        self.record = world.lab.volume_path(".clusterd", f"kept.{self.vm.uuid}.nvram")
        self.plain = self.vm.xml
        if os.path.exists(self.record):
            os.unlink(self.record)
        with open(world.lab.volume_path(name, "blank.fd"), "wb") as file:
            file.write(b"blank" + bytes((128 << 10) - 5))
        self.define()

    def define(self, loader=FIRMWARE, variables="format='raw'"):
        directory = f"/srv/csv1/{self.vm.name}"
        self.vm.xml = self.plain.replace("<kernel>", f"<loader readonly='yes' type='pflash'>{loader}</loader><nvram {variables} "
                                         f"template='{directory}/blank.fd'>{directory}/vars.fd</nvram><kernel>")

    def refused(self, node, *words, generation=9):
        final = shows(self.vm.do(node, "start", generation=generation), result="failed", state="off")
        assert all(word in final["reason"] for word in words), final
        return final


def test_variables_are_made_once(world):
    uefi = WithVariables(world, "uefi")
    uefi.vm.start("n1", generation=1)
    wait_ticks(uefi.vm)
    assert os.path.exists(uefi.path) and os.path.exists(uefi.record)
    shows(uefi.vm.do("n1", "destroy"), result="ok")
    os.rename(uefi.path, uefi.path + ".away")
    uefi.refused("n2", "UEFI variables is lost", f"kept.{uefi.vm.uuid}.nvram")
    assert not os.path.exists(uefi.path)
    os.rename(uefi.path + ".away", uefi.path)
    uefi.vm.start("n2", generation=2)
    # What an earlier order has started runs, whatever has become of its files.
    os.rename(uefi.path, uefi.path + ".away")
    shows(uefi.vm.do("n2", "start", generation=2), result="ok", state="running")
    os.rename(uefi.path + ".away", uefi.path)
    shows(uefi.vm.do("n2", "save", state_file=uefi.vm.state_file, generation=2), result="ok", state="off")
    os.rename(uefi.path, uefi.path + ".away")
    final = shows(uefi.vm.do("n1", "restore", state_file=uefi.vm.state_file, generation=3), result="failed", state="off")
    assert "is lost" in final["reason"]
    os.rename(uefi.path + ".away", uefi.path)
    shows(uefi.vm.do("n1", "restore", state_file=uefi.vm.state_file, generation=3), result="ok", state="running")


def test_firmware_that_a_node_lacks(world):
    uefi = WithVariables(world, "lacks")
    uefi.define(loader="/usr/share/OVMF/NO_SUCH_CODE.fd")
    assert uefi.refused("n1", "its firmware /usr/share/OVMF/NO_SUCH_CODE.fd", "install")["refused"] is True
    uefi.define(variables="format='qcow2'")
    uefi.refused("n1", "is raw here, and qcow2 in the definition")
    uefi.define()
    uefi.vm.start("n1", generation=1)
    wait_ticks(uefi.vm)
    world.lab.check("n2", ["mount", "-t", "tmpfs", "none", os.path.dirname(FIRMWARE)])
    try:
        # A live move finds that out before anything flows; a restore says it, and the state can be restored elsewhere.
        final = shows(uefi.vm.begin_move("n1", "n2", generation=2).end(), result="failed", state="running")
        assert FIRMWARE in final["reason"], final
        shows(uefi.vm.do("n1", "save", state_file=uefi.vm.state_file, generation=1), result="ok", state="off")
        final = shows(uefi.vm.do("n2", "restore", state_file=uefi.vm.state_file, generation=3), result="failed", state="off")
        assert final["refused"] is True and FIRMWARE in final["reason"], final
        shows(uefi.vm.do("n1", "restore", state_file=uefi.vm.state_file, generation=4), result="ok", state="running")
    finally:
        world.lab.check("n2", ["umount", os.path.dirname(FIRMWARE)])
    shows(uefi.vm.do("n1", "destroy"), result="ok")
    for path in uefi.path, uefi.record, world.lab.volume_path("lacks", "blank.fd"):
        os.unlink(path)
    uefi.refused("n1", "the template of its UEFI variables", "No such file")
    assert not os.path.exists(uefi.path) and not os.path.exists(uefi.record)
