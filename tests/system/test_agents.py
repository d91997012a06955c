# SPDX-License-Identifier: GPL-2.0-or-later
"""The agent vm against real libvirtd and QEMU: start, stop, watch, and what only tells; each way it can end."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

# pylint: disable=wrong-import-position,unused-import
from agents_world import AGENTS, Agent, shows, wait_ticks, wait_until, clean_world, needs_root, shared_world  # noqa: E402,F401
from labkit import console, guests, settings as lab_settings  # noqa: E402

pytestmark = needs_root


# -- start, monitor, stop --

def test_start_is_idempotent_within_a_generation(world):
    vm = world.guest("again")
    watch = world.watch("n1")
    shows(vm.do("n1", "monitor"), result="ok", state="off", code=7)
    vm.start("n1", generation=4)
    _, event = watch.wait_line(lambda line: line["event"] != "usage")
    assert (event["event"], event["generation"], event["state"]) == ("started", 4, "running")
    shows(vm.do("n1", "start", generation=4), result="ok", state="running", code=0)
    final = shows(vm.do("n1", "start", generation=5), result="failed", state="running", generation=4, code=1)
    assert "generation 4" in final["reason"] and "\n" not in final["reason"]
    monitor = vm.begin("n1", "monitor")
    shows(monitor.end(), result="ok", state="running", code=0)
    assert monitor.lines[0][1] == {"generation": 4}
    shows(vm.do("n2", "monitor"), result="ok", state="off", code=7)
    # Transient: nothing on the node's own disk can start it.
    assert world.lab.check("n1", ["virsh", "list", "--all", "--persistent", "--name"]).split() == []


def test_stop_presses_the_button_and_is_idempotent(world):
    vm = world.guest("polite")
    watch = world.watch("n1")
    vm.start("n1")
    wait_ticks(vm)
    final = shows(vm.do("n1", "stop", grace_ms=20000), result="ok", state="off", code=0)
    assert final["total_ms"] < 15000  # it did not use up its 20 s
    watch.wait_event("shutdown", vm.name)
    shows(vm.do("n1", "stop"), result="ok", state="off", code=0)
    shows(vm.do("n1", "destroy"), result="ok", state="off", code=0)


def test_stop_destroys_a_deaf_guest_after_its_grace(world):
    vm = world.guest("deaf", deaf=True)
    watch = world.watch("n1")
    vm.start("n1")
    final = shows(vm.do("n1", "stop", grace_ms=2000), result="ok", state="off", code=0)
    assert 2000 <= final["total_ms"] < 12000 and "in time" in final["reason"]
    watch.wait_event("stopped", vm.name)


def test_stop_leaves_time_to_destroy_before_its_deadline(world):
    vm = world.guest("tight", deaf=True)
    vm.start("n1")
    final = shows(vm.do("n1", "stop", grace_ms=60000, timeout_ms=4000), result="ok", state="off")
    assert final["total_ms"] < 4000


def test_stop_ends_a_qemu_that_hangs(world):
    vm = world.guest("stuck")
    vm.start("n1")
    world.kill_qemu("n1", vm.name, "STOP")
    final = shows(vm.do("n1", "stop", grace_ms=2000, timeout_ms=30000), result="ok", state="off")
    assert 2000 <= final["total_ms"] < 20000
    assert world.present("n1") == []
    vm.start("n1", generation=2)
    world.kill_qemu("n1", vm.name, "STOP")
    assert shows(vm.do("n1", "destroy"), result="ok", state="off")["total_ms"] < 15000


def test_stop_can_be_cancelled(world):
    vm = world.guest("kept", deaf=True)
    vm.start("n1")
    stop = vm.begin("n1", "stop", grace_ms=30000)
    time.sleep(0.5)
    stop.signal("TERM")
    asked = time.monotonic()
    shows(stop.end(5), result="cancelled", state="running", code=1)
    assert time.monotonic() - asked < 1.5


def test_destroy_takes_no_time(world):
    vm = world.guest("gone")
    watch = world.watch("n1")
    vm.start("n1")
    assert shows(vm.do("n1", "stop", grace_ms=0), result="ok", state="off")["total_ms"] < 8000
    watch.wait_event("stopped", vm.name)


def test_start_failures_name_what_where_why(world):
    vm = world.guest("broken")
    os.unlink(world.lab.volume_path(vm.name, "disk.raw"))
    final = shows(vm.do("n1", "start", generation=1), result="failed", state="off", code=1)
    assert "broken" in final["reason"] and "n1" in final["reason"] and "disk.raw" in final["reason"]
    assert "\n" not in final["reason"]
    vm.xml = "<domain"
    shows(vm.do("n1", "start", generation=1), result="failed", state="unknown", code=6)
    vm.xml = guests.definition(guests.Guest("other"))
    assert "other" in shows(vm.do("n1", "start", generation=1), result="failed", code=6)["reason"]
    assert "generation" in shows(vm.do("n1", "start"), result="failed", code=2)["reason"]
    final = shows(vm.do("n1", "monitor", uri="qemu+unix:///system?socket=/run/none", timeout_ms=2000), result="failed",
                  state="unknown", code=1)
    assert "libvirt" in final["reason"] and final["total_ms"] < 8000


def test_paused_is_told_and_resumed_by_order_only(world):
    vm = world.guest("pause")
    watch = world.watch("n1")
    vm.start("n1", generation=3)
    world.lab.check("n1", ["virsh", "suspend", vm.name])
    watch.wait_event("paused", vm.name)
    shows(vm.do("n1", "monitor"), result="ok", state="paused", detail="user", code=0, generation=3)
    final = shows(vm.do("n1", "start", generation=3), result="failed", state="paused", generation=3)
    assert "paused by an administrator" in final["reason"]
    shows(vm.begin_move("n1", "n2").end(), result="failed", state="paused")
    shows(vm.do("n1", "save", state_file=vm.state_file), result="failed", state="paused")
    shows(vm.do("n1", "resume"), result="ok", state="running", code=0)
    watch.wait_event("resumed", vm.name)
    shows(vm.do("n1", "resume"), result="ok", state="running", code=0)
    world.lab.check("n1", ["virsh", "suspend", vm.name])
    shows(vm.do("n1", "stop", grace_ms=20000), result="ok", state="off")


# -- watch --

def test_watch_tells_how_a_vm_ended(world):
    vm = world.guest("ends")
    watch = world.watch("n1")

    def started(generation):
        vm.start("n1", generation=generation)
        watch.wait_event("started", vm.name)

    started(1)
    killed = world.kill_qemu("n1", vm.name)
    at, event = watch.wait_event("crashed", vm.name)
    assert event["generation"] == 1 and at - killed < 1
    started(2)
    world.kill_qemu("n1", vm.name, "TERM")
    assert "signal" in watch.wait_event("crashed", vm.name)[1]["reason"]
    started(3)
    wait_ticks(vm)
    guests.tell(world.lab, vm.name, "reboot")
    wait_until(lambda: console.read(world.lab, vm.name).boots > 1, 90)
    guests.tell(world.lab, vm.name, "panic")
    shows(watch.wait_event("crashed", vm.name)[1], generation=3, reason="the guest panicked")
    started(4)
    wait_ticks(vm)
    guests.tell(world.lab, vm.name, "poweroff")
    assert watch.wait_event("shutdown", vm.name)[1]["generation"] == 4
    started(5)
    shows(vm.do("n1", "destroy"), result="ok")
    watch.wait_event("stopped", vm.name)
    ends = [line["event"] for _, line in watch.lines if line["event"] in ("crashed", "shutdown", "stopped")]
    assert ends == ["crashed", "crashed", "crashed", "shutdown", "stopped"]


def test_watch_lists_what_it_finds_and_tells_usage(world):
    vm = world.guest("found", memory_mb=128)
    vm.start("n1", generation=9)
    wait_ticks(vm)
    watch = world.agent("n1", "vm", "watch", usage_ms=1000)
    watch.wait_line(lambda line: line.get("event") == "connected")
    _, domain = watch.wait_line(lambda line: line.get("event") == "domain")
    shows(domain, name=vm.name, uuid=vm.uuid, generation=9, state="running")
    watch.wait_line(lambda line: line.get("event") == "listed")
    watch.wait_line(lambda line: line.get("event") == "usage")
    _, usage = watch.wait_line(lambda line: line.get("event") == "usage")
    assert usage["memory_total_mb"] > usage["memory_free_mb"] > 0 and usage["cpus"] == os.cpu_count()
    assert 0 <= usage["cpu_busy_permille"] <= 1000
    assert usage["vms"][0]["name"] == vm.name and usage["vms"][0]["memory_mb"] > 30 and usage["vms"][0]["cpu_permille"] > 0


def test_watch_survives_libvirtd(world):
    vm = world.guest("outlive")
    vm.start("n1", generation=2)
    watch = world.watch("n1")
    world.libvirtd("n1", "KILL")
    killed = time.monotonic()
    at, _ = watch.wait_line(lambda line: line["event"] == "disconnected")
    assert at - killed < 1
    watch.wait_line(lambda line: line["event"] == "connected")
    _, domain = watch.wait_line(lambda line: line["event"] == "domain")
    shows(domain, name=vm.name, generation=2, state="running")
    watch.wait_line(lambda line: line["event"] == "listed")
    world.kill_qemu("n1", vm.name)
    watch.wait_event("crashed", vm.name)


def test_watch_notices_a_libvirtd_that_hangs(world):
    watch = world.watch("n1")
    world.libvirtd("n1", "STOP")
    _, event = watch.wait_line(lambda line: line["event"] == "disconnected", 40)
    assert "answer" in event["reason"]
    world.libvirtd("n1", "CONT")
    watch.wait_line(lambda line: line["event"] == "listed")


def test_watch_ends_with_its_reader(world):
    read, write = os.pipe()
    watch = Agent(world.lab, "n1", "vm", "watch", stdout=write)
    os.close(write)
    assert b"connected" in os.read(read, 100)
    os.close(read)
    watch.wait(5)


def test_a_hanging_libvirtd_ends_an_operation_at_its_deadline(world):
    vm = world.guest("hang")
    vm.start("n1")
    world.libvirtd("n1", "STOP")
    final = shows(vm.do("n1", "monitor", timeout_ms=1500), result="failed", state="unknown", code=1)
    assert 1400 <= final["total_ms"] < 6000 and "1500 ms" in final["reason"]
    world.libvirtd("n1", "CONT")


def test_a_process_that_hangs_before_it_is_qemu_is_ended(world):
    """libvirt takes the leases of the disks in the process that becomes QEMU; here virtlockd hangs, with libvirt's own locks it is the same."""
    vm = world.guest("unborn")
    world.virtlockd("n1", "STOP")
    final = shows(vm.do("n1", "start", generation=1, timeout_ms=30000), result="failed", state="off", code=1)
    assert final["total_ms"] < 15000 and "virtlockd" in final["reason"], final
    assert world.present("n1") == []
    world.virtlockd("n1", "CONT")
    vm.start("n1", generation=2)


