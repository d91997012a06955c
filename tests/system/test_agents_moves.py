# SPDX-License-Identifier: GPL-2.0-or-later
"""Live and quick migration by the agent vm: finished, cancelled, too late, and with each daemon that takes part in it killed."""

import os
import sys
import time

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

# pylint: disable=wrong-import-position,unused-import
from agents_world import NODES, Agent, shows, wait_ticks, wait_until, clean_world, needs_root, shared_world  # noqa: E402,F401
from labkit import console, guests  # noqa: E402
from support.another_qemu import MACHINE, broken_qemu, without  # noqa: E402

SLOW_MBPS = 40  # a migration that takes some seconds

pytestmark = needs_root


# -- live migration --

def test_live_migration(world):
    vm = world.guest("mover", dirty_mbps=5)
    watches = {node: world.watch(node) for node in NODES}
    vm.start("n1", generation=1)
    wait_ticks(vm, 5)
    move = vm.begin_move("n1", "n2", generation=2)
    final = shows(move.end(), result="ok", state="off", code=0)
    assert 0 < final["blackout_ms"] < 3000 and final["total_ms"] >= final["blackout_ms"]
    arrival = vm.begin("n2", "migrate_from")
    shows(arrival.end(), result="ok", state="running", code=0, generation=2)
    wait_ticks(vm)
    shows(watches["n1"].wait_event("migrated", vm.name)[1], reason="migrated", generation=1)
    shows(watches["n2"].wait_event("domain", vm.name)[1], state="incoming", generation=2)
    shows(watches["n2"].wait_event("resumed", vm.name)[1], state="running", generation=2)
    shows(vm.do("n1", "migrate_from"), result="failed", state="off", code=7)
    shows(vm.begin_move("n1", "n2", generation=3).end(), result="failed", state="off", code=1)
    # And back, and the guest never started again.
    shows(vm.begin_move("n2", "n1", generation=3, auto_converge=1, max_downtime_ms=500).end(), result="ok", state="off")
    shows(vm.do("n1", "monitor"), state="running", generation=3)
    said = console.read(world.lab, vm.name)
    assert said.boots == 1 and not said.foreign and not said.trouble


def slow_move(world, **params):
    """A guest on n1 and its migration to n2, which will take long and has begun to send memory. The guest is the same for
    all tests that leave it where it was."""
    if world.kept and world.running("n1") == [world.kept.name]:
        vm = world.kept
    else:
        vm = world.kept = world.guest("kept", memory_mb=160, dirty_mbps=20)
        vm.start("n1", generation=1)
        wait_ticks(vm)
    move = vm.begin_move("n1", "n2", bandwidth_mbps=SLOW_MBPS, **params)
    move.wait_line(lambda line: "progress" in line)
    return vm, move


def test_migration_is_cancelled_by_sigterm(world):
    vm, move = slow_move(world)
    for _ in range(3):
        move.wait_line(lambda line: line.get("progress", {}).get("rate_bps", 0) > 0)
    move.signal("TERM")
    final = shows(move.end(10), result="cancelled", state="running", code=1)
    assert "keeps running here" in final["reason"]
    steps = move.progress()
    assert all(0 <= step["percent"] <= 99 and step["remaining_bytes"] > 0 for step in steps)
    # Four a second, however late they are read here.
    assert 4 <= len(steps) <= (time.monotonic() - move.began) / 0.25 + 1
    wait_ticks(vm)
    wait_until(lambda: world.present("n2") == [])
    # Nothing of it is left behind: the next one works.
    shows(vm.begin_move("n1", "n2", generation=2).end(), result="ok", state="off")
    shows(vm.begin_move("n2", "n1", generation=3).end(), result="ok", state="off")


def test_migration_ends_by_itself_before_its_deadline(world):
    vm, move = slow_move(world, timeout_ms=5000)
    final = shows(move.end(10), result="failed", state="running", code=1)
    assert final["total_ms"] < 5000 and "aborted" in final["reason"]
    wait_ticks(vm)


