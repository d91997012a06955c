# SPDX-License-Identifier: GPL-2.0-or-later
"""The switch and its cables. The switch's namespace is the power controller's own: the host sees no bridge and no port.

A node has one cable, a veth pair: port-NODE at the switch, eth0 in the node. A node is cut off by taking its port
down; the network falls into parts by moving the ports to a bridge for each part. The lab itself never uses this network.
"""

import contextlib
import subprocess

MAIN_BRIDGE = "bridge0"


def ip(*words, check=True):
    done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    if check and done.returncode != 0:
        raise OSError(f"ip {' '.join(words)}: {done.stderr.strip()}")
    return done.returncode == 0


def make_switch():
    ip("link", "set", "lo", "up")
    _make_bridge(MAIN_BRIDGE)


def _make_bridge(name):
    # No spanning tree and no forward delay: a port that comes up carries traffic at once. No multicast snooping: nobody asks.
    ip("link", "add", name, "type", "bridge", "stp_state", "0", "forward_delay", "0", "mcast_snooping", "0")
    ip("link", "set", name, "up")


def port(node):
    return f"port-{node}"


def make_cable(node):
    # The kernel takes a dead node's cable away a moment after the node; a new boot may be faster.
    remove_cable(node)
    ip("link", "add", port(node), "type", "veth", "peer", "name", f"end-{node}")


def plug_cable(node, pid):
    ip("link", "set", f"end-{node}", "netns", str(pid))


def remove_cable(node):
    ip("link", "del", port(node), check=False)


def configure_node(node, address, prefix_length):
    """In the node's namespace."""
    ip("link", "set", "lo", "up")
    ip("link", "set", f"end-{node}", "name", "eth0")
    # No IPv6 on it: router solicitations and duplicate detection would be the only traffic that is not the cluster's.
    with contextlib.suppress(OSError), open("/proc/sys/net/ipv6/conf/eth0/disable_ipv6", "w", encoding="ascii") as file:
        file.write("1")
    ip("address", "add", f"{address}/{prefix_length}", "dev", "eth0")
    ip("link", "set", "eth0", "up")


class Switch:
    """The ports' wanted state, kept over power cuts of nodes. Lives in the power controller."""

    def __init__(self):
        self.cut = set()
        self.part_of = {}
        make_switch()
        self._bridges = {MAIN_BRIDGE}

    def connect(self, node):
        """Brings the port of a node that has just booted to where it should be."""
        bridge = f"bridge{self.part_of.get(node, 0)}"
        if bridge not in self._bridges:
            _make_bridge(bridge)
            self._bridges.add(bridge)
        ip("link", "set", port(node), "master", bridge)
        ip("link", "set", port(node), "down" if node in self.cut else "up")

    def set_cut(self, node, cut, alive):
        (self.cut.add if cut else self.cut.discard)(node)
        if alive:
            ip("link", "set", port(node), "down" if cut else "up")

    def set_parts(self, parts, alive):
        """parts: list of lists of nodes. Each part hears only itself; nodes not named stay in the first part."""
        self.part_of = {node: index for index, part in enumerate(parts) for node in part}
        for node in alive:
            self.connect(node)
