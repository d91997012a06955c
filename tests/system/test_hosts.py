# SPDX-License-Identifier: GPL-2.0-or-later
"""clusterctl vm move --from --to: a VM moves between two hosts without a cluster, running and off, with its data or without."""

import os
import re
import subprocess
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

# pylint: disable=wrong-import-position
from agents_world import needs_root, wait_until  # noqa: E402
from hosts_world import DONE, FAILED, INTERRUPTED, NEW, OLD, OTHER, REFUSED, SHARED, USAGE, Hosts, uri  # noqa: E402
from support.marks import seldom  # noqa: E402

NAME = os.environ.get("CLUSTERD_HOSTS_LAB", "hoststest")
pytestmark = needs_root

HERE, THERE, NOWHERE = {"n1": "running", "n2": ""}, {"n1": "", "n2": "running"}, {"n1": "", "n2": ""}
HERE_OFF, THERE_OFF = {"n1": "shut off", "n2": ""}, {"n1": "", "n2": "shut off"}


@pytest.fixture(scope="module", name="module_hosts")
def two_hosts():
    hosts = Hosts(NAME)
    yield hosts
    hosts.down()


@pytest.fixture(name="hosts")
def clean_hosts(module_hosts):
    yield module_hosts
    module_hosts.clean("v")


def done(said):
    assert said.returncode == DONE, said
    return said


def refused(said, *words, code=REFUSED):
    """One line, which says why."""
    assert said.returncode == code, said
    assert len(said.stderr.splitlines()) == 1 and all(word in said.stderr for word in words), said
    return said


# -- off --

@pytest.mark.parametrize("forms", [seldom(()), ("qcow2", "raw")], ids=["one", "three"])
def test_off(hosts, forms):
    hosts.guest("v", *forms)
    hosts.sh("n1", "virsh destroy v && virsh autostart v")
    names = ["v.raw"] + [f"v-{i}.{form}" for i, form in enumerate(forms)]
    before = [hosts.content("n1", f"{OLD}/{name}", name.split(".")[1]) for name in names]
    said = done(hosts.move("v", "--storage", NEW))
    assert f"still on n1: {OLD}/v.raw" in said.stdout
    assert hosts.where("v") == THERE_OFF
    assert hosts.disks("n2", "v") == [f"{NEW}/{name}" for name in names]
    assert [hosts.content("n2", f"{NEW}/{name}", name.split(".")[1]) for name in names] == before
    for name in names:
        assert hosts.sh("n2", f"stat -c %s {NEW}/{name}") == hosts.sh("n1", f"stat -c %s {OLD}/{name}")
        used = [int(hosts.sh(*place).split()[0]) for place in (("n1", f"du -k {OLD}/{name}"), ("n2", f"du -k {NEW}/{name}"))]
        assert used[1] <= used[0] + 64, "what was a hole is one there, too"
    assert re.search(r"Autostart: +enable", hosts.sh("n2", "virsh dominfo v"))
    hosts.nothing_is_left("v")
    hosts.start("n2", "v")
    hosts.sound("v", boots=2)
    refused(hosts.move("v", "--storage", NEW), "it is not on n1; n2 has it")


def test_off_and_the_former_files_go(hosts):
    hosts.guest("v", "qcow2", started=False)
    done(hosts.move("v", "--storage", NEW, "--remove-source", node="n2"))
    assert hosts.where("v") == THERE_OFF and hosts.sh("n1", f"ls {OLD}") == ""
    hosts.nothing_is_left("v")


# -- running --