def test_monitor_waits_for_a_running_job(world):
    vm, move = slow_move(world)
    shows(vm.begin_move("n1", "n2", generation=3).end(), result="failed", state="running")
    shows(vm.do("n1", "monitor"), result="ok", state="running", code=0)
    early = shows(vm.do("n1", "monitor", wait_job=1, timeout_ms=1000), result="failed", state="running")
    assert "migration" in early["reason"]
    shows(vm.do("n2", "monitor"), result="ok", state="paused", detail="incoming")
    monitor = vm.begin("n1", "monitor", wait_job=1)
    time.sleep(0.3)
    move.signal("TERM")
    shows(move.end(10), result="cancelled")
    shows(monitor.end(10), result="ok", state="running")


def test_source_libvirtd_dies_in_a_migration(world):
    vm, move = slow_move(world)
    world.libvirtd("n1", "KILL")
    final = shows(move.end(20), result="failed", state="running", code=1)
    assert "the connection to libvirt on n1 broke off" in final["reason"], final
    wait_ticks(vm)
    wait_until(lambda: world.present("n2") == [])
    assert console.read(world.lab, vm.name).boots == 1


def test_target_libvirtd_dies_in_a_migration(world):
    vm, move = slow_move(world)
    world.libvirtd("n2", "KILL")
    final = shows(move.end(20), result="failed", state="running", code=1)
    assert "the connection to libvirt on n2 broke off" in final["reason"], final
    wait_ticks(vm)
    world.lab.wait_for_nodes(["n2"])
    wait_until(lambda: world.present("n2") == [])


def test_agent_dies_in_a_migration(world):
    """The migration is libvirtd's, and goes on. What arrives stands still: with the agent has gone who knew that the source
    did not run on for a while before it ended."""
    vm, move = slow_move(world)
    move.signal("KILL")
    move.wait()
    world.lab.check("n1", ["virsh", "migrate-setspeed", vm.name, "1000"])
    shows(vm.do("n1", "monitor", wait_job=1), result="ok", state="off", code=7)
    shows(vm.do("n2", "monitor", wait_job=1), result="ok", state="paused", detail="user", generation=2)
    shows(vm.do("n2", "resume", generation=1), result="failed", state="paused", generation=2)
    shows(vm.do("n2", "resume", generation=2), result="ok", state="running")
    wait_ticks(vm)


def test_monitor_waits_for_the_agent_of_a_migration(world):
    """When libvirt's job is over the agent still has the VM resumed: who asks the source must not be told before that."""
    vm, move = slow_move(world)
    monitor = vm.begin("n1", "monitor", wait_job=1, generation=1)
    world.lab.check("n1", ["virsh", "migrate-setspeed", vm.name, "1000"])
    shows(monitor.end(), result="ok", state="off", code=7)
    shows(vm.do("n2", "monitor"), result="ok", state="running", generation=2)
    shows(move.end(), result="ok", state="off")


def arrived(world, vm):
    """The target's libvirtd has carried out what it was told to do at the end."""
    return world.lab.run("n2", ["virsh", "domjobinfo", vm.name]).returncode == 0


def port_of_the_migration(world):
    """From where n1's libvirtd is connected to n2's; the agent has a connection of its own."""
    rows = world.lab.check("n1", ["ss", "-Htnp", "dport", "=", ":16514"]).splitlines()
    (row,) = [row.split() for row in rows if '"libvirtd"' in row]
    return row[3].rpartition(":")[2]


@pytest.mark.parametrize("what", ["network", "libvirtd"])
def test_answer_of_the_target_is_lost(world, what):
    """All memory is there and the target's libvirtd has taken the VM over, but its word of it does not arrive, for the network
    is broken, and then the connection, or that libvirtd dies. The source's libvirtd lets the VM go on there. The two must not
    both run, nor the disk be written by one after the other."""
    vm, move = slow_move(world)
    source = world.watch("n1")
    world.libvirtd("n2", "STOP")
    world.lab.check("n1", ["virsh", "migrate-setspeed", vm.name, "1000"])
    source.wait_event("paused", vm.name)
    wait_until(lambda: world.phase("n1", vm.name) == "perform3_done")
    before = vm.ticks()
    port = port_of_the_migration(world)
    lost = ["ipproto", "tcp", "sport", "16514", "dport", port, "blackhole"]
    world.lab.check("n2", ["ip", "rule", "add", *lost])
    try:
        world.libvirtd("n2", "CONT")
        wait_until(lambda: arrived(world, vm))
        shows(vm.do("n2", "monitor", wait_job=1), state="paused", detail="user")
        if what == "libvirtd":
            world.libvirtd("n2", "KILL")
        # Nothing that still waits to be sent can be received any more.
        world.lab.check("n1", ["ss", "-K", "-tn", "sport", "=", f":{port}"])
    finally:
        world.lab.check("n2", ["ip", "rule", "del", *lost])
    shows(move.end(40), result="failed", state="running", code=1)
    world.lab.wait_for_nodes(["n2"])
    wait_ticks(vm, 20)
    assert world.running("n1") == [vm.name] and world.running("n2") == []
    said = console.read(world.lab, vm.name)
    assert said.boots == 1 and not said.foreign and not said.trouble and said.ticks > before
    assert said.repeated == 0, f"two copies have counted: {said.repeated} times the count was no higher than before"


