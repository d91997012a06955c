# SPDX-License-Identifier: GPL-2.0-or-later
"""Whoever can write to run_dir can put a socket of its own where clusterctl looks for clusterd: clusterd does not start there."""

import os
import shutil
import subprocess
import tempfile

import pytest

CLUSTERD = os.environ["CLUSTERD"]
AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="needs another user")
NOBODY = 65534


@pytest.fixture(name="directory")
def fixture_directory():
    path = tempfile.mkdtemp(prefix="clusterd-test-")
    yield path
    shutil.rmtree(path)


def refused(directory, run_dir):
    """What clusterd says; it must end by itself. It has a network of its own: nobody else's corosync."""
    conf = os.path.join(directory, "clusterd.conf")
    with open(conf, "w", encoding="utf-8") as file:
        file.write(f"[clusterd]\nstate_dir = {directory}/state\nrun_dir = {run_dir}\n")
    separate = ["unshare", "--net"] if os.geteuid() == 0 else []
    done = subprocess.run([*separate, CLUSTERD, "--config", conf], capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 3
    return done.stderr


@pytest.mark.parametrize("mode", [0o775, 0o757, 0o1777], ids=oct)
def test_others_could_write_to_it(directory, mode):
    run_dir = os.path.join(directory, "run")
    os.mkdir(run_dir)
    os.chmod(run_dir, mode)
    assert f"run_dir {run_dir}: others can write to it; it must belong to root and have mode 0755" in refused(directory, run_dir)
    assert os.listdir(run_dir) == []


@AS_ROOT
def test_it_belongs_to_somebody_else(directory):
    run_dir = os.path.join(directory, "run")
    os.mkdir(run_dir, 0o755)
    os.chown(run_dir, NOBODY, NOBODY)
    assert "others can write to it" in refused(directory, run_dir)


def test_it_cannot_be_made(directory):
    run_dir = os.path.join(directory, "missing", "run")
    assert f"run_dir {run_dir} cannot be created: No such file or directory" in refused(directory, run_dir)
