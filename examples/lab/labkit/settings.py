# SPDX-License-Identifier: GPL-2.0-or-later
"""What a lab is: its name, its directories, its nodes. One directory holds all of it.

    STATE/lab.json               settings, as `up` was called
    STATE/bmc.pid                pid and start time of the power controller (power.py)
    STATE/control.sock           where it listens to the lab's commands
    STATE/power.jsonl            what nodes asked of it and when (time.monotonic()); STATE/bmc.log is for people
    STATE/sockets/n1/            power.sock, watchdog; seen in the node as /run/lab
    STATE/authkey                corosync's key
    STATE/certificates/          the nodes' certificates and their authority (examples/configuration/certificates)
    STATE/nodes/n1/              the node's own disk: /etc, /var, ... kept over a power cut
    STATE/volumes/csv1/          what all nodes see as /srv/csv1 through a bindfs each
    STATE/stage/usr/             what cmake --install put there; laid over the host's /usr in each node
"""

import dataclasses
import ipaddress
import json
import os
import re
import uuid

from . import errors

STATE_ROOT = os.environ.get("CLUSTERD_LAB_STATE", "/var/lib/clusterd-lab")
MAX_NODES = 7
VOLUME = "csv1"
VOLUME_PATH = f"/srv/{VOLUME}"
NETWORK = ipaddress.ip_network("10.77.0.0/24")

LAB_DIR = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
REPOSITORY = os.path.dirname(os.path.dirname(LAB_DIR))


@dataclasses.dataclass
class Settings:
    """Everything about a lab that its parts need to know. Written once by `up`."""

    name: str = "lab"
    nodes: int = 3
    token_ms: int = 1000
    consensus_ms: int = 0  # 0 = corosync's default, 1.2 x token
    memory_mb: int = 1024
    cpus: int = 4
    self_fence_ms: int = 0  # 0 = clusterd's default
    watchdog: bool = True
    clusterd: bool = True
    shared_locks: bool = True  # locks on the volume's files reach the other nodes
    boot_id: str = ""
    cgroup_base: str = ""

    @property
    def state(self):
        return os.path.join(STATE_ROOT, self.name)

    def path(self, *names):
        return os.path.join(self.state, *names)

    @property
    def node_names(self):
        return [f"n{i}" for i in range(1, self.nodes + 1)]

    def node_id(self, node):
        return int(node[1:])

    def address(self, node):
        return str(NETWORK[self.node_id(node)])

    def node_uuid(self, node):
        """The host's UUID and machine-id: stable over power cuts, different for each node and lab."""
        return uuid.uuid5(uuid.NAMESPACE_DNS, f"{node}.{self.name}.lab.clusterd.org")

    def check_node(self, node):
        if node not in self.node_names:
            raise errors.LabError(f"lab '{self.name}' has no node '{node}'; it has {', '.join(self.node_names)}")
        return node

    def save(self):
        path = self.path("lab.json")
        with open(path + ".part", "w", encoding="utf-8") as file:
            json.dump(dataclasses.asdict(self), file, indent=1)
        os.rename(path + ".part", path)


def check_name(name):
    # It becomes part of paths (an overlay's options cannot hold ',' and ':'), of a cgroup and of a socket's path (108 bytes).
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,19}", name):
        raise errors.LabError(f"bad lab name '{name}': up to 20 letters, digits, '-' and '_'")
    if not re.fullmatch(r"/[A-Za-z0-9._/-]{1,40}", STATE_ROOT):
        raise errors.LabError(f"CLUSTERD_LAB_STATE is '{STATE_ROOT}': an absolute path of up to 40 plain characters is needed")
    return name


def load(name):
    """The settings of a lab that is up (or was, before a crash)."""
    check_name(name)
    try:
        with open(os.path.join(STATE_ROOT, name, "lab.json"), encoding="utf-8") as file:
            return Settings(**json.load(file))
    except FileNotFoundError:
        raise errors.LabError(f"lab '{name}' is not up; start it with: lab --lab {name} up") from None
    except (TypeError, ValueError) as error:
        raise errors.LabError(f"lab '{name}' was started by another version ({error}); run: lab --lab {name} down") from None