@pytest.mark.parametrize("forms", [seldom(()), ("qcow2", "raw")], ids=["one", "three"])
def test_running(hosts, forms):
    hosts.guest("v", *forms)
    names = [f"v-{i}.{form}" for i, form in enumerate(forms)]
    before = [hosts.content("n1", f"{OLD}/{name}", name.split(".")[1]) for name in names]
    said = done(hosts.move("v", "--storage", NEW))
    assert re.search(r"v: n1 -> n2, live, done in .*, blackout \d+ ms", said.stdout), said
    assert hosts.where("v") == THERE
    hosts.ticks("v")
    hosts.sound("v")
    assert hosts.disks("n2", "v") == [f"{NEW}/v.raw"] + [f"{NEW}/{name}" for name in names]
    assert [hosts.content("n2", f"{NEW}/{name}", name.split(".")[1]) for name in names] == before
    hosts.nothing_is_left("v")
    # And back, each disk to its own place, from a client on the other host. It is still the same life of the guest.
    places = [f"--disk=vda={OTHER}/a.raw"] + [f"--disk=vd{'bc'[i]}={NEW}/b{i}" for i in range(len(forms))]
    answer = hosts.json(done(hosts.move("v", *places, "--remove-source", "--json", source="n2", target="n1", node="n1")))
    assert answer["ok"] and answer["plan"]["how"] == "live" and answer["blackout_ms"] > 0, answer
    assert hosts.where("v") == HERE and hosts.sh("n2", f"ls {NEW}") == ""
    hosts.ticks("v")
    hosts.sound("v")
    hosts.nothing_is_left("v")
    # Its definition there is complete: the next start finds the same data.
    hosts.sh("n1", "virsh destroy v")
    hosts.start("n1", "v")
    hosts.sound("v", boots=2)


def test_running_without_a_definition(hosts):
    """A transient domain stays one."""
    hosts.guest("v")
    hosts.sh("n1", "virsh undefine v")
    done(hosts.move("v", "--storage", NEW))
    assert hosts.where("v") == THERE and re.search(r"Persistent: +no", hosts.sh("n2", "virsh dominfo v"))
    hosts.ticks("v")
    hosts.sound("v")


# -- only the VM --

def test_data_on_shared_storage(hosts):
    """Off, it is proven that both see the same; running, libvirt does not know this file system, and the administrator has to say
    so."""
    hosts.guest("v", directory=SHARED, shareable=True)
    refused(hosts.move("v"), "it keeps running on n1", "--shared", code=FAILED)
    done(hosts.move("v", "--shared"))
    assert hosts.where("v") == THERE and hosts.disks("n2", "v") == [f"{SHARED}/v.raw"]
    hosts.ticks("v")
    hosts.sound("v")
    hosts.sh("n2", "virsh destroy v")
    done(hosts.move("v", source="n2", target="n1"))
    assert hosts.where("v") == HERE_OFF and hosts.disks("n1", "v") == [f"{SHARED}/v.raw"]
    hosts.nothing_is_left("v")
    hosts.start("n1", "v")
    hosts.sound("v", boots=2)


def test_a_copy_is_not_the_same_file(hosts):
    hosts.guest("v", started=False)
    refused(hosts.move("v"), "v.raw is not on n2", "--storage")
    hosts.sh("n2", f"head -c $(({4 << 20})) /dev/zero >{OLD}/v.raw")
    refused(hosts.move("v"), "not known to be the same file", "--shared")
    assert hosts.where("v") == HERE_OFF
    hosts.nothing_is_left("v")


# -- refusals --

BRIDGE = "<interface type='bridge'><source bridge='br-away'/><model type='virtio'/></interface>"
REFUSALS = {
    "unknown VM": ("", ["w", "--storage", NEW], "w: cannot move from n1 to n2: it is on neither"),
    "unknown disk": ("", ["v", "--disk", f"vdx={NEW}/a"], "the VM has no disk vdx"),
    "target exists": (f"n2 touch {NEW}/v.raw", ["v", "--storage", NEW], f"{NEW}/v.raw is on n2 already"),
    "target is a directory": (f"n2 mkdir {NEW}/v.raw", ["v", "--storage", NEW], f"{NEW}/v.raw is on n2 already"),
    "no such directory": ("", ["v", "--storage", "/var/lib/away"], "/var/lib/away cannot be used on n2"),
    "no space": (f"n2 mount -t tmpfs -o size=1m tmpfs {OTHER}", ["v", "--storage", OTHER], "no space"),
    "name is taken": ("n2 echo \"<domain type='qemu'><name>v</name><memory>65536</memory><os><type>hvm</type></os></domain>\" "
                      "| virsh define /dev/stdin", ["v", "--storage", NEW], "n2 has another VM of that name"),
    "managed save": ("n1 virsh start v && virsh managedsave v", ["v", "--storage", NEW], "managed save"),
    "paused": ("n1 virsh start v && virsh suspend v", ["v", "--storage", NEW], "paused by an administrator"),
    "bandwidth": ("", ["v", "--storage", NEW, "--bandwidth", "10"], "it is off"),
    "snapshot": ("n1 virsh snapshot-create-as v --name s --disk-only", ["v", "--storage", NEW], "it has snapshots (1)"),
}


