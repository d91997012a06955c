# SPDX-License-Identifier: GPL-2.0-or-later
"""Guests: their disk and definition on the volume, and what their disk says afterwards. Consoles are read by console.py."""

import dataclasses
import os
import re
import struct
import uuid
import zlib

from . import build, errors, settings as lab_settings
from .lab import Lab

DISK_BYTES = 4 << 20
SECTOR = 512
RING_SECTORS = 64
CONTROL_SECTOR = 128
RECORD = struct.Struct("<QQQQQII")  # struct record of guest_init.c
RECORD_MAGIC = 0x31474E524241474C
WORDS = ("poweroff", "reboot", "panic", "hang")

# All that makes a guest boot faster without KVM. The panic time-out of 0 leaves a panic to the pvpanic device and libvirt.
CMDLINE = ("console=ttyS0 quiet panic=0 nokaslr mitigations=off no_timer_check tsc=reliable cryptomgr.notests apparmor=0 "
           "audit=0 noreplace-smp initcall_blacklist=init_kprobe_trace")


@dataclasses.dataclass
class Guest:
    """What a guest is to be."""

    name: str
    memory_mb: int = 96
    dirty_mbps: int = 0
    vcpus: int = 1
    exclusive: bool = False  # let virtlockd and QEMU's image locks guard the disk
    deaf: bool = False  # ignores the power button
    fill: str = ""  # fills most of its memory with this word
    tpm: bool = False  # with an emulated TPM, whose state is beside its disk
    bridge: str = ""  # with a network card at that bridge of its node; the lab makes no bridges

    def check(self):
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,40}", self.name):
            raise errors.LabError(f"bad guest name '{self.name}': letters, digits, '.', '_' and '-'")
        if not 80 <= self.memory_mb <= 4096:
            raise errors.LabError(f"a guest's memory is 80 to 4096 MB, not {self.memory_mb}")

    @property
    def uuid(self):
        return uuid.uuid5(uuid.NAMESPACE_DNS, f"{self.name}.guest.lab.clusterd.org")


