# SPDX-License-Identifier: GPL-2.0-or-later
"""A client that others wrote: varlinkctl, which Debian has since 13. What clusterd(8) says of it, against a clusterd that is alone."""

import json
import os
import select
import shutil
import subprocess
import time

import pytest

from labkit import build

pytestmark = pytest.mark.skipif(not shutil.which("varlinkctl"), reason="this Debian has no varlinkctl")
LIMIT_S = 30


@pytest.fixture(name="sockets", scope="module")
def fixture_sockets(tmp_path_factory):
    """The run_dir of a clusterd that waits for corosync, in a network without one."""
    directory = tmp_path_factory.mktemp("varlinkctl")
    (directory / "state").mkdir()
    (directory / "clusterd.conf").write_text(f"[clusterd]\nstate_dir = {directory}/state\nrun_dir = {directory}/run\n")
    clusterd = os.path.join(build.BUILD_ROOT, "release", "clusterd", "clusterd")
    with subprocess.Popen(["unshare", "--net", clusterd, "--config", directory / "clusterd.conf"], stderr=subprocess.PIPE) as process:
        log, until = b"", time.monotonic() + LIMIT_S
        while b"waiting for corosync" not in log and select.select([process.stderr], [], [], max(0, until - time.monotonic()))[0]:
            data = os.read(process.stderr.fileno(), 65536)
            assert data, log
            log += data
        yield directory / "run"
        process.terminate()


def varlinkctl(*words):
    done = subprocess.run(["varlinkctl", *words], capture_output=True, text=True, timeout=LIMIT_S, check=False)
    return done.returncode, done.stdout, done.stderr


def test_varlinkctl_reads_the_interface(sockets):
    status, out, err = varlinkctl("introspect", sockets / "io.clusterd", "io.clusterd")
    assert status == 0, err
    assert "interface io.clusterd" in out and "method VmStop(" in out.replace(" (", "(")
    status, out, err = varlinkctl("info", sockets / "io.clusterd.read")
    assert status == 0 and "io.clusterd" in out, err


def test_varlinkctl_calls(sockets):
    status, out, err = varlinkctl("call", "--json=short", sockets / "io.clusterd", "io.clusterd.VmList", "{}")
    assert status == 0, err
    assert json.loads(out) == {"vms": []}
    status, out, err = varlinkctl("call", sockets / "io.clusterd", "io.clusterd.VmStop", '{"vm":"web"}')
    assert status != 0 and "io.clusterd.NoQuorum" in out + err


def test_varlinkctl_follows(sockets):
    command = ["varlinkctl", "call", "--more", "--json=short", sockets / "io.clusterd", "io.clusterd.Subscribe", "{}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert select.select([process.stdout], [], [], LIMIT_S)[0]
        assert b"{" in os.read(process.stdout.fileno(), 65536), process.communicate()
        assert process.poll() is None
        process.terminate()