@pytest.mark.parametrize("what", REFUSALS)
def test_refused(hosts, what):
    before, words, reason = REFUSALS[what]
    hosts.guest("v", started=False)
    if before:
        node, command = before.split(" ", 1)
        hosts.sh(node, command)
    try:
        refused(hosts.move(*words), reason)
        assert hosts.state("n1", "v") in ("shut off", "paused")
        assert hosts.sh("n2", f"find {NEW} {OTHER} -size +0 -type f") == "", "nothing was made there"
    finally:
        hosts.lab.run("n2", ["umount", OTHER])


def test_refused_by_what_the_target_lacks(hosts):
    hosts.guest("v", started=False, more=BRIDGE)
    refused(hosts.move("v", "--storage", NEW), "the target has no bridge br-away")
    hosts.sh("n2", "ip link add br-away type bridge")
    done(hosts.move("v", "--storage", NEW))
    hosts.sh("n2", "ip link del br-away")


def test_refused_uris(hosts):
    hosts.guest("v", "qcow2", started=False, shareable=True)
    words = ("v", "--storage", NEW)
    refused(hosts.begin(*words, "--from", "qemu:///system", "--to", "qemu+tls://n9/system").end(), "cannot reach libvirt", "n9")
    refused(hosts.begin(*words, "--from", "nonsense", "--to", uri("n2")).end(), "cannot reach libvirt at nonsense")
    refused(hosts.begin(*words, "--from", "qemu:///system", "--to", uri("n1")).end(), "lead to the same host")
    refused(hosts.begin(*words, "--from", uri("n1"), "--to", "qemu:///system", node="n2").end(), "names no host")
    refused(hosts.move(*words), "vda is shareable")
    for wrong in (["--from", "qemu:///system"], ["--from", "a", "--to", "b", "--quick"], ["--shared", "--to", "n2"],
                  ["--from", "a", "--to", "b", "--storage", "csv1"], ["--from", "a", "--to", "b", "--disk", "vda"]):
        assert hosts.begin("v", *wrong).end().returncode == USAGE
    assert hosts.where("v") == HERE_OFF


def test_dry_run(hosts):
    hosts.guest("v", "qcow2")
    said = done(hosts.move("v", "--storage", NEW, "--dry-run"))
    assert f"{OLD}/v.raw -> {NEW}/v.raw" in said.stdout and "v would move from n1 to n2, live" in said.stdout
    answer = hosts.json(done(hosts.move("v", "--storage", NEW, "--dry-run", "--json")))
    assert [file["to"] for file in answer["plan"]["files"]] == [f"{NEW}/v.raw", f"{NEW}/v-0.qcow2"]
    assert hosts.where("v") == HERE and hosts.sh("n2", f"ls {NEW}") == ""
    hosts.nothing_is_left("v")


def test_inspect(hosts):
    hosts.guest("v", "qcow2", started=False, shareable=True, more=BRIDGE)
    done(hosts.inspect(uri("n1")))
    host = hosts.json(done(hosts.inspect(uri("n1"), "--to", uri("n2"), "--json")))["host"]
    (vm,) = host["vms"]
    assert (host["name"], vm["name"], vm["state"], vm["persistent"]) == ("n1", "v", "off", True)
    assert {disk["disk"]: (disk["path"], disk["bytes"]) for disk in vm["disks"]} == {
        "vda": (f"{OLD}/v.raw", 4 << 20), "vdb": (f"{OLD}/v-0.qcow2", 40 << 20)}
    assert vm["to_host"] == ["the target has no bridge br-away; make it there first"]
    assert any("lo" in name for name in host["interfaces"]) and host["memory_mb"] > host["memory_free_mb"] > 0
    text = done(hosts.inspect("qemu:///system", "--to", uri("n2"))).stdout
    assert "v cannot move to qemu+tls://n2/system: the target has no bridge br-away" in text
    refused(hosts.inspect("qemu+tls://n9/system"), "cannot reach libvirt")
    hosts.nothing_is_left("v")


# -- broken off --

