# SPDX-License-Identifier: GPL-2.0-or-later
"""clusterctl support-bundle: all that is needed is in it, no secret is, and whatever goes wrong it leaves nothing behind."""

import json
import os
import re
import select
import shutil
import signal
import subprocess
import tarfile
import tempfile

import pytest

from harness import CLUSTERCTL, LIMIT_S, environment, ok

CLUSTERD, SIM, RECORD = (os.environ[name] for name in ("CLUSTERD", "SIM", "RECORD_DATABASE"))
SECRET = "hunter2"
# Root by name suffices: the test's own files are read.
ROOT = [] if os.geteuid() == 0 else ["unshare", "--map-root-user"]

CLUSTERD_CONF = "[clusterd]\nstate_dir = {state}\n# admin_password = hunter2\nlibvirt_uri = qemu+tcp://root:hunter2@host/system\n"
COROSYNC_CONF = "totem {\n    cluster_name: example\n    key: hunter2\n    crypto_hash: sha256\n}\n"


class Node:
    """A machine on which clusterctl runs: its programs, its configuration, and a directory for bundles."""

    def __init__(self, cluster, directory):
        self.cluster = cluster
        self.programs = directory / "programs"
        self.out = directory / "out"
        self.state = directory / "state"
        for path in (self.programs, self.out):
            path.mkdir()
        (self.programs / "clusterd").symlink_to(CLUSTERD)
        self.program("corosync", "echo Corosync 3.1")
        self.program("libvirtd", "echo libvirtd 9")
        self.program("qemu-system-x86_64", "echo QEMU 7")
        self.program("journalctl", "echo 'n1 clusterd: passwd=hunter2'; echo all is well")
        self.conf = directory / "clusterd.conf"
        self.conf.write_text(CLUSTERD_CONF.format(state=self.state), encoding="utf-8")
        self.corosync = directory / "corosync.conf"
        self.corosync.write_text(COROSYNC_CONF, encoding="utf-8")
        self.digest = subprocess.run([RECORD, str(self.state)], capture_output=True, text=True, timeout=LIMIT_S,
                                     check=True).stdout.strip()

    def program(self, name, text):
        path = self.programs / name
        path.unlink(missing_ok=True)
        path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
        path.chmod(0o755)

    @property
    def env(self):
        return environment(self.cluster.run_dir, PATH=f"{self.programs}:{os.environ['PATH']}", CLUSTERD_CONFIG=str(self.conf),
                           COROSYNC_MAIN_CONFIG_FILE=str(self.corosync))

    def run(self, *words, before=(), program=CLUSTERCTL, **more):
        return subprocess.run([*(before or ROOT), program, "support-bundle", *words], capture_output=True, text=True,
                              cwd=self.out, timeout=LIMIT_S * 2, env=self.env, check=False, **more)

    def start(self, *words):
        return subprocess.Popen([*ROOT, CLUSTERCTL, "support-bundle", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                text=True, cwd=self.out, env=self.env)

    @property
    def left(self):
        return sorted(os.listdir(self.out))


@pytest.fixture(name="node")
def fixture_node(cluster, tmp_path):
    return Node(cluster, tmp_path)


def contents(path):
    """File name -> text."""
    with tarfile.open(path) as tar:
        top = os.path.basename(tar.getnames()[0])
        return {os.path.relpath(member.name, top): tar.extractfile(member).read().decode()
                for member in tar.getmembers() if member.isfile()}


def replayed(node, path):
    done = subprocess.run([SIM, "--replay", str(path)], capture_output=True, text=True, timeout=LIMIT_S, check=False)
    assert done.returncode == 0, done.stderr
    assert f"the digest is {node.digest}, as it was on the node" in done.stdout


def test_with_a_daemon(cluster, node):
    cluster.serve(ok("status", node="n1", digest=node.digest), ok("event.list", events=[{"seq": 1}]),
                  ok("operation.list", operations=[]), ok("config.list", config=[]))
    done = node.run()
    assert done.returncode == 0, done.stderr
    (name,) = node.left
    assert re.fullmatch(r"clusterd-support-n1-\d{8}-\d{6}\.tar\.gz", name)
    assert done.stdout == name + "\n"
    assert "missing: " not in done.stderr and "check the bundle before you share it" in done.stderr
    assert os.stat(node.out / name).st_mode & 0o777 == 0o600
    inside = contents(node.out / name)
    assert {"status.json", "events.json", "operations.json", "config.json", "database.jsonl", "clusterd.conf", "corosync.conf",
            "journal.txt", "versions.txt"} <= set(inside)
    assert "missing.txt" not in inside
    assert json.loads(inside["status.json"]) == {"ok": True, "node": "n1", "digest": node.digest}
    assert json.loads(inside["events.json"])["events"] == [{"seq": 1}]
    for text in ("clusterctl 0", "clusterd 0", "Corosync 3.1", "libvirtd 9", "QEMU 7", "Linux"):
        assert text in inside["versions.txt"]
    replayed(node, node.out / name)


def test_with_a_dead_daemon(node):
    done = node.run("--output", "dead.tar.gz")
    assert (done.returncode, done.stdout) == (0, "dead.tar.gz\n")
    assert "missing: status.json: clusterd is not running on this node" in done.stderr
    inside = contents(node.out / "dead.tar.gz")
    assert "status.json: clusterd is not running on this node, or does not answer\n" in inside["missing.txt"]
    assert "status.json" not in inside
    replayed(node, node.out / "dead.tar.gz")


def test_no_secret_is_in_it(node):
    assert node.run("--output", "b").returncode == 0
    inside = contents(node.out / "b")
    for name, text in inside.items():
        assert SECRET not in text, name
    assert "cluster_name: example" in inside["corosync.conf"] and "crypto_hash: sha256" in inside["corosync.conf"]
    assert f"state_dir = {node.state}" in inside["clusterd.conf"]
    assert "qemu+tcp://root:*******@host/system" in inside["clusterd.conf"]
    assert "all is well" in inside["journal.txt"]


def test_what_a_program_complains_of_is_masked(node):
    node.program("corosync", "echo 'no token: hunter2' >&2; exit 1")
    done = node.run("--output", "b")
    assert done.returncode == 0 and SECRET not in done.stderr
    assert SECRET not in contents(node.out / "b")["missing.txt"]


def test_without_what_could_be_had(node):
    """No database, no configuration, programs that fail: what is left is packed, and what is not is said."""
    shutil.rmtree(node.state)
    node.corosync.unlink()
    node.program("libvirtd", "echo broken >&2; exit 3")
    done = node.run("--output", "b", "--json")
    assert done.returncode == 0
    document = json.loads(done.stdout)
    assert document["ok"] is True and document["file"] == "b"
    missing = "\n".join(document["missing"])
    assert "database.jsonl: clusterd ended with 1: clusterd: " in missing and "cluster.db: No such file" in missing
    assert f"corosync.conf: {node.corosync}: No such file or directory" in missing
    assert "versions.txt: libvirtd --version: libvirtd ended with 3: broken" in missing
    inside = contents(node.out / "b")
    assert "database.jsonl" not in inside
    assert inside["missing.txt"].splitlines() == document["missing"]


def test_only_root(node):
    # A build that counts coverage writes its counts when it ends. As nobody it may do so in this place only, and would
    # say so among what clusterctl says.
    # The build may lie in a home directory, where nobody may go; a copy is in a place that is open to all.
    with tempfile.TemporaryDirectory() as place:
        os.chmod(place, 0o777)
        program = shutil.copy(CLUSTERCTL, place)
        before = ["env", f"GCOV_PREFIX={place}"]
        if os.geteuid() == 0:
            before = ["setpriv", "--reuid=65534", "--clear-groups", *before]
        done = node.run("--output", "b", before=before, program=program)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == ("clusterctl: support-bundle: only root may read clusterd's database and configuration\n"
                           "  to do: run this as root\n")
    assert node.left == []


def test_a_file_that_exists_is_not_overwritten(node):
    (node.out / "b").write_text("mine", encoding="utf-8")
    done = node.run("--output", "b")
    assert done.returncode == 1
    assert "b exists already and is not overwritten" in done.stderr
    assert node.left == ["b"] and (node.out / "b").read_text(encoding="utf-8") == "mine"


def test_a_file_that_comes_meanwhile_is_not_overwritten(node):
    node.program("corosync", f"echo mine >{node.out}/b")
    done = node.run("--output", "b")
    assert done.returncode == 1
    assert "b exists already and is not overwritten" in done.stderr
    assert node.left == ["b"] and (node.out / "b").read_text(encoding="utf-8") == "mine\n"


@pytest.mark.parametrize("output, why", [("nowhere/b", "cannot write to nowhere: No such file or directory"),
                                         ("", "--output  is not a file name")])
def test_where_nothing_can_be_written(node, output, why):
    done = node.run("--output", output)
    assert done.returncode in (1, 2) and why in done.stderr
    assert node.left == []


def test_a_full_disk(node):
    """Wherever in its making the room ends: one clear line, and nothing is left behind. A bundle that is there is whole."""
    script = ('mount -t tmpfs -o size=$2k tmpfs "$1" && cd "$1" || exit 99\n"$3" support-bundle --output b; code=$?\n'
              'echo left: $(ls -A)\n[ $code -ne 0 ] || "$4" --replay b >/dev/null || exit 98\nexit $code')
    ends = set()
    for pages in range(1, 20):
        words = ["sh", "-c", script, "sh", str(node.out), str(4 * pages), CLUSTERCTL, SIM]
        done = subprocess.run(["unshare", *([] if os.geteuid() == 0 else ["--map-root-user"]), "--mount", *words],
                              capture_output=True, text=True, timeout=LIMIT_S, env=node.env, check=False)
        assert done.returncode not in (98, 99), (pages, done.stderr)
        ends.add(done.returncode)
        if done.returncode == 0:
            assert done.stdout == "b\nleft: b\n"
            assert "database" not in done.stderr
        else:
            assert done.returncode == 1 and done.stdout == "left:\n", (pages, done.stdout)
            assert done.stderr.splitlines() == ["clusterctl: support-bundle: cannot write to .: No space left on device",
                                                "  to do: name a file on a disk with free space: --output FILE"], pages
    assert ends == {0, 1}


@pytest.mark.parametrize("how, code, said", [
    ("interrupt", 130, "interrupted; no files were left behind"), ("timeout", 5, "not finished within 1.0 s; no files were left behind")])
def test_stopped_in_the_middle(node, tmp_path, how, code, said):
    os.mkfifo(tmp_path / "here")
    os.mkfifo(tmp_path / "never")
    here = os.open(tmp_path / "here", os.O_RDWR)
    node.program("corosync", f"echo here >{tmp_path}/here; read x <{tmp_path}/never")
    process = node.start("--output", "b", *(["--timeout", "1s"] if how == "timeout" else []))
    ready, _, _ = select.select([here], [], [], LIMIT_S)
    assert ready and node.left != []
    os.close(here)
    if how == "interrupt":
        process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=LIMIT_S)
    assert process.returncode == code
    assert said in errors
    assert node.left == []


def test_a_program_that_hangs_is_left_out(node, tmp_path):
    """Its deadline is ten seconds; here it closes its output, which is no end either."""
    os.mkfifo(tmp_path / "never")
    node.program("corosync", f"exec >&- 2>&-; read x <{tmp_path}/never")
    done = node.run("--output", "b")
    assert done.returncode == 0
    assert "versions.txt: corosync -v: corosync took too long" in done.stderr