def definition(guest):
    """The domain's XML.

    shareable: QEMU's image locks and virtlockd hold across the lab's nodes, as they share a kernel. They would hide a double
    start, so a guest's disk takes no part in them unless it is asked for (exclusive).
    cpu: one model that every host can emulate. No memory balloon, USB, video: each costs boot time.
    """
    dirty_mb = max(8, (guest.memory_mb - 72) * 3 // 4)
    cmdline = CMDLINE + f" lab.name={guest.name}"
    if guest.dirty_mbps:
        cmdline += f" lab.dirty={guest.dirty_mbps} lab.dirty_mb={dirty_mb}"
    if guest.fill:
        cmdline += f" lab.fill={guest.fill} lab.dirty_mb={dirty_mb}"
    if guest.deaf:
        cmdline += " lab.deaf"
    volume = lab_settings.VOLUME_PATH
    return f"""<domain type='qemu' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
  <name>{guest.name}</name>
  <uuid>{guest.uuid}</uuid>
  <memory unit='MiB'>{guest.memory_mb}</memory>
  <vcpu>{guest.vcpus}</vcpu>
  <os>
    <type arch='x86_64' machine='pc'>hvm</type>
    <kernel>{build.GUEST_KERNEL}</kernel>
    <initrd>{build.GUEST_INITRAMFS}</initrd>
    <cmdline>{cmdline}</cmdline>
  </os>
  <features><acpi/><apic/></features>
  <cpu mode='custom' match='exact' check='none'><model fallback='forbid'>qemu64</model></cpu>
  <on_poweroff>destroy</on_poweroff>
  <on_reboot>restart</on_reboot>
  <on_crash>destroy</on_crash>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <disk type='file' device='disk'>
      <driver name='qemu' type='raw' cache='none'/>
      <source file='{volume}/{guest.name}/disk.raw'/>
      <target dev='vda' bus='virtio'/>{'' if guest.exclusive else '''
      <shareable/>'''}
    </disk>
    <controller type='usb' model='none'/>
    <serial type='file'>
      <source path='{volume}/console/{guest.name}.log' append='on'/>
      <target port='0'/>
    </serial>
{_tpm(guest) if guest.tpm else ''}{_card(guest) if guest.bridge else ''}    <memballoon model='none'/>
    <panic model='isa'/>
  </devices>
{_sound_memory(guest)}</domain>
"""


def _tpm(guest):
    """tpm-tis: with tpm-crb the guest of QEMU 7.2 without KVM does not boot."""
    return f"""    <tpm model='tpm-tis'>
      <backend type='emulator' version='2.0'>
        <source type='dir' path='{lab_settings.VOLUME_PATH}/{guest.name}/tpm'/>
      </backend>
    </tpm>
"""


def _card(guest):
    return f"""    <interface type='bridge'>
      <mac address='52:54:00:1a:b0:01'/>
      <source bridge='{guest.bridge}'/>
      <model type='virtio'/>
    </interface>
"""


def _sound_memory(guest):
    """QEMU before 9.0, without KVM, loses what a guest writes while it is migrated in several rounds, and the guest panics on
    the target: where its memory is a multiple of 64 pages, QEMU forgets to watch pages again that it has sent. 64 KiB more, which
    libvirt would round, take the path that does not forget."""
    arguments = ["-object", f"memory-backend-ram,id=lab.ram,size={(guest.memory_mb << 20) + (64 << 10)}",
                 "-machine", "memory-backend=lab.ram", "-m", f"{(guest.memory_mb << 10) + 64}K"]
    lines = "".join(f"    <qemu:arg value='{argument}'/>\n" for argument in arguments)
    return f"  <qemu:commandline>\n{lines}  </qemu:commandline>\n"


def write(lab, guest):
    """Puts disk and definition on the volume; returns the XML's path as the nodes see it."""
    guest.check()
    directory = lab.volume_path(guest.name)
    try:
        os.mkdir(directory)
    except FileExistsError:
        raise errors.LabError(f"there is a guest '{guest.name}' already ({directory})") from None
    # Written, not sparse: a flush then is one write, with no journal commit of the file system below.
    with open(os.path.join(directory, "disk.raw"), "wb") as file:
        file.write(bytes(DISK_BYTES))
    with open(os.path.join(directory, f"{guest.name}.xml"), "w", encoding="utf-8") as file:
        file.write(definition(guest))
    return f"{lab_settings.VOLUME_PATH}/{guest.name}/{guest.name}.xml"


def add(lab, guest, register=True, options=()):
    """Writes a guest and gives it to the cluster, which starts it."""
    path = write(lab, guest)
    if register:
        lab.check(any_node(lab), ["clusterctl", "vm", "add", path, "--start", *options])
    return path


def any_node(lab):
    for node, state in lab.describe().items():
        if state["power"] == "on" and not state["frozen"] and state["network"] == "up":
            return node
    raise errors.LabError("no node of the lab is powered on and connected")


def tell(lab, name, word):
    """Puts a word into the guest's letter box: what a user inside it would do."""
    if word not in WORDS:
        raise errors.LabError(f"a guest does not know '{word}'; it knows {', '.join(WORDS)}")
    with open(_disk(lab, name), "r+b") as file:
        file.seek(CONTROL_SECTOR * SECTOR)
        file.write(word.encode().ljust(SECTOR, b"\0"))


def _disk(lab, name):
    path = lab.volume_path(name, "disk.raw")
    if not os.path.exists(path):
        raise errors.LabError(f"lab '{lab.settings.name}' has no guest '{name}'")
    return path


@dataclasses.dataclass
class DiskState:
    """What the ring on a guest's disk says."""

    sequence: int  # the highest written
    boots: int
    writers: dict  # nonce -> (lowest, highest sequence still in the ring)


def read_disk(lab, name, path=None):
    """Of the guest's disk, or of a copy of it."""
    with open(path or _disk(lab, name), "rb") as file:
        data = file.read(RING_SECTORS * SECTOR)
    sequence = boots = 0
    writers = {}
    for at in range(0, len(data), SECTOR):
        magic, nonce, boot, seq, _, _, crc = RECORD.unpack_from(data, at)
        if magic != RECORD_MAGIC or zlib.crc32(data[at:at + RECORD.size - 4]) != crc:
            continue
        sequence, boots = max(sequence, seq), max(boots, boot)
        low, high = writers.get(nonce, (seq, seq))
        writers[nonce] = (min(low, seq), max(high, seq))
    return DiskState(sequence, boots, writers)


# -- the command line --

def add_verbs(verbs, make_verb):
    guest = verbs.add_parser("guest", help="guests: add, tell, show", description="guests of the lab")
    actions = guest.add_subparsers(required=True, metavar="ACTION")
    new = make_verb(actions, "add", _run_add, "make a guest and let the cluster start it")
    new.add_argument("name")
    new.add_argument("--memory", type=int, default=96, metavar="MB", help="memory (default 96)")
    new.add_argument("--dirty", type=int, default=0, metavar="MB/s", help="dirty memory at this rate")
    new.add_argument("--exclusive", action="store_true", help="let image locks guard the disk (default: shareable)")
    new.add_argument("--deaf", action="store_true", help="it ignores the power button")
    new.add_argument("--no-register", action="store_true", help="only write disk and XML; print the XML's path")
    told = make_verb(actions, "tell", _run_tell, "make it do from inside: " + ", ".join(WORDS))
    told.add_argument("name")
    told.add_argument("word")
    shown = make_verb(actions, "show", _run_show, "what its console and its disk say")
    shown.add_argument("name", nargs="*")


def _run_add(options):
    guest = Guest(options.name, options.memory, options.dirty, exclusive=options.exclusive, deaf=options.deaf)
    path = add(Lab.open(options.lab), guest, not options.no_register)
    if options.no_register:
        print(path)


def _run_tell(options):
    tell(Lab.open(options.lab), options.name, options.word)


def _run_show(options):
    from . import console  # pylint: disable=import-outside-toplevel
    lab = Lab.open(options.lab)
    for name in options.name or console.names(lab):
        said, disk = console.read(lab, name), read_disk(lab, name)
        print(f"{name}: {said.ticks} ticks, {said.boots} boots, acknowledged {said.acknowledged}, on disk {disk.sequence}, "
              f"{len(said.foreign)} foreign writes, {len(said.trouble)} other troubles")