def large(hosts, started, megabytes=160):
    """A guest with so much data that its move is met on its way."""
    hosts.guest("v", started=False, more=f"<disk type='file' device='disk'><driver name='qemu' type='raw'/>"
                                         f"<source file='{OLD}/large.raw'/><target dev='vdb' bus='virtio'/></disk>")
    hosts.sh("n1", f"head -c {megabytes}M /dev/urandom >{OLD}/large.raw")
    if started:
        hosts.start("n1", "v")


def on_its_way(hosts):
    """The large file is being filled."""
    path = f"{NEW}/large.raw"
    wait_until(lambda: hosts.exists("n2", path) and int(hosts.sh("n2", f"du -k {path}").split()[0]) > 1024, 60)


def begin(hosts, *words):
    return hosts.begin("v", "--from", "qemu:///system", "--to", uri("n2"), "--storage", NEW, *words)


def test_the_disks_share_the_bandwidth(hosts):
    """By itself, libvirt grants all of it to each disk."""
    large(hosts, True, megabytes=24)
    command = begin(hosts, "--bandwidth", "84")
    on_its_way(hosts)
    assert f"limit: {5 << 20} bytes/s" in hosts.sh("n1", "virsh blockjob v vdb --info --bytes")
    # The memory, which comes next and takes 3 s, has it for itself.
    wait_until(lambda: hosts.sh("n1", "virsh migrate-getspeed v").strip() == "10", 60)
    done(command.end())
    hosts.sound("v")


@pytest.mark.parametrize("started", [False, True], ids=["off", "running"])
def test_interrupted(hosts, started):
    large(hosts, started)
    # Or all has arrived before the signal does: 160 MB take 8 s at their share of this.
    command = begin(hosts, *(["--bandwidth", "336"] if started else []))
    on_its_way(hosts)
    command.interrupt()
    refused(command.end(), "was cancelled", "on n1", code=INTERRUPTED)
    assert hosts.where("v") == (HERE if started else HERE_OFF)
    assert hosts.sh("n2", f"ls {NEW}") == ""
    hosts.nothing_is_left("v")
    if started:
        hosts.ticks("v")
        hosts.sound("v")


@pytest.mark.parametrize("late_ms", [0, seldom(10), 20, seldom(30)])
def test_interrupted_in_the_switchover(hosts, late_ms):
    """The guest stands still, and its QEMU is giving the disks away. QEMU 7.2 may end if its migration is aborted in there: the
    guest was off on both sides, every fourth time."""
    hosts.guest("v")
    command = begin(hosts)
    hosts.sh("n1", f"virsh event v lifecycle --timeout 60 && sleep 0.0{late_ms}; kill -INT {command.pid} || :")
    said = command.end()
    assert said.returncode in (DONE, INTERRUPTED), said
    assert hosts.where("v") == (THERE if said.returncode == DONE else HERE)
    hosts.nothing_is_left("v")
    hosts.ticks("v")
    hosts.sound("v")


@pytest.mark.parametrize("late_ms", [0, seldom(5), 10, seldom(20), 40])
def test_interrupted_before_the_switchover(hosts, late_ms):
    """The first pass over the guest's memory has ended. QEMU 7.2 waits for ever, with the guest standing still, if its migration is
    aborted just when it begins to switch over."""
    hosts.guest("v")
    command = begin(hosts)
    follow = "stdbuf -oL virsh event v --event migration-iteration --loop --timeout 60"
    strike = f"sleep 0.{late_ms:03}; kill -INT {command.pid}; pkill -P $$ virsh"
    hosts.sh("n1", f"{follow} | while read -r line; do case $line in *\"'2'\"*) {strike};; esac; done")
    said = command.end()
    assert said.returncode in (DONE, INTERRUPTED), said
    assert hosts.where("v") == (THERE if said.returncode == DONE else HERE)
    hosts.nothing_is_left("v")
    hosts.ticks("v")
    hosts.sound("v")


# Waits until the end of a file has been written, and writes over it.
SPOIL = """
import os, sys, time
path = sys.argv[1]
while not os.path.exists(path) or os.path.getsize(path) == 0:
    time.sleep(0.001)
file = os.open(path, os.O_RDWR)
at = os.fstat(file).st_size - 4096
while not any(os.pread(file, 4096, at)):
    time.sleep(0.001)
os.pwrite(file, b"spoiled", at)
"""