def test_source_left_paused_is_not_decided_here(world):
    """All memory is at the target, whose libvirtd hangs; then the source's libvirtd dies."""
    vm, move = slow_move(world)
    source, target = world.watch("n1"), world.watch("n2")
    world.libvirtd("n2", "STOP")
    world.lab.check("n1", ["virsh", "migrate-setspeed", vm.name, "1000"])
    source.wait_event("paused", vm.name)
    # Before that, a libvirtd that comes back lets the guest go on.
    wait_until(lambda: world.phase("n1", vm.name) == "perform3_done")
    world.libvirtd("n1", "KILL")
    final = shows(move.end(30), result="failed", state="paused", code=1)
    assert "both nodes" in final["reason"]
    shows(vm.do("n1", "monitor"), result="ok", state="paused", detail="migration")
    world.libvirtd("n2", "CONT")
    # The target finds the order to go on, and that who gave it is gone. libvirt may keep what has arrived, or destroy it. As
    # it never runs, the source's memory is as new as the disk.
    shows(vm.do("n2", "monitor", wait_job=1), result="ok")
    shows(vm.do("n2", "destroy"), result="ok", state="off")
    shows(vm.do("n1", "resume", generation=1), result="ok", state="running")
    wait_ticks(vm)
    assert world.present("n1") + world.present("n2") == [vm.name]
    assert not any(line["event"] == "resumed" for _, line in target.lines)


def test_a_target_that_can_never_take_it_says_so(world):
    """That its QEMU has not the VM's machine type no other attempt can change; that its QEMU ends at once one may."""
    vm = world.guest("odd")
    vm.start("n1", generation=1)
    wait_ticks(vm)
    with without(world.lab, MACHINE, "n2"):
        final = shows(vm.begin_move("n1", "n2", generation=2).end(), result="failed", state="running", refused=True)
        assert "machine type" in final["reason"], final
        shows(vm.do("n1", "save", state_file=vm.state_file), result="ok")
        final = shows(vm.do("n2", "restore", state_file=vm.state_file, generation=2), result="failed", state="off", refused=True)
        assert "machine type" in final["reason"], final
    shows(vm.do("n2", "restore", state_file=vm.state_file, generation=2), result="ok", state="running")
    with broken_qemu(world.lab, "n1"):
        shows(vm.begin_move("n2", "n1", generation=3).end(), result="failed", state="running", refused=None)
    wait_ticks(vm)
    assert console.read(world.lab, vm.name).boots == 1


def test_stop_during_a_migration(world):
    vm, move = slow_move(world)
    shows(vm.do("n1", "stop", grace_ms=15000), result="ok", state="off")
    shows(move.end(10), result="failed")
    wait_until(lambda: world.present("n2") == [])


def test_destroy_during_a_migration(world):
    vm, move = slow_move(world)
    assert shows(vm.do("n1", "destroy"), result="ok", state="off")["total_ms"] < 5000
    shows(move.end(10), result="failed", state="off")
    wait_until(lambda: world.present("n2") == [])


# -- quick migration --

