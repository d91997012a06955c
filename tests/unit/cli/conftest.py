# SPDX-License-Identifier: GPL-2.0-or-later
import pytest

from harness import Cluster


@pytest.fixture
def cluster(tmp_path):
    it = Cluster(tmp_path)
    yield it
    it.close()


METADATA = """<?xml version="1.0" ?>
<resource-agent name="{name}" shortdesc="a fence agent">
<parameters>
 <parameter name="action" unique="0" required="1">
  <shortdesc lang="en">not the name="port_as_ip"</shortdesc>
 </parameter>
{parameters}
</parameters>
<actions><action name="off" /><action name="status" /></actions>
</resource-agent>"""


@pytest.fixture(autouse=True)
def fence_agents(tmp_path, monkeypatch):
    """Agents that do nothing but describe themselves, as those of ClusterLabs do."""
    directory = tmp_path / "sbin"
    directory.mkdir()
    takes = {"fence_x": ["ip", "plug"], "fence_old": ["ipaddr", "port"], "fence_ipmilan": ["ip", "plug", "port_as_ip"],
             "fence_fixed": ["status_file"], "fence_kdump": ["nodename"]}
    for name, parameters in takes.items():
        text = METADATA.format(name=name, parameters="\n".join(f'<parameter name="{p}" unique="0" required="0">' for p in parameters))
        (directory / name).write_text(f"#!/bin/sh\n[ \"$*\" = '-o metadata' ] || exit 1\ncat <<'E'\n{text}\nE\n")
    (directory / "fence_broken").write_text("#!/bin/sh\necho 'no module named fencing' >&2\nexit 1\n")
    for path in directory.iterdir():
        path.chmod(0o755)
    (directory / "fence_locked").write_text("")
    monkeypatch.setenv("CLUSTERD_FENCE_AGENT_DIR", str(directory))