def test_a_copy_that_is_spoiled(hosts):
    """Its length is right: only reading it back tells."""
    large(hosts, False)
    with subprocess.Popen(hosts.lab.command("n2", ["python3", "-c", SPOIL, f"{NEW}/large.raw"])) as spoiler:
        said = begin(hosts).end()
        assert spoiler.wait(60) == 0
    refused(said, "large.raw: its copy, read back, differs from it", code=FAILED)
    assert hosts.where("v") == HERE_OFF
    assert hosts.sh("n2", f"ls {NEW}") == ""
    hosts.nothing_is_left("v")


@pytest.mark.parametrize("started", [False, True], ids=["off", "running"])
def test_only_the_client_dies(hosts, started):
    """The agent goes on; another one is refused meanwhile."""
    large(hosts, started)
    command = begin(hosts)
    on_its_way(hosts)
    agent = command.kill(with_agent=False)
    if hosts.exists("n1", f"/proc/{agent}"):
        refused(begin(hosts).end(), "an earlier move of it is still at work")
    wait_until(lambda: not hosts.exists("n1", f"/proc/{agent}"), 120)
    assert hosts.where("v") == (THERE if started else THERE_OFF)
    hosts.nothing_is_left("v")
    if started:
        hosts.ticks("v")
        hosts.sound("v")


def test_client_and_agent_die_off(hosts):
    """The same command removes what was made, and begins anew."""
    large(hosts, False)
    command = begin(hosts)
    on_its_way(hosts)
    command.kill()
    assert hosts.where("v") == HERE_OFF and hosts.exists("n2", f"{NEW}/large.raw")
    refused(begin(hosts, "--dry-run").end(), "an earlier move of it was interrupted")
    done(begin(hosts).end())
    assert hosts.where("v") == THERE_OFF
    assert hosts.content("n2", f"{NEW}/large.raw") == hosts.content("n1", f"{OLD}/large.raw")
    hosts.nothing_is_left("v")


def test_client_and_agent_die_running(hosts):
    """libvirt completes the migration, and the copy stands still: the same command has it resumed."""
    large(hosts, True)
    command = begin(hosts)
    on_its_way(hosts)
    command.kill()
    said = done(begin(hosts).end())
    assert "had moved from n1 to n2 already" in said.stdout
    assert hosts.where("v") == THERE
    hosts.ticks("v")
    hosts.sound("v")
    hosts.nothing_is_left("v")


# Of the libvirtd on n1: ends the connection of a process.
DISCONNECT = """for id in $(virt-admin client-list libvirtd | awk 'NR > 2 { print $1 }'); do
    ! virt-admin client-info libvirtd $id | grep -q "^unix_process_id *: *%d$" || virt-admin client-disconnect libvirtd $id
done"""


def test_its_connection_breaks(hosts):
    """libvirtd carries the migration on alone. Until it has ended, the target's files are in use."""
    large(hosts, True)
    command = begin(hosts)
    on_its_way(hosts)
    hosts.sh("n1", DISCONNECT % command.agent())
    refused(command.end(), "its migration goes on", "run the same command again", code=FAILED)
    done(hosts.move("v", "--storage", NEW))
    assert hosts.where("v") == THERE
    hosts.nothing_is_left("v")
    hosts.ticks("v")
    hosts.sound("v")


def test_source_libvirtd_dies(hosts):
    large(hosts, True)
    command = begin(hosts)
    on_its_way(hosts)
    hosts.sh("n1", "kill -KILL $(pidof libvirtd)")
    said = command.end()
    assert said.returncode == FAILED, said
    hosts.lab.wait_for_nodes(["n1"])
    done(begin(hosts).end())
    assert hosts.where("v") == THERE
    hosts.ticks("v")
    hosts.sound("v")
    hosts.nothing_is_left("v")


def test_target_has_no_room_left(hosts):
    """A disk that fills up on the way fails the move, not the guest."""
    large(hosts, True)
    hosts.sh("n2", f"mount -t tmpfs -o size=190m tmpfs {NEW}")
    try:
        command = begin(hosts)
        on_its_way(hosts)
        hosts.lab.run("n2", ["sh", "-c", f"head -c 190M /dev/zero >{NEW}/filler"])
        refused(command.end(), "it keeps running on n1", code=FAILED)
        assert hosts.where("v") == HERE and hosts.sh("n2", f"ls {NEW}").split() == ["filler"]
        hosts.ticks("v")
        hosts.sound("v")
    finally:
        hosts.lab.run("n2", ["umount", "-l", NEW])


