# SPDX-License-Identifier: GPL-2.0-or-later
"""The life of a VM: it crashes, its guest shuts down, it is stopped, it cannot start, it is refused. And who may do that: users by
their groups, and nobody may see a fence device's password."""

import grp
import json
import os
import pwd
import re
import shutil
import signal
import subprocess
import time

import pytest

from labkit import guests, settings as lab_settings
from support.cluster import Cluster
from support.terminal import Terminal

CLUSTER = Cluster("sysvm", {"a": [], "b": []}, nodes=3)

DONE, FAILED, USAGE, REFUSED, UNREACHED, DEADLINE = range(6)
QUIET_S = 4  # so long is watched what must not happen


def refused(cluster, *words, names=()):
    done = cluster.try_ctl(*words)
    assert done.returncode == REFUSED, f"{' '.join(words)} ended with {done.returncode}: {done.stdout} {done.stderr}"
    for name in names:
        assert name in done.stderr, f"{' '.join(words)}: {name!r} is not in what it says: {done.stderr}"
    return done.stderr


def kill_qemu(cluster, name):
    """kill -9 of a VM's QEMU, which this test's lab started. Returns when."""
    qemu = cluster.qemu(name)
    cluster.mark(f"kill -9 of {name}'s QEMU on {qemu.node}")
    struck = time.monotonic()
    os.kill(qemu.pid, signal.SIGKILL)
    return struck


def stays_off(cluster, name):
    assert not cluster.follower.wait(lambda: cluster.sampler.alive(name), QUIET_S), f"{name} was started again"


def off(cluster, name):
    cluster.until(f"{name} is off", lambda: cluster.vm(name)["state"] == "off" and not cluster.sampler.alive(name))
    return cluster.vm(name)


def console_of(cluster, name):
    with open(cluster.lab.volume_path("console", f"{name}.log"), "rb") as file:
        return file.read().decode(errors="replace")


# -- it is looked at --

def test_looking_at_a_vm(cluster):
    """`vm show` says what is so; `status --watch` shows it on a terminal, and a move as it happens."""
    cluster.place(a="n1", b="n2")
    shown = cluster.ask("vm", "show", "a")["vm"]
    assert (shown["name"], shown["owner"], shown["state"], shown["wanted"]) == ("a", "n1", "running", "running")
    assert shown["volumes"] == ["csv1"] and str(guests.Guest("a").uuid) == shown["uuid"] and "<name>a</name>" in shown["xml"]
    said = cluster.ctl("vm", "show", "a")
    assert "running" in said and "n1" in said and shown["uuid"] in said

    watch = [os.path.join(lab_settings.LAB_DIR, "lab"), "--lab", cluster.name, "exec", "n3", "--", "clusterctl", "status", "--watch"]
    with Terminal(watch) as terminal:
        at = terminal.wait_for(r"\ba +running +n1\b")
        cluster.ctl("vm", "move", "a", "--to", "n3", "--live")
        terminal.wait_for(r"\ba +running +n3\b", since=at)
        terminal.type("\x03")
        assert terminal.end() == 0
        assert [line for line in terminal.lines if len(line) > 80] == []
    cluster.verdict()


# -- it dies, or is ended --

def test_a_killed_vm_is_restarted_in_place(cluster):
    cluster.place(a="n2", b="n1")
    struck = kill_qemu(cluster, "a")
    cluster.runs_again("a", struck)
    assert cluster.where()["a"] == "n2" and len(cluster.qemus("a", struck)) == 1
    assert any(row["kind"] == "vm-crashed" and "a" in row["message"] for row in cluster.events())
    assert not cluster.fencings(), "nobody fences a node for that"
    cluster.goes_on("b", struck, 5)
    cluster.verdict()


def test_a_vm_that_fails_too_often_goes_elsewhere(cluster):
    """restart_limit failures within restart_period_ms are mended in place; the next one is not."""
    assert cluster.config("restart_limit", 2, usual=3).returncode == 0
    cluster.add_guest("frail")  # one that has not failed before
    assert cluster.follower.wait_ticks("frail", 2, timeout_s=60)
    home = cluster.where()["frail"]
    for _ in range(2):
        struck = kill_qemu(cluster, "frail")
        cluster.runs_again("frail", struck)
        assert cluster.where()["frail"] == home
    struck = kill_qemu(cluster, "frail")
    cluster.runs_again("frail", struck)
    assert cluster.where()["frail"] != home, "after the third failure it must go elsewhere"
    assert any(row["kind"] == "vm-avoids" for row in cluster.events())
    cluster.verdict()
    cluster.remove("frail")


