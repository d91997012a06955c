# SPDX-License-Identifier: GPL-2.0-or-later
"""clusterd's memory holds passwords: the kernel must write no core dump of it.

A process that is not dumped shows in /proc, where its files belong to root, whoever runs it. To root's own process that makes no
difference; hence it runs as somebody else here. The agents that it starts are other programs: exec ends it.
"""

import os
import shutil
import signal
import subprocess
import tempfile

import pytest

CLUSTERD = os.environ["CLUSTERD"]
NOBODY = 65534


@pytest.fixture(name="directory")
def fixture_directory():
    path = tempfile.mkdtemp(prefix="clusterd-test-")
    if os.geteuid() == 0:
        os.chown(path, NOBODY, NOBODY)
    yield path
    shutil.rmtree(path)


def test_no_core_dump(directory):
    conf = os.path.join(directory, "clusterd.conf")
    with open(conf, "w", encoding="utf-8") as file:
        file.write(f"[clusterd]\nstate_dir = {directory}/state\nrun_dir = {directory}\n")
    os.chmod(conf, 0o644)
    command = [CLUSTERD, "--config", conf]
    if os.geteuid() == 0:  # its own network: nobody else's corosync, and no other clusterd
        command = ["unshare", "--net", "setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", *command]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            said = ""
            for line in process.stderr:
                said += line
                if "waiting for corosync" in line:
                    break
            assert "waiting for corosync" in said, said
            assert os.stat(f"/proc/{process.pid}/environ").st_uid == 0, "its core would be dumped"
            assert "core dump" not in said
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=20)