# -- what an agent that died at the worst moment leaves --

def journal(hosts, role, node, name="v", **more):
    """Writes a journal as the agent does."""
    peer = re.search(r"<uuid>(.*)</uuid>", hosts.sh("n2" if node == "n1" else "n1", "virsh capabilities")).group(1)
    attributes = {"role": role, "peer": peer, "persistent": "yes", "autostart": "no", "remove": "no", "run": "7", **more}
    text = "<move " + " ".join(f'{key}="{value}"' for key, value in attributes.items()) + "/>"
    hosts.sh(node, f"virsh metadata {name} --config --uri https://clusterd.org/xmlns/move/1 --key clusterdmove --set '{text}'")


def arrive_disarmed(hosts):
    """The definition is on n2, and cannot be started there."""
    xml = hosts.definition("n1", "v").replace(f"{OLD}/v.raw", f"{NEW}/v.raw.clusterd-moving")
    with open(hosts.lab.volume_path("v.xml"), "w", encoding="utf-8") as file:
        file.write(xml)
    hosts.sh("n2", "virsh define /srv/csv1/v.xml")
    journal(hosts, "arrives", "n2")


def test_died_before_the_source_left(hosts):
    """The source is the VM; the definition that cannot be started is removed."""
    hosts.guest("v", started=False)
    arrive_disarmed(hosts)
    assert hosts.lab.run("n2", ["virsh", "start", "v"]).returncode != 0, "only one host can start it"
    done(hosts.move("v", "--storage", NEW))
    assert hosts.where("v") == THERE_OFF
    hosts.nothing_is_left("v")


def test_died_after_the_source_left(hosts):
    hosts.guest("v", started=False)
    arrive_disarmed(hosts)
    hosts.sh("n1", "virsh undefine v")
    hosts.sh("n2", f"head -c {4 << 20} /dev/zero >{NEW}/v.raw")
    said = done(hosts.move("v", "--storage", NEW))
    assert "had moved from n1 to n2 already" in said.stdout
    assert hosts.where("v") == THERE_OFF and hosts.disks("n2", "v") == [f"{NEW}/v.raw"]
    hosts.start("n2", "v")
    hosts.sound("v")


def test_arrived_but_nobody_knows(hosts):
    """A transient source is gone: the copy that stands still may be older than its disk, and is not resumed."""
    hosts.guest("v", node="n2", directory=NEW)
    journal(hosts, "arrives", "n2", persistent="no")
    hosts.sh("n2", "virsh suspend v")
    refused(hosts.move("v", "--storage", NEW), "nobody can tell", "virsh resume v", code=FAILED)
    assert hosts.where("v") == {"n1": "", "n2": "paused"}
    journal(hosts, "arrives", "n2")
    done(hosts.move("v", "--storage", NEW))
    assert hosts.where("v") == THERE
    hosts.nothing_is_left("v")


def test_both_have_it(hosts):
    """Off on the source, and a copy that stands still on the target: a person decides."""
    hosts.guest("v", node="n2", directory=NEW)
    journal(hosts, "arrives", "n2")
    hosts.sh("n2", "virsh suspend v")
    hosts.guest("v", started=False)
    refused(hosts.move("v", "--storage", NEW), "nobody can tell", code=FAILED)
    assert hosts.where("v") == {"n1": "shut off", "n2": "paused"}
    hosts.sh("n2", "virsh resume v")
    done(hosts.move("v", "--storage", NEW))
    assert hosts.where("v") == THERE
    hosts.nothing_is_left("v")


def test_moved_to_a_third_meanwhile(hosts):
    """What another pair of hosts has left is not touched."""
    hosts.guest("v", started=False)
    journal(hosts, "leaves", "n1", peer="00000000-0000-4000-8000-000000000001")
    hosts.sh("n1", "virsh metadata v --config --uri https://clusterd.org/xmlns/move/1 --key clusterdmove --set "
                   "'<move role=\"leaves\" peer=\"00000000-0000-4000-8000-000000000001\"><file path=\"/a/b\"/></move>'")
    refused(hosts.move("v", "--storage", NEW), "an earlier move to another host was interrupted")
    assert hosts.where("v") == HERE_OFF
