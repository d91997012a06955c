# SPDX-License-Identifier: GPL-2.0-or-later
"""The lab itself, without clusterd: what the other system tests rely on must be true before they mean anything."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time

import pytest

LAB_DIR = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "examples", "lab")
sys.path.insert(0, LAB_DIR)

# pylint: disable=wrong-import-position
from labkit import build, cgroup, console, errors, guests, kernel, settings as lab_settings  # noqa: E402
from labkit.lab import Lab  # noqa: E402
from labkit.sampler import Sampler  # noqa: E402
from support import host  # noqa: E402
from support.terminal import Terminal  # noqa: E402

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="the lab needs root")

NAME = "labtest"


def settings(**more):
    return lab_settings.Settings(name=NAME, clusterd=False, **more)


@pytest.fixture(scope="module", name="shared")
def shared_lab():
    build.install_packages(["build", "run"])
    Lab.down(NAME)
    lab = Lab.up(settings(nodes=3))
    yield lab
    Lab.down(NAME)


@pytest.fixture(name="lab")
def healthy_lab(shared):
    """The same three nodes for all tests, whole again before each."""
    shared.heal()
    for node, state in shared.describe().items():
        if state["power"] == "off":
            shared.power_on(node)
        elif state["frozen"]:
            shared.thaw(node)
        if state["storage"] != "ok":
            shared.resume_storage(node)
    shared.wait_for_nodes()
    return shared


def start_guest(lab, node, name, **more):
    shutil.rmtree(lab.volume_path(name), ignore_errors=True)
    path = guests.write(lab, guests.Guest(name, **more))
    lab.check(node, ["virsh", "create", path])


def migrate(lab, name, source, target):
    lab.check(source, ["virsh", "migrate", "--live", "--p2p", "--unsafe", "--tls", name, f"qemu+tls://{target}/system"])


def running(lab, node):
    return lab.check(node, ["virsh", "list", "--name"]).split()


def wait_until(condition, timeout_s=20):
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def test_nodes_are_machines_of_their_own(lab):
    names = [lab.check(node, ["hostname"]).strip() for node in lab.settings.node_names]
    ids = {lab.check(node, ["cat", "/etc/machine-id"]) for node in lab.settings.node_names}
    uuids = {lab.check(node, ["virsh", "capabilities"]).split("<uuid>")[1].split("<")[0] for node in lab.settings.node_names}
    assert names == lab.settings.node_names
    assert len(ids) == 3 and len(uuids) == 3
    # No way out of the machine, and none to the host's own daemons or disks.
    assert "default" not in lab.check("n1", ["ip", "route"])
    assert lab.run("n1", ["test", "-e", "/dev/watchdog"]).returncode == 1
    assert lab.check("n1", ["cat", "/proc/1/comm"]).strip() == "tini"


def exec_in(lab, node, script):
    return [os.path.join(LAB_DIR, "lab"), "--lab", lab.settings.name, "exec", node, "--", "sh", "-c", script]


def test_exec_passes_input_and_exit_code(lab):
    done = subprocess.run(exec_in(lab, "n1", "cat; exit 7"), input="through", capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("through", 7)


def test_ctrl_c_is_for_the_command(lab):
    with Terminal(exec_in(lab, "n1", "trap 'echo last words; exit 9' INT; echo ready; while :; do sleep 0.1; done")) as terminal:
        terminal.wait_for("ready")
        terminal.type("\x03")
        assert terminal.end() == 9
        assert "last words" in terminal.text


def test_live_migration_to_and_fro(lab):
    with console.Follower(lab) as follower, Sampler(lab) as sampler:
        start_guest(lab, "n1", "mover")
        assert follower.wait_ticks("mover", 10)
        for source, target in (("n1", "n2"), ("n2", "n3"), ("n3", "n1")):
            began = time.monotonic()
            migrate(lab, "mover", source, target)
            took = time.monotonic() - began
            assert follower.wait_ticks("mover", 5)
            gap, _ = follower.track("mover").longest_gap(began)
            assert took < 30 and gap < 8, (took, gap)
            assert running(lab, target) == ["mover"] and running(lab, source) == []
        lab.check("n1", ["virsh", "destroy", "mover"])
    said, disk = console.read(lab, "mover"), guests.read_disk(lab, "mover")
    assert said.boots == 1 and not said.foreign and not said.trouble and not said.lost
    assert disk.sequence >= said.acknowledged > 10
    assert len(sampler.migrations) == 3 and not sampler.doubles
    assert sampler.worst_gap_s < 5


def test_guest_hears_the_power_button(lab):
    with console.Follower(lab) as follower:
        start_guest(lab, "n2", "button")
        assert follower.wait_ticks("button", 5)
        lab.check("n2", ["virsh", "shutdown", "button"])
        wait_until(lambda: running(lab, "n2") == [])


def test_guest_obeys_from_inside(lab):
    with console.Follower(lab) as follower:
        start_guest(lab, "n2", "inside")
        assert follower.wait_ticks("inside", 5)
        guests.tell(lab, "inside", "poweroff")
        wait_until(lambda: running(lab, "n2") == [])


def test_power_cut_takes_all_and_keeps_the_disk(lab):
    with console.Follower(lab) as follower:
        start_guest(lab, "n3", "victim")
        assert follower.wait_ticks("victim", 10)
        lab.check("n3", ["sh", "-c", "echo kept > /var/lib/kept; echo lost > /run/lost; echo lost > /dev/shm/lost"])
        pids = lab.group("n3").pids()
        off_ms = lab.power_off("n3")
        assert off_ms < 5000 and not lab.group("n3").pids()
        wait_until(lambda: all(kernel.start_time(pid) is None for pid in pids))
        wait_until(lambda: lab.members("n1") == ["n1", "n2"])
        lab.power_on("n3")
        lab.wait_for_nodes()
        assert lab.check("n3", ["cat", "/var/lib/kept"]) == "kept\n"
        assert lab.check("n3", ["sh", "-c", "ls /run/lost /dev/shm/lost 2>/dev/null || true"]) == ""
        assert running(lab, "n3") == []
        # The same guest elsewhere: what it had acknowledged is there.
        lab.check("n1", ["virsh", "create", f"{lab_settings.VOLUME_PATH}/victim/victim.xml"])
        assert follower.wait(lambda: follower.track("victim").said.boots == 2, 30)
        assert follower.wait_ticks("victim", 5)
        lab.check("n1", ["virsh", "destroy", "victim"])
    said = console.read(lab, "victim")
    assert not said.lost and not said.foreign and not said.trouble


def test_a_second_copy_is_noticed(lab):
    """The witness must see what it is there for: two copies at once, on purpose."""
    with console.Follower(lab) as follower, Sampler(lab) as sampler:
        start_guest(lab, "n1", "twice")
        assert follower.wait_ticks("twice", 5)
        lab.check("n2", ["virsh", "create", f"{lab_settings.VOLUME_PATH}/twice/twice.xml"])
        assert follower.wait(lambda: follower.track("twice").said.foreign, 30)
        for node in ("n1", "n2"):
            lab.check(node, ["virsh", "destroy", "twice"])
    assert [pair.name for pair in sampler.doubles] == ["twice"]


def test_image_locks_hold_across_nodes(lab):
    with console.Follower(lab) as follower:
        start_guest(lab, "n1", "locked", exclusive=True)
        assert follower.wait_ticks("locked", 5)
        second = lab.run("n2", ["virsh", "create", f"{lab_settings.VOLUME_PATH}/locked/locked.xml"])
        lab.check("n1", ["virsh", "destroy", "locked"])
    assert second.returncode != 0 and "lock" in second.stderr


def test_cut_and_partition_change_the_membership(lab):
    lab.cut("n3")
    wait_until(lambda: lab.members("n1") == ["n1", "n2"] and not lab.is_quorate("n3"))
    lab.heal("n3")
    lab.wait_for_nodes()
    lab.partition([["n1"], ["n2", "n3"]])
    wait_until(lambda: lab.members("n2") == ["n2", "n3"] and lab.members("n1") == ["n1"])
    lab.heal()
    lab.wait_for_nodes()


def test_storage_stall_and_loss(lab):
    with console.Follower(lab) as follower:
        start_guest(lab, "n1", "stalled")
        assert follower.wait_ticks("stalled", 10)
        lab.stall_storage("n1")
        wait_until(lambda: lab.describe()["n1"]["storage"] == "stalled")  # SIGSTOP takes effect in its own time
        assert follower.wait_ticks("stalled", 10), "the guest's processor does not stop with its disk"
        stuck = follower.track("stalled").said.acknowledged
        assert follower.wait_ticks("stalled", 10)
        assert follower.track("stalled").said.acknowledged <= stuck + 1
        lab.resume_storage("n1")
        assert follower.wait(lambda: follower.track("stalled").said.acknowledged > stuck + 5, 20)
        lab.lose_storage("n1")
        assert lab.run("n1", ["ls", lab_settings.VOLUME_PATH]).returncode != 0
        lab.resume_storage("n1")
        assert "console" in lab.check("n1", ["ls", lab_settings.VOLUME_PATH])
        lab.check("n1", ["virsh", "destroy", "stalled"])


def test_power_cut_of_a_frozen_node_with_stalled_storage(lab):
    start_guest(lab, "n2", "frozen")
    lab.stall_storage("n2")
    group = lab.group("n2")
    group.freeze(True)
    assert lab.power_off("n2") < 2000
    assert not group.pids()


def test_freeze_and_thaw(lab):
    lab.freeze("n3")
    assert lab.describe()["n3"]["frozen"]
    wait_until(lambda: lab.members("n1") == ["n1", "n2"])
    lab.thaw("n3")
    lab.wait_for_nodes()


def test_daemons_come_back(lab):
    units = lab.units("n1")
    lab.check("n1", ["kill", "-9", str(units["libvirtd"]["pid"])])
    wait_until(lambda: lab.units("n1")["libvirtd"]["pid"] not in (None, units["libvirtd"]["pid"]))
    lab.ask_init("n1", {"wait": "libvirtd"})
    lab.check("n1", ["virsh", "list"])
    lab.ask_init("n1", {"stop": "corosync"})
    wait_until(lambda: lab.members("n2") == ["n2", "n3"])
    lab.ask_init("n1", {"start": "corosync"})
    lab.wait_for_nodes()


def fence(lab, node, lines):
    done = lab.run(node, ["fence_lab"], input="".join(f"{line}\n" for line in lines))
    return done.returncode, done.stdout, done.stderr


def test_fence_lab(lab):
    assert fence(lab, "n1", ["action=status", "plug=n2"])[0] == 0
    assert fence(lab, "n1", ["action=off", "plug=n2", "fail=1"])[0] == 1
    assert fence(lab, "n1", ["action=status", "plug=n2"])[0] == 0
    code, out, err = fence(lab, "n1", ["action=off", "port=n2", "passwd=geheim", "unheard_of=1"])
    assert code == 0 and not lab.group("n2").pids()
    assert "geheim" not in out + err and "unheard_of" in err
    assert fence(lab, "n1", ["action=off", "plug=n2"])[0] == 0, "already off is success"
    assert fence(lab, "n1", ["action=status", "plug=n2"])[0] == 2
    assert fence(lab, "n1", ["action=status", "plug=n9"])[0] == 1
    assert "n3" in fence(lab, "n1", ["action=list"])[1]
    assert fence(lab, "n1", ["action=monitor"])[0] == 0
    began = time.monotonic()
    assert lab.run("n1", ["fence_lab", "--action", "on", "--plug=n2", "--delay-ms", "300"]).returncode == 0
    assert time.monotonic() - began > 0.3
    assert "<resource-agent" in lab.check("n1", ["fence_lab", "--action", "metadata"])
    # A node may even cut its own power; nobody is left to hear the answer.
    fence(lab, "n3", ["action=off", "plug=n3"])
    wait_until(lambda: lab.describe()["n3"]["power"] == "off")


def open_watchdog(lab, node):
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(lab.settings.path("sockets", node, "watchdog"))
    return connection


def test_watchdog(lab):
    with open_watchdog(lab, "n2") as dog:
        dog.sendall(b"M400\n")
        for _ in range(5):
            time.sleep(0.2)
            dog.sendall(b"\0")
        with open_watchdog(lab, "n2") as second:
            assert second.recv(1) == b"", "it is open already"
        dog.sendall(b"V")
    time.sleep(1.0)
    assert lab.describe()["n2"]["power"] == "on", "the magic close disarms it"

    with open_watchdog(lab, "n2") as dog:
        dog.sendall(b"M400\n")
    began = time.monotonic()
    wait_until(lambda: lab.describe()["n2"]["power"] == "off", 5)
    assert 0.2 < time.monotonic() - began < 2
    assert lab.describe()["n2"]["watchdog_cuts"] == 1


def test_second_lab_beside_and_down_after_a_crash():
    """Two labs at once; the second one's controller is killed, then everything of it goes. The machine under them (its links,
    mounts, daemons and their files) is never touched."""
    other = "labtest2"
    Lab.down(other)
    before = host.snapshot()
    assert before["links"] and before["mounts"] and before["files"]
    lab = Lab.up(lab_settings.Settings(name=other, clusterd=False, nodes=2))
    try:
        start_guest(lab, "n1", "orphan")
        assert host.changes(before) == []
        group = lab.group()
        pids = [pid for node in ["bmc", *lab.settings.node_names] for pid in lab.group(node).pids()]
        assert len(pids) > 8
        os.kill(lab.group("bmc").pids()[0], signal.SIGKILL)
        with pytest.raises(errors.LabError):
            lab.describe()
    finally:
        assert Lab.down(other)
    # With its controller dead a lab's processes are the host's init's to reap.
    wait_until(lambda: all(kernel.start_time(pid) is None for pid in pids))
    assert not group.exists and not os.path.exists(lab.settings.state)
    assert host.changes(before) == []
    assert not Lab.down(other)


def test_cgroup_fallback_is_silent():
    """Where there is no cgroup2 the groups do nothing: the kill of PID 1 is enough."""
    group = cgroup.Group("", "x")
    group.create()
    group.enter()
    group.kill()
    assert group.pids() == [] and group.wait("populated", False, 1) and not group.exists