@pytest.mark.parametrize("action", ["start", "restore", "save", "migrate_to"])
def test_what_never_reaches_libvirt_has_begun_nothing(world, action):
    vm = world.guest("never")
    more = {"restore": {"state_file": vm.state_file}, "save": {"state_file": vm.state_file},
            "migrate_to": {"target": "n2", "target_uri": "qemu+tls://n2/system"}}.get(action, {})
    world.libvirtd("n1", "STOP")
    hangs = vm.begin("n1", action, generation=1, timeout_ms=60000, **more)
    asked = vm.begin("n1", action, generation=1, timeout_ms=60000, **more)
    wait_until(lambda: asked.hears(signal.SIGTERM))
    asked.signal("TERM")
    final = shows(asked.end(12), result="cancelled", state="unknown", detail="not-begun", code=1)
    assert final["total_ms"] < 9000, final
    final = shows(hangs.end(20), result="failed", state="unknown", detail="not-begun", code=1)
    assert 9500 <= final["total_ms"] < 14000 and "nothing was started" in final["reason"], final
    world.libvirtd("n1", "CONT")
    wait_until(lambda: world.running("n1") == [])
    if action == "start":
        vm.start("n1")  # it works as soon as libvirt answers
        shows(vm.do("n1", "destroy"), result="ok", state="off")