def test_save_and_restore_elsewhere(world):
    vm = world.guest("quick")
    watches = {node: world.watch(node) for node in NODES}
    vm.start("n1", generation=1)
    wait_ticks(vm, 5)
    final = shows(vm.do("n1", "save", state_file=vm.state_file), result="ok", state="off", code=0, generation=1)
    assert 0 < final["blackout_ms"] <= final["total_ms"]
    assert vm.files() == [f"{vm.name}.state"]
    assert watches["n1"].wait_event("migrated", vm.name)[1]["reason"] == "saved"
    shows(vm.do("n1", "save", state_file=vm.state_file), result="ok", state="off", code=0)
    before = vm.ticks()
    final = shows(vm.do("n2", "restore", state_file=vm.state_file, generation=2), result="ok", state="running", code=0)
    assert vm.files() == [] and final["blackout_ms"] > 0
    shows(watches["n2"].wait_event("started", vm.name)[1], reason="restored", generation=2)
    wait_ticks(vm)
    said = console.read(world.lab, vm.name)
    assert said.boots == 1 and said.ticks > before and not said.foreign and not said.trouble
    shows(vm.do("n2", "restore", state_file=vm.state_file, generation=2), result="ok", state="running")
    shows(vm.do("n1", "restore", state_file=vm.state_file, generation=3), result="failed", state="off", detail="state-missing")


def test_restore_that_fails_leaves_the_state(world):
    vm = world.guest("careful")
    vm.start("n1", generation=5)
    shows(vm.do("n1", "save", state_file=vm.state_file), result="ok")
    disk = world.lab.volume_path(vm.name, "disk.raw")
    os.rename(disk, disk + ".away")
    shows(vm.do("n2", "restore", state_file=vm.state_file, generation=6), result="failed", state="off", code=1)
    assert vm.files() == [f"{vm.name}.state"]
    os.rename(disk + ".away", disk)
    shows(vm.do("n2", "restore", state_file=vm.state_file, generation=4), result="failed", state="off")
    vm_xml, vm.xml = vm.xml, guests.definition(guests.Guest("other"))
    shows(vm.do("n2", "restore", state_file=vm.state_file, generation=6), result="failed")
    vm.xml = vm_xml
    assert vm.files() == [f"{vm.name}.state"]
    shows(vm.do("n1", "restore", state_file=vm.state_file, generation=6), result="ok", state="running")
    wait_ticks(vm)


def test_a_claimed_state_is_never_used_again(world):
    vm = world.guest("once")
    vm.start("n1", generation=1)
    shows(vm.do("n1", "save", state_file=vm.state_file), result="ok")
    claimed = world.lab.volume_path("saved", f"{vm.name}.state.restoring-2")
    os.rename(world.lab.volume_path("saved", f"{vm.name}.state"), claimed)  # as an agent that died left it
    final = shows(vm.do("n1", "restore", state_file=vm.state_file, generation=2), result="failed", state="off", detail="state-used")
    assert "start the VM from its disks" in final["reason"] and os.path.exists(claimed)
    vm.start("n1", generation=3)
    wait_ticks(vm)
    shows(vm.do("n1", "save", state_file=vm.state_file), result="ok")
    assert vm.files() == [f"{vm.name}.state"], "a save of the VM that runs clears what is left of older ones"


def test_save_keeps_a_state_of_another_generation(world):
    vm = world.guest("two")
    vm.start("n1", generation=1)
    shows(vm.do("n1", "save", state_file=vm.state_file), result="ok")
    vm.start("n1", generation=2)
    final = shows(vm.do("n1", "save", state_file=vm.state_file), result="failed", state="running", generation=2)
    assert "generation 1" in final["reason"]
    assert vm.files() == [f"{vm.name}.state"]


def slow_save(world, name):
    """A guest whose save takes long: it has much memory that cannot be packed."""
    vm = world.guest(name, memory_mb=1024, dirty_mbps=100)
    vm.start("n1", generation=1)
    wait_ticks(vm, 20)
    return vm


def test_save_is_cancelled_by_sigterm(world):
    vm = slow_save(world, "rather-not")
    watch = world.watch("n1")
    save = vm.begin("n1", "save", state_file=vm.state_file)
    watch.wait_event("paused", vm.name)
    save.signal("TERM")
    final = save.end(20)
    if final["result"] == "ok":
        pytest.skip("the save was faster than its cancelling")
    shows(final, result="cancelled", state="running", code=1)
    assert vm.files() == []
    wait_ticks(vm)


def test_agent_dies_in_a_save(world):
    """libvirtd goes on by itself; the order, given again, gives the complete file its name."""
    vm = slow_save(world, "retry")
    watch = world.watch("n1")
    save = vm.begin("n1", "save", state_file=vm.state_file)
    watch.wait_event("paused", vm.name)
    save.signal("KILL")
    save.wait()
    watch.wait_event("migrated", vm.name)
    assert vm.files() == [f"{vm.name}.state.part"]
    shows(vm.do("n1", "save", state_file=vm.state_file, generation=7), result="failed", state="off")
    shows(vm.do("n1", "save", state_file=vm.state_file, generation=1), result="ok", state="off")
    assert vm.files() == [f"{vm.name}.state"]
    shows(vm.do("n2", "restore", state_file=vm.state_file, generation=2), result="ok", state="running")
    wait_ticks(vm)