def test_a_guest_that_panics_is_restarted(cluster):
    cluster.place(a="n3", b="n1")
    struck = cluster.began
    guests.tell(cluster.lab, "a", "panic")
    cluster.runs_again("a", struck)
    assert any(row["kind"] == "vm-crashed" for row in cluster.events())
    cluster.every_vm_runs()
    cluster.no_vm_twice()
    # The panic itself is the only trouble that its disk's witness may have had.
    said = cluster.follower.track("a").said
    assert not said.lost and all("panic" in line for line in said.trouble)
    said.trouble.clear()


def test_a_guest_shuts_itself_down(cluster):
    """Its wish: it stays off, `status` says so, and nothing calls it a problem."""
    guests.tell(cluster.lab, "b", "poweroff")
    vm = off(cluster, "b")
    assert vm["wanted"] == "stopped" and "guest" in vm["reason"] and "vm start" in vm["reason"], vm
    stays_off(cluster, "b")
    assert cluster.problem("b") is None
    assert any(row["kind"] == "vm-shutdown" and row["severity"] == "info" for row in cluster.events())
    # Also when the coordinator changes: the wish is in the model, not in somebody's head.
    cluster.kill(cluster.coordinator(), "clusterd")
    cluster.until("all nodes are online", lambda: all(cluster.node_state(node) == "online" for node in cluster.nodes))
    stays_off(cluster, "b")
    struck = cluster.began
    cluster.ctl("vm", "start", "b")
    cluster.runs_again("b", struck)
    cluster.verdict()


def test_stop_asks_the_guest(cluster):
    """ACPI: the guest hears its power button and shuts down; it stays off."""
    before = console_of(cluster, "a").count("power button")
    cluster.ctl("vm", "stop", "a")
    vm = off(cluster, "a")
    assert vm["wanted"] == "stopped" and console_of(cluster, "a").count("power button") > before
    stays_off(cluster, "a")
    cluster.ctl("vm", "stop", "a")  # is so already
    struck = cluster.began
    cluster.ctl("vm", "start", "a")
    cluster.runs_again("a", struck)
    cluster.ctl("vm", "start", "a")  # is so already
    cluster.verdict()


def test_stop_of_a_guest_that_does_not_hear(cluster):
    """Its time passes, then it is switched off; --force does not wait for it."""
    assert cluster.config("stop_grace_ms", 3000, usual=90000).returncode == 0
    cluster.add_guest("deaf", deaf=True)
    assert cluster.follower.wait_ticks("deaf", 5)
    began = time.monotonic()
    cluster.ctl("vm", "stop", "deaf")
    took = time.monotonic() - began
    assert took >= 3, f"it had {took:.1f} s of its 3 s"
    off(cluster, "deaf")
    assert "power button ignored" in console_of(cluster, "deaf")
    cluster.ctl("vm", "start", "deaf")
    assert cluster.follower.wait_ticks("deaf", 5)
    heard = console_of(cluster, "deaf").count("power button")
    assert cluster.config("stop_grace_ms", 60000, usual=90000).returncode == 0
    began = time.monotonic()
    cluster.ctl("vm", "stop", "deaf", "--force")
    took = time.monotonic() - began
    assert took < 30 and console_of(cluster, "deaf").count("power button") == heard
    off(cluster, "deaf")
    cluster.remove("deaf")
    cluster.verdict()


# -- it cannot --

def test_a_vm_that_cannot_start(cluster):
    """Its definition is broken in a way that only a start shows: tried where it may run, then the reason is told."""
    path = guests.write(cluster.lab, guests.Guest("broken"))
    with open(cluster.lab.volume_path("broken", "broken.xml"), "r+", encoding="utf-8") as file:
        text = file.read().replace("disk.raw", "missing.raw")
        file.seek(0)
        file.truncate()
        file.write(text)
    done = cluster.try_ctl("vm", "add", path, "--start")
    assert done.returncode == FAILED and "missing.raw" in done.stderr, done
    vm = cluster.vm("broken")
    assert vm["state"] in ("failed", "blocked") and "missing.raw" in vm["reason"], vm
    assert cluster.problem("broken", "missing.raw")
    failures = [row for row in cluster.events() if row["kind"] == "vm-start-failed"]
    assert sorted({node for row in failures for node in cluster.nodes if f" on {node}" in row["message"]}) == cluster.nodes
    # It is not tried for ever.
    assert not cluster.follower.wait(lambda: len([row for row in cluster.events() if row["kind"] == "vm-start-failed"]) > len(failures),
                                     QUIET_S)
    cluster.ctl("vm", "stop", "broken", "--force")
    cluster.ctl("vm", "remove", "broken", "--yes")
    assert cluster.problem("broken") is None
    cluster.verdict()