@contextlib.contextmanager
def workers_busy(world):
    """All 20 of libvirtd's workers wait for the monitor of a QEMU that is stopped, and more calls wait behind them."""
    busy = world.guest("busy")
    busy.start("n1")
    world.kill_qemu("n1", busy.name, "STOP")
    query = ["virsh", "qemu-monitor-command", busy.name, '{"execute":"query-status"}']
    callers = [subprocess.Popen(world.lab.command("n1", query), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
               for _ in range(24)]
    try:
        wait_until(lambda: queue_depth(world) >= 4, 20)
        yield
    finally:
        world.kill_qemu("n1", busy.name, "CONT")
        for caller in callers:
            caller.wait(60)


def queue_depth(world):
    """Calls that wait for one of libvirtd's workers."""
    text = world.lab.check("n1", ["virt-admin", "server-threadpool-info", "libvirtd"])
    return int(re.search(r"jobQueueDepth\s*:\s*(\d+)", text).group(1))


def test_a_start_that_libvirt_has_is_not_called_unbegun(world):
    """libvirtd hangs with the start in it: nobody can tell what becomes of it."""
    late = world.guest("late")
    with workers_busy(world):
        final = shows(late.do("n1", "start", generation=1, timeout_ms=3000), result="failed", state="unknown", code=1)
        assert "detail" not in final, final
    wait_until(lambda: late.name in world.running("n1"), 20)


def test_absent_is_said_only_when_no_start_waits_in_libvirtd(world):
    """libvirtd carries out what it was asked by a client that has gone: also a start that waited for a free worker."""
    late = world.guest("late")
    with workers_busy(world):
        shows(late.do("n1", "start", generation=1, timeout_ms=3000), result="failed", state="unknown", code=1)
        final = shows(late.do("n1", "monitor", wait_job=1, timeout_ms=3000), result="failed", state="unknown", code=1)
        assert "earlier requests" in final["reason"], final
    wait_until(lambda: late.name in world.running("n1"), 20)
    shows(late.do("n1", "monitor", wait_job=1), result="ok", state="running", code=0)
    shows(late.do("n2", "monitor", wait_job=1), result="ok", state="off", code=7)


# -- what only tells --

def test_validate_all_and_host_cpu(world):
    vm = world.guest("valid")
    check = world.agent("n1", "vm", "validate-all", vm.xml, volumes=f"csv1={lab_settings.VOLUME_PATH}")
    shows(check.end(), result="ok", code=0)
    needs = check.lines[0][1]["needs"]
    shows(needs, name=vm.name, uuid=vm.uuid, memory_mb=96, vcpus=1, volumes=["csv1"], cpu_mode="custom", cpu_model="qemu64",
          machine="pc", disks=[f"{lab_settings.VOLUME_PATH}/valid/disk.raw"])
    final = world.agent("n1", "vm", "validate-all", vm.xml, volumes="other=/srv/other").end()
    shows(final, result="failed", element="/domain/devices/disk[1]/source", code=6)
    cpu = world.agent("n1", "vm", "host-cpu")
    shows(cpu.end(), result="ok", code=0)
    cpu = cpu.lines[0][1]["cpu"]
    assert cpu["arch"] == "x86_64" and "qemu64" in cpu["usable_models"]
    aliases = [name for name in cpu["machines"] if name.startswith("x86_64/pc=")]
    assert len(aliases) == 1 and "x86_64/" + aliases[0].split("=")[1] in cpu["machines"], cpu["machines"]


@pytest.mark.parametrize("agent", ["vm", "volume"])
def test_meta_data_is_xml(world, agent):
    text = world.lab.check("n1", [os.path.join(AGENTS, agent), "meta-data"])
    root = xml.etree.ElementTree.fromstring(text)
    assert root.tag == "resource-agent" and root.get("name") == agent
    actions = {action.get("name") for action in root.find("actions")}
    assert {"start", "stop", "monitor", "meta-data", "validate-all"} <= actions
    assert world.lab.run("n1", [os.path.join(AGENTS, agent), "dance"]).returncode == 3