# -- readers --

def test_nothing_is_started_for_a_reader_that_is_gone(world):
    vm = world.guest("nobody")
    read, write = os.pipe()
    os.close(read)
    start = Agent(world.lab, "n1", "vm", "start", vm.xml, stdout=write, name=vm.name, uuid=vm.uuid, generation=1)
    os.close(write)
    assert start.wait(10) == 1
    assert world.present("n1") == []


def test_a_reader_that_stops_reading_holds_nobody_for_ever(world):
    vm = world.guest("unread")
    vm.start("n1")
    wait_ticks(vm)
    read, write = os.pipe()
    os.set_blocking(write, False)
    with pytest.raises(BlockingIOError):
        while True:
            os.write(write, b"x" * 4096)
    os.set_blocking(write, True)
    move = Agent(world.lab, "n1", "vm", "migrate_to", stdout=write, name=vm.name, uuid=vm.uuid, generation=2, target="n2",
                 target_uri="qemu+tls://n2/system", shared=1)
    os.close(write)
    assert move.wait(20) == 0
    os.close(read)
    assert world.running("n2") == [vm.name]


def test_a_state_that_nobody_needs_is_removed_under_all_its_names(world):
    """Nothing else is touched, and without the volume it is not called removed."""
    vm = world.guest("done-with")
    path = world.lab.volume_path("saved", f"{vm.name}.state")
    others = [f"{vm.name}.state2", f"{vm.name}.state.part2", f"other-{vm.name}.state"]
    os.makedirs(os.path.dirname(path), exist_ok=True)
    for name in ["", ".part", ".restoring-2", ".restoring-17"]:
        with open(path + name, "w", encoding="ascii") as file:
            file.write("x")
    for name in others:
        with open(world.lab.volume_path("saved", name), "w", encoding="ascii") as file:
            file.write("x")
    for _ in range(2):  # it may be repeated
        shows(vm.do("n2", "state-remove", state_file=vm.state_file), result="ok", code=0)
        left = [name for name in os.listdir(os.path.dirname(path)) if vm.name in name]
        assert sorted(left) == sorted(others)
    for name in others:
        os.unlink(world.lab.volume_path("saved", name))
    final = shows(vm.do("n2", "state-remove", state_file="/srv/nowhere/x.saved"), result="failed", code=1)
    assert "its volume is not available" in final["reason"], final


def test_an_arrival_that_hangs_before_it_is_qemu(world):
    """The mover's agent is on the other node; there, the watch ends what hangs."""
    vm = world.guest("unarrived")
    vm.start("n1")
    wait_ticks(vm)
    world.watch("n2")
    world.virtlockd("n2", "STOP")
    final = shows(vm.begin_move("n1", "n2", timeout_ms=60000).end(50), result="failed", state="running", code=1)
    assert final["total_ms"] < 30000, final
    assert world.present("n2") == []
    world.virtlockd("n2", "CONT")
    shows(vm.begin_move("n1", "n2", generation=3).end(40), result="ok")
    assert console.read(world.lab, vm.name).boots == 1


@pytest.mark.thorough
def test_six_moves_both_ways_at_once(world):
    vms = [world.guest(f"six{i}") for i in range(6)]
    ways = [("n1", "n2") if i % 2 else ("n2", "n1") for i in range(6)]
    for vm, (source, _) in zip(vms, ways):
        vm.start(source)
    for vm in vms:
        wait_ticks(vm)
    moves = [vm.begin_move(*way) for vm, way in zip(vms, ways)]
    for move in moves:
        shows(move.end(150), result="ok", state="off", code=0)
    for vm in vms:
        wait_ticks(vm)
        said = console.read(world.lab, vm.name)
        assert (said.boots, said.repeated, said.foreign, said.trouble, said.lost) == (1, 0, [], [], []), (vm.name, said)
    for node in NODES:
        assert sorted(world.running(node)) == sorted(vm.name for vm, way in zip(vms, ways) if way[1] == node), node