HOSTDEV = "<hostdev mode='subsystem' type='pci' managed='yes'><source><address domain='0' bus='0' slot='2' function='0'/></source></hostdev>"


@pytest.mark.parametrize("what, change, names", [
    ("a disk that is not on a volume", lambda xml: re.sub(r"<source file='[^']*'/>", "<source file='/var/lib/x.raw'/>", xml),
     ["/domain/devices/disk", "/var/lib/x.raw"]),
    ("a device of the host", lambda xml: xml.replace("</devices>", HOSTDEV + "</devices>"), ["/domain/devices/hostdev"]),
    ("a processor that no node has", lambda xml: xml.replace("qemu64", "SuperCPU-v9"), ["/domain/cpu/model", "SuperCPU-v9"]),
    ("no XML at all", lambda xml: "<domain><name>odd", []),
])
def test_vm_add_refuses(cluster, what, change, names):
    """What could not run on another node, naming the element."""
    shutil.rmtree(cluster.lab.volume_path("odd"), ignore_errors=True)
    path = guests.write(cluster.lab, guests.Guest("odd"))
    file = cluster.lab.volume_path("odd", "odd.xml")
    with open(file, encoding="utf-8") as source:
        text = change(source.read())
    with open(file, "w", encoding="utf-8") as target:
        target.write(text)
    said = refused(cluster, "vm", "add", path, names=names)
    cluster.mark(f"{what}: {said.strip()}")
    assert "odd" not in [vm["name"] for vm in cluster.status()["vms"]]
    shutil.rmtree(cluster.lab.volume_path("odd"))


def test_vm_add_refuses_what_is_there_already(cluster):
    same = "/srv/csv1/a/a.xml"
    refused(cluster, "vm", "add", same, names=["a", "already"])
    refused(cluster, "vm", "add", same, "--name", "other", names=["uuid", "a"])


def test_vm_remove_is_refused_while_it_runs(cluster):
    struck = cluster.began
    refused(cluster, "vm", "remove", "a", "--yes", names=["a", "run", "vm stop"])
    cluster.goes_on("a", struck, 5)
    refused(cluster, "vm", "remove", "nobody", "--yes", names=["nobody"])
    cluster.verdict()


# -- who may --

READER, ADMIN, NOBODY = 7701, 7702, 7703
READERS, ADMINS = 7711, 7712


@pytest.fixture(name="users")
def fixture_users(cluster):
    """Groups clusterd and clusterd-read in the node's own /etc/group, which otherwise is the host's."""
    path = cluster.lab.settings.path("nodes", "n1", "etc", "group")
    target = os.readlink(path)
    os.unlink(path)
    known = [entry.gr_name for entry in grp.getgrall() if entry.gr_name not in ("clusterd", "clusterd-read")]
    with open(path, "w", encoding="utf-8") as file:
        file.writelines(f"{name}:x:{grp.getgrnam(name).gr_gid}:\n" for name in known)
        file.write(f"clusterd:x:{ADMINS}:\nclusterd-read:x:{READERS}:\n")
    before = cluster.unit_pid("n1", "clusterd")
    cluster.kill("n1", "clusterd")  # a clusterd looks for the groups of its sockets when it starts
    cluster.until("n1 has another clusterd", lambda: cluster.unit_pid("n1", "clusterd") not in (0, None, before))
    cluster.until("it is online", lambda: cluster.node_state("n1", via="n1") == "online")
    cluster.at_rest()
    yield
    os.unlink(path)
    os.symlink(target, path)


def as_user(cluster, uid, group, *words):
    """clusterctl as an ordinary user with one more group than his own."""
    assert uid not in [entry.pw_uid for entry in pwd.getpwall()]
    groups = ["--groups", str(group)] if group else ["--clear-groups"]
    return cluster.lab.run("n1", ["setpriv", "--reuid", str(uid), "--regid", str(uid), *groups, "--bounding-set=-all", "--no-new-privs",
                                  "--", "clusterctl", *words, "--timeout", "20s"], timeout_s=40)


CHANGES = [("config", "set", "restart_limit", "7"), ("vm", "stop", "a", "--force"), ("vm", "move", "a", "--best-node"),
           ("node", "drain", "n2"), ("node", "fence", "n3", "--yes"), ("node", "confirm-off", "n3", "--yes"),
           ("fence-device", "remove", "lab-pdu"), ("fence-device", "test", "lab-pdu", "n2"), ("volume", "remove", "csv1"),
           ("vm", "remove", "a", "--yes"), ("operation", "cancel", "1")]


