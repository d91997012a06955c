# SPDX-License-Identifier: GPL-2.0-or-later
"""What the tests of moves between hosts stand on: two libvirt hosts in no cluster, without clusterd, and guests with disks of
their own on one of them."""

import json
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

# pylint: disable=wrong-import-position
from agents_world import AGENTS, wait_until  # noqa: E402
from labkit import build, console, guests, inside, settings as lab_settings  # noqa: E402
from labkit.lab import Lab  # noqa: E402

CLUSTERCTL = os.path.join(AGENTS, "..", "cli", "clusterctl")
DONE, FAILED, USAGE, REFUSED, INTERRUPTED = 0, 1, 2, 3, 130
# Directories of their own on both hosts.
OLD, NEW, OTHER = "/var/lib/old", "/var/lib/new", "/var/lib/other"
SHARED = f"{lab_settings.VOLUME_PATH}/both"
SIZES = {"raw": 12 << 20, "qcow2": 40 << 20}


def uri(node):
    return f"qemu+tls://{node}/system"


class Command:
    """A clusterctl in a node, which can be interrupted and killed."""

    def __init__(self, hosts, node, *words):
        command = ["sh", "-c", 'echo "pid $$" >&2; exec "$@"', "sh", CLUSTERCTL, *words]
        self.hosts, self.node = hosts, node
        self.process = subprocess.Popen(
            hosts.lab.command(node, ["env", f"CLUSTERD_AGENT_DIR={AGENTS}", *command]), stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=inside.environment(),
            preexec_fn=hosts.lab.group(node).enter)
        self.pid = int(self.process.stderr.readline().split()[1])

    def end(self, timeout_s=120):
        out, err = self.process.communicate(timeout=timeout_s)
        return subprocess.CompletedProcess([], self.process.returncode, out, err)

    def interrupt(self):
        self.hosts.sh(self.node, f"kill -INT {self.pid}")

    def agent(self):
        """The process that does the work."""
        return int(self.hosts.sh(self.node, f"pgrep -P {self.pid}"))

    def kill(self, with_agent=True):
        agent = self.agent()
        self.hosts.sh(self.node, f"kill -KILL {self.pid} {agent if with_agent else ''}")
        self.end()
        return agent


class Hosts:
    """The two hosts."""

    def __init__(self, name):
        build.install_packages(["build", "run"])
        if not os.path.exists(os.path.join(AGENTS, "vm")):
            build.compile_release()
        Lab.down(name)
        self.lab = Lab.up(lab_settings.Settings(name=name, nodes=2, clusterd=False))
        for node in ("n1", "n2"):
            self.sh(node, f"mkdir -p {OLD} {NEW} {OTHER} {SHARED}")

    def sh(self, node, command):
        return self.lab.check(node, ["sh", "-c", command])

    def begin(self, *words, node="n1"):
        return Command(self, node, "vm", "move", *words)

    def inspect(self, *words):
        return Command(self, "n1", "host", "inspect", *words).end()

    def move(self, name, *words, source="n1", target="n2", node=None):
        """From one host to the other; the client is on the source unless another is named."""
        return self.begin(name, "--from", "qemu:///system" if node in (None, source) else uri(source), "--to", uri(target), *words,
                          node=node or source).end()

    def guest(self, name, *disks, node="n1", directory=OLD, started=True, shareable=False, more=""):
        """Defines a guest whose own disk and further ones, of these formats, lie in a directory of one host."""
        log = self.lab.volume_path("console", f"{name}.log")
        if os.path.exists(log):
            os.unlink(log)
        guest = guests.Guest(name, exclusive=not shareable)
        xml = guests.definition(guest).replace(f"{lab_settings.VOLUME_PATH}/{name}/disk.raw", f"{directory}/{name}.raw")
        self.sh(node, f"head -c {guests.DISK_BYTES} /dev/zero >{directory}/{name}.raw")
        for i, form in enumerate(disks):
            path = f"{directory}/{name}-{i}.{form}"
            # Half of it is a hole; what is written differs from disk to disk.
            self.sh(node, f"qemu-img create -q -f {form} {path} {SIZES[form]} && "
                          f"qemu-io -f {form} -c 'write -q -P {65 + i} 1M 3M' -c 'write -q -P {97 + i} 9M 64k' {path}")
            more += (f"<disk type='file' device='disk'><driver name='qemu' type='{form}'/><source file='{path}'/>"
                     f"<target dev='vd{'bcdef'[i]}' bus='virtio'/></disk>")
        xml = xml.replace("<controller type='usb'", f"{more}<controller type='usb'")
        self.lab.check(node, ["virsh", "define", "/dev/stdin"], input=xml)
        if started:
            self.start(node, name)

    def start(self, node, name):
        self.sh(node, f"virsh start {name}")
        self.ticks(name)

    def ticks(self, name, count=3):
        """Until the guest has counted further."""
        aim = console.read(self.lab, name).ticks + count
        wait_until(lambda: console.read(self.lab, name).ticks >= aim, 90)

    def sound(self, name, boots=1):
        """It has lost nothing, and nobody else wrote to its disk."""
        said = console.read(self.lab, name)
        assert (said.boots, said.foreign, said.trouble, said.lost) == (boots, [], [], []), said

    def state(self, node, name):
        """As virsh says; "" if the host does not have it."""
        return self.lab.run(node, ["virsh", "domstate", name]).stdout.strip()

    def where(self, name):
        return {node: self.state(node, name) for node in ("n1", "n2")}

    def content(self, node, path, form="raw"):
        """A hash of what a guest would read."""
        self.sh(node, f"qemu-img convert -U -f {form} -O raw {path} /tmp/content.{node}")
        return self.sh(node, f"sha256sum </tmp/content.{node}; rm /tmp/content.{node}")

    def exists(self, node, path):
        return self.lab.run(node, ["test", "-e", path]).returncode == 0

    def definition(self, node, name):
        return self.sh(node, f"virsh dumpxml --inactive {name}")

    def disks(self, node, name):
        return re.findall(r"<source file='([^']*)'", self.definition(node, name))

    def nothing_is_left(self, name):
        """No pool, no journal, no probe; on the host that has it, all its disks can be found."""
        for node in ("n1", "n2"):
            assert self.sh(node, "virsh pool-list --all --name").split() == []
            assert self.sh(node, f"find {OLD} {NEW} {OTHER} {SHARED} -name '.clusterd*'") == ""
            if self.state(node, name):
                assert "clusterdmove" not in self.sh(node, f"virsh dumpxml {name}") + self.definition(node, name)
                for path in self.disks(node, name):
                    assert self.exists(node, path), path

    def clean(self, *names):
        for node in ("n1", "n2"):
            for name in names:
                self.lab.run(node, ["sh", "-c", f"virsh destroy {name}; virsh undefine --snapshots-metadata --managed-save {name}"])
            self.sh(node, f"rm -rf {OLD}/* {NEW}/* {OTHER}/* {SHARED}/*")

    def json(self, done):
        return json.loads(done.stdout)

    def down(self):
        Lab.down(self.lab.settings.name)
