# SPDX-License-Identifier: GPL-2.0-or-later
"""How clusterctl finds its clusterd: one that is not there, is not yet there, hangs, is full, lets nobody in, or is none."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import pytest

from harness import CLUSTERCTL, environment, error, ok

NOBODY = 65534
AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="needs another user")
LISTS = ok("vm.list", vms=[])
FULL = {"error": "io.clusterd.Refused", "parameters": {"message": "too many clients", "hint": ""}}
STRANGER = {"error": "io.clusterd.Permission", "parameters": {"message": "not this user", "hint": ""}}


# ---- nobody listens


def test_no_daemon_exits_4_and_says_how_to_start_it(cluster):
    done = cluster.run("status")
    assert done.returncode == 4
    assert done.stderr.splitlines()[0] == "clusterctl: clusterd is not running on this node"
    assert "systemctl start clusterd" in done.stderr


def test_no_daemon_in_json(cluster):
    done = cluster.run("vm", "list", "--json")
    assert done.returncode == 4
    assert json.loads(done.stdout)["error"]["code"] == "not-reached"


def test_a_daemon_that_was_killed_is_not_running(cluster):
    daemon = cluster.serve(LISTS)
    daemon.process.kill()
    daemon.wait()
    assert os.path.exists(os.path.join(cluster.run_dir, "io.clusterd"))  # and nobody listens there
    done = cluster.run("vm", "list")
    assert (done.returncode, done.stderr.splitlines()[0]) == (4, "clusterctl: clusterd is not running on this node")


def test_a_daemon_that_starts_too_slowly(cluster):
    with open(os.path.join(cluster.run_dir, "clusterd.pid"), "w", encoding="utf-8") as file:
        file.write(f"{os.getpid()}\n")
    began = time.monotonic()
    done = cluster.run("vm", "list", "--timeout", "700ms")
    assert done.returncode == 4
    assert "clusterd is running on this node but does not answer" in done.stderr
    assert time.monotonic() - began > 0.65  # longer than for one that does not run


def test_a_daemon_that_is_starting_is_waited_for(cluster):
    """clusterctl looks for the process only after it has found nobody listening: the other end of this pipe is proof of that."""
    path = os.path.join(cluster.run_dir, "clusterd.pid")
    os.mkfifo(path)
    process = cluster.start("vm", "list", "--json")
    with open(path, "w", encoding="utf-8") as file:
        os.unlink(path)
        with open(path, "w", encoding="utf-8") as later:
            later.write(f"{os.getpid()}\n")
        cluster.serve(LISTS)
        file.write(f"{os.getpid()}\n")
    out, err = process.communicate(timeout=20)
    assert (process.returncode, err, json.loads(out)["vms"]) == (0, "", [])


def test_the_directory_is_read_from_clusterd_conf(cluster, tmp_path):
    cluster.serve(LISTS)
    conf = tmp_path / "clusterd.conf"
    conf.write_text(f"[clusterd]\nrun_dir = {cluster.run_dir}\nsomething newer = 1\n")
    done = cluster.run("vm", "list", CLUSTERD_RUN_DIR=None, CLUSTERD_CONFIG=str(conf))
    assert (done.returncode, done.stderr) == (0, "")


# ---- somebody listens, but has no time


def test_a_daemon_that_hangs_is_told_from_one_that_is_gone(cluster):
    """And it is sent nothing: it might carry it out much later."""
    daemon = cluster.serve(ok("vm.start", operation=0), LISTS)
    daemon.process.send_signal(signal.SIGSTOP)
    done = cluster.run("vm", "start", "web1", "--no-wait", "--timeout", "300ms")
    assert done.returncode == 4
    assert "clusterd is running on this node but does not answer" in done.stderr
    daemon.process.send_signal(signal.SIGCONT)
    assert cluster.run("vm", "list").returncode == 0
    assert [request["verb"] for request in daemon.requests] == ["vm.list"]


def test_a_full_backlog_is_waited_for(cluster):
    daemon = cluster.serve(LISTS)
    daemon.process.send_signal(signal.SIGSTOP)
    with contextlib.ExitStack() as sockets:
        with contextlib.suppress(BlockingIOError):
            while True:
                one = sockets.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK))
                one.connect(os.path.join(cluster.run_dir, "io.clusterd"))
        began = time.monotonic()
        done = cluster.run("vm", "list", "--timeout", "300ms")
        assert done.returncode == 4
        assert "clusterd is running on this node but does not answer" in done.stderr
        assert time.monotonic() - began > 0.25
        daemon.process.send_signal(signal.SIGCONT)
        assert cluster.run("vm", "list").returncode == 0


@pytest.mark.parametrize("script", [{"refuse": FULL, "refusals": 3}, {"drop": 3}], ids=["full", "ends"])
def test_it_tries_again(cluster, script):
    """A daemon that is full, or ends before it has answered, has carried nothing out."""
    cluster.serve(LISTS, **script)
    done = cluster.run("vm", "list", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert cluster.requests == [{"verb": "vm.list"}]


def test_a_subscription_is_tried_again_as_well(cluster):
    done = {"id": 12, "kind": "start", "subject": "web1", "state": "done", "started_ms": 1, "ended_ms": 2, "vms": []}
    cluster.serve(ok("vm.start", operation=12), ok("operation.show", operation=done), refuse=FULL, refusals=1)
    assert cluster.run("vm", "start", "web1").returncode == 0
    assert [request["verb"] for request in cluster.requests] == ["subscribe", "vm.start", "operation.show"]


def test_too_many_clients(cluster):
    cluster.serve(LISTS, refuse=FULL)
    done = cluster.run("vm", "list", "--timeout", "300ms")
    assert done.returncode == 4
    assert "too many clients are connected to clusterd on this node" in done.stderr


# ---- somebody listens who lets us not in, or who is somebody else


def test_permission_denied_is_not_the_same_as_no_daemon(cluster):
    cluster.serve(LISTS, refuse=STRANGER)
    done = cluster.run("status")
    assert done.returncode == 4
    assert "permission denied" in done.stderr
    assert "admin_group" in done.stderr


@pytest.fixture
def program():
    """A copy of clusterctl that everybody can reach."""
    with tempfile.TemporaryDirectory(dir="/tmp") as directory:
        os.chmod(directory, 0o755)
        yield shutil.copy(CLUSTERCTL, directory)


def run_as_nobody(cluster, program, *words):
    return subprocess.run([program, *words], capture_output=True, text=True, timeout=20, env=environment(cluster.run_dir), check=False,
                          user=NOBODY, group=NOBODY, extra_groups=[])


def set_modes(cluster, admins, readers):
    for name, mode in (("io.clusterd", admins), ("io.clusterd.read", readers)):
        os.chmod(os.path.join(cluster.run_dir, name), mode)


@AS_ROOT
def test_a_reader_has_a_socket_of_its_own(cluster, program):
    cluster.serve(LISTS)
    set_modes(cluster, 0o600, 0o666)
    done = run_as_nobody(cluster, program, "vm", "list", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    set_modes(cluster, 0o666, 0o600)
    assert run_as_nobody(cluster, program, "vm", "list").returncode == 0


@AS_ROOT
def test_neither_socket_is_open_for_this_user(cluster, program):
    daemon = cluster.serve(LISTS)
    set_modes(cluster, 0o600, 0o600)
    done = run_as_nobody(cluster, program, "vm", "list")
    assert done.returncode == 4
    assert f"permission denied: clusterd does not accept user {NOBODY} on this node" in done.stderr
    assert daemon.requests == []


@AS_ROOT
def test_who_is_not_root_is_not_believed_to_be_clusterd(cluster):
    """A user who could listen where clusterd should would be told the passwords of fence devices."""
    os.chown(cluster.run_dir, NOBODY, NOBODY)
    fake = shutil.copy(os.environ["FAKE_CLUSTERD"], cluster.run_dir)
    script = os.path.join(cluster.run_dir, "script.json")
    with open(script, "w", encoding="utf-8") as file:
        json.dump({"rules": [LISTS]}, file)
    with subprocess.Popen([fake, cluster.run_dir, script], stdout=subprocess.PIPE, text=True, user=NOBODY, group=NOBODY,
                          extra_groups=[]) as process:
        assert process.stdout.readline() == "ready\n"
        done = cluster.run("vm", "list")
        process.terminate()
    assert done.returncode == 4
    assert "runs neither as root nor as this user: it is not clusterd, and nothing was sent to it" in done.stderr
    assert cluster.run_dir in done.stderr
    with open(script + ".requests", encoding="utf-8") as file:
        assert file.read() == ""


# ---- answers that do not come, or are none


def test_an_answer_that_does_not_come_exits_5(cluster):
    cluster.serve({"verb": "vm.list"})
    done = cluster.run("vm", "list", "--timeout", "300ms")
    assert done.returncode == 5
    assert "vm.list: no answer from clusterd within 300 ms" in done.stderr


def test_a_daemon_that_dies_instead_of_answering(cluster):
    cluster.serve({"verb": "vm.list", "then": [{"exit": True}]})
    done = cluster.run("vm", "list")
    assert done.returncode == 4
    assert "the connection to clusterd was lost before its answer" in done.stderr


@pytest.mark.parametrize("raw", ["{nonsense", "", "[]", '{"parameters": []}', '{"parameters": {}} {}'])
def test_an_answer_that_is_none(cluster, raw):
    cluster.serve({"verb": "vm.list", "raw": raw})
    done = cluster.run("vm", "list")
    assert done.returncode == 1
    assert "clusterd's answer cannot be read" in done.stderr


def test_a_daemon_that_is_older(cluster):
    missing = {"error": "org.varlink.service.MethodNotFound", "parameters": {"method": "io.clusterd.VmList"}}
    cluster.serve({"verb": "vm.list", "raw": json.dumps(missing)})
    done = cluster.run("vm", "list")
    assert done.returncode == 2
    assert "this clusterd does not know the request 'io.clusterd.VmList'" in done.stderr
    assert "install clusterctl and clusterd of the same version" in done.stderr


def test_an_error_without_words(cluster):
    cluster.serve({"verb": "vm.list", "raw": '{"error": "io.clusterd.NotFound"}'})
    done = cluster.run("vm", "list", "--json")
    assert done.returncode == 3
    assert json.loads(done.stdout)["error"]["code"] == "not-found"


def test_a_subscription_that_is_refused(cluster):
    cluster.serve(error("subscribe", "refused", "no more of these"))
    done = cluster.run("vm", "start", "web1")
    assert done.returncode == 3
    assert "no more of these" in done.stderr
    assert [request["verb"] for request in cluster.requests] == ["subscribe"]