def test_who_may_read_and_who_may_change(cluster, users):  # pylint: disable=unused-argument
    rows = len(cluster.events())
    for words in (("status",), ("vm", "list"), ("event", "list"), ("config", "list"), ("vm", "explain", "a")):
        done = as_user(cluster, READER, READERS, *words, "--json")
        assert done.returncode == DONE and json.loads(done.stdout), (words, done)
    for words in CHANGES:
        done = as_user(cluster, READER, READERS, *words)
        assert done.returncode == REFUSED and ("may only read" in done.stderr), (words, done)
    for words in (("status",), *CHANGES):
        done = as_user(cluster, NOBODY, None, *words)
        assert done.returncode != DONE and done.stderr.startswith("clusterctl: "), (words, done)
        assert "n2" not in done.stdout, "who is in neither group learns nothing"
    assert len(cluster.events()) == rows and not cluster.fencings(), "nothing of that may have happened"
    done = as_user(cluster, ADMIN, ADMINS, "config", "set", "restart_limit", "3")
    assert done.returncode == DONE, done
    cluster.verdict()


# -- secrets --

SECRET = "geheim-Wort-4711"


def outputs(cluster):
    """All that clusterctl shows, on each node, to people and to programs."""
    found = {}
    for node in cluster.nodes:
        for words in (("status",), ("fence-device", "list"), ("node", "list"), ("node", "show", "n3"), ("operation", "list"),
                      ("event", "list", "--limit", "1000"), ("config", "list"), ("volume", "list"), ("vm", "list")):
            for more in ((), ("--json",)):
                done = cluster.try_ctl(*words, *more, via=node)
                assert done.returncode == DONE, done
                found[f"clusterctl {' '.join(words + more)} on {node}"] = done.stdout + done.stderr
    return found


def logs(cluster):
    found = {}
    for node in cluster.nodes:
        directory = cluster.lab.settings.path("nodes", node, "var", "log")
        for root, _, names in os.walk(directory):
            for name in names:
                with open(os.path.join(root, name), "rb") as file:
                    found[os.path.join(root, name)] = file.read().decode(errors="replace")
    return found


def test_secrets_are_never_shown(cluster):
    """A fence device with a password: tried, failing with the password in its own words, and used in earnest."""
    secret_file = cluster.lab.settings.path("nodes", "n1", "var", "secret")
    with open(secret_file, "w", encoding="utf-8") as file:
        file.write(f"passwd={SECRET}\n")
    os.chmod(secret_file, 0o600)
    cluster.ctl("fence-device", "remove", "lab-pdu", via="n1")
    cluster._device_is_usual = False  # pylint: disable=protected-access
    cluster.ctl("fence-device", "add", "lab-pdu", "--agent", "fence_lab", "--param", "plug={node}", "--param-file", "/var/secret", via="n1")
    told = [cluster.ctl("fence-device", "test", "lab-pdu", "n2", via="n1")]
    # One whose failure speaks of what it was given: the plug's name is the password.
    done = cluster.try_ctl("fence-device", "add", "loud", "--agent", "fence_lab", "--node", "n2", "--param", f"plug={SECRET}",
                           "--param-file", "/var/secret", via="n1")
    told.append(done.stdout + done.stderr)
    done = cluster.try_ctl("fence-device", "test", "loud", "n2", via="n1")
    assert done.returncode == FAILED, done
    told.append(done.stdout + done.stderr)
    for number, text in enumerate(told):
        assert SECRET not in text, f"answer {number} shows it: {text}"
    cluster.ctl("fence-device", "remove", "loud", via="n1")
    watching = cluster.lab.popen("n2", ["clusterctl", "event", "list", "--follow", "--json"], stdout=subprocess.PIPE,
                                 stderr=subprocess.STDOUT, text=True)
    struck = cluster.began
    cluster.ctl("node", "fence", "n3", "--yes", via="n1")
    cluster.until("n3 was fenced", lambda: any(row.get("answer", {}).get("ok") for row in cluster.fencings("n3", struck)))
    cluster.power_on("n3")
    cluster.until("n3 is online again", lambda: cluster.node_state("n3") == "online")
    watching.terminate()
    told.append(watching.communicate()[0])
    assert SECRET not in told[-1], "the events show it"
    for what, text in {**outputs(cluster), **logs(cluster)}.items():
        assert SECRET not in text, f"{what} shows it: {[line for line in text.splitlines() if SECRET in line][0]}"
    os.unlink(secret_file)
    cluster.repair()
    cluster.verdict()
