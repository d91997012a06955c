# SPDX-License-Identifier: GPL-2.0-or-later
"""README, "A first cluster": what stands there is typed, on three machines that know nothing of clusterd, until a VM has
survived a power cut.

The commands are taken out of README.md. The sentence before a block says where they are typed: "On each node", "On n1"; where it
says neither, n1. A step that the README leaves out makes this test fail.
"""

import json
import os
import re
import shutil

import pytest

from support import machines

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
pytestmark = pytest.mark.timeout(900)
LOOK_AT_QUORUM = "corosync-quorumtool"  # the reader looks until it is there, and so do we, when all have restarted corosync


def blocks():
    """[(text before the block, [its lines])] of the section."""
    with open(os.path.join(ROOT, "README.md"), encoding="utf-8") as file:
        section = re.search(r"^## A first cluster\n(.*?)^## ", file.read(), re.DOTALL | re.MULTILINE)[1]
    found, text = [], ""
    for paragraph in section.split("\n\n"):
        if paragraph.startswith("    "):
            found.append((text, [line.strip() for line in paragraph.strip("\n").split("\n")]))
        else:
            text = paragraph
    return found


def where(text, world):
    last = text.rstrip().rsplit(". ", 1)[-1]
    return list(world.machines.values()) if "each node" in last else [world.machines["n1"]]


class Typist:
    def __init__(self, world):
        self.world = world
        self.n1 = world.machines["n1"]

    def type(self, machine, line, directory):
        print(f"{machine.name}:{directory}# {line}", flush=True)
        if line.startswith("scp "):
            self.copy(machine, line)
        elif not line.startswith(LOOK_AT_QUORUM):
            print(machine.sh(f"cd {directory} && {self.here(line)}", timeout=600).stdout, end="", flush=True)

    def copy(self, machine, line):
        *files, target = [word.replace("~", "/root") for word in line.split()[1:] if not word.startswith("-")]
        host, _, directory = target.partition(":")
        self.world.copy(machine, files, self.world.machines[host], directory)

    def here(self, line):
        """What has to be different on machines without KVM and with a BMC that is a program. Nothing else may be."""
        if line.startswith("clusterctl vm add web.xml"):
            return "sed -i \"s/type='kvm'/type='qemu'/\" web.xml && " + line
        if "fence-device add" in line:
            return line + " --param cipher=3"  # the only suite that ipmi_sim has
        return line


@pytest.fixture(name="world", scope="module")
def fixture_world():
    with machines.World() as world:
        yield world


def put_sources(machine):
    """The sources, where the README's reader has them."""
    not_sources = {os.path.join(ROOT, "build"), os.path.join(ROOT, ".git")}
    shutil.copytree(ROOT, machine.path("clusterd"), symlinks=True,
                    ignore=lambda directory, names: [name for name in names if os.path.join(directory, name) in not_sources])


def quorum_of(machine, nodes):
    with machine.follow("stdbuf", "-oL", "corosync-quorumtool", "-m") as lines:
        seen = []
        for line in lines:
            seen.append(line)
            if re.match(rf"Nodes: +{nodes}$", line):
                return
    raise AssertionError(f"{machine.name} does not see {nodes} nodes:\n{''.join(seen)}")


def until(machine, holds, what):
    """Reads the cluster's status, which comes anew whenever something happens."""
    status = None
    with machine.follow("clusterctl", "status", "--watch", "--json") as lines:
        for line in lines:
            status = json.loads(line)
            if holds(status):
                return status
    raise AssertionError(f"not seen on {machine.name}: {what}; last: {json.dumps(status)[:2000]}")


def vm(status, name="web"):
    return next((row for row in status["vms"] if row["name"] == name), {})


def states(status):
    return [node["state"] for node in status["nodes"]]


def check_confined(machine):
    """clusterd.service's restrictions hold on this machine: systemd leaves out what it cannot do, and says so only in its log."""
    pid = machine.sh("systemctl show --value -p MainPID clusterd").stdout.strip()
    status = dict(line.split(":\t", 1) for line in machine.sh(f"cat /proc/{pid}/status").stdout.splitlines())
    assert status["Seccomp"] == "2"
    bounds = machine.sh(f"capsh --decode={status['CapBnd']}").stdout
    assert "cap_sys_module" not in bounds and "cap_sys_time" not in bounds and "cap_kill" in bounds, bounds
    inside = f"nsenter --target={pid} --mount"
    assert machine.sh(f"{inside} touch /usr/probe", check=False).returncode != 0, "/usr can be written"
    assert machine.sh(f"{inside} touch /srv/probe && rm /srv/probe").returncode == 0
    # A volume that is mounted when clusterd runs already.
    machine.sh("mkdir -p /srv/later && mount -t tmpfs later /srv/later && touch /srv/later/file && "
               f"{inside} test -e /srv/later/file && umount /srv/later && {inside} test ! -e /srv/later/file && rmdir /srv/later")


def test_the_readme_leads_to_a_vm_that_survives_a_power_cut(world):
    typist, everybody = Typist(world), list(world.machines.values())
    n1 = world.machines["n1"]
    put_sources(n1)
    with open(n1.path("ipmi.secret"), "w", encoding="utf-8") as file:
        file.write(f"username={machines.USER}\npassword={machines.PASSWORD}\n")
    os.chmod(n1.path("ipmi.secret"), 0o600)

    for machine in everybody:
        # Their volume is a directory of this machine, bound into each, which no libvirt takes for shared: after a migration the
        # source's gives the disk back to root, before or after the target's QEMU has opened it to continue. On NFS it does not.
        machine.sh("printf '%s\\n' 'user = \"root\"' 'group = \"root\"' >>/etc/libvirt/qemu.conf")

    typed = 0
    for text, lines in blocks():
        if "--follow" in lines[0]:
            continue  # it does not end; what it shows is read below
        if lines[0].startswith("clusterctl status"):
            until(n1, lambda status: states(status) == ["online"] * 3, "three nodes online")
        for line in lines:
            for machine in where(text, world):
                typist.type(machine, line, "~/clusterd" if "in the sources" in text else "~")
                typed += 1
        if any(line.startswith(LOOK_AT_QUORUM) for line in lines):
            for machine in everybody:
                quorum_of(machine, 3)
    assert typed > 30

    status = until(n1, lambda status: vm(status).get("state") == "running", "web runs")
    assert status["problems"] == [], status["problems"]
    for machine in everybody:
        check_confined(machine)
    lost = world.machines[vm(status)["owner"]]
    left = [machine for machine in everybody if machine is not lost]

    lost.cut_power()
    status = until(left[0], lambda status: vm(status).get("state") == "running" and vm(status)["owner"] != lost.name, "web runs elsewhere")
    assert vm(status)["owner"] in [machine.name for machine in left]
    runs = {machine.name: machine.sh("virsh -q list --name").stdout.split() for machine in left}
    assert sorted(sum(runs.values(), [])) == ["web"] and runs[vm(status)["owner"]] == ["web"], runs
    events = left[0].sh("clusterctl event list").stdout
    assert re.search(rf"{lost.name}.*(fenced|off)", events), events

    lost.boot()
    until(left[0], lambda status: states(status) == ["online"] * 3, "the node has joined again")
    assert lost.sh("virsh -q list --name").stdout.split() == []
