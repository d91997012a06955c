# SPDX-License-Identifier: GPL-2.0-or-later
"""The machine on which a lab is brought up: what a lab may not touch there (snapshot), and a machine that is played, with a
corosync and a libvirtd of its own that run beside a lab (PlayedHost)."""

import json
import os
import subprocess
import time

# Where corosync, libvirt and clusterd of the machine itself have their files.
PLACES = ("/etc", "/run/corosync", "/run/libvirt", "/run/clusterd", "/run/netns", "/var/lib/corosync", "/var/lib/libvirt",
          "/var/lib/clusterd", "/var/log/corosync", "/var/log/libvirt", "/var/cache/libvirt")
DAEMONS = ("corosync", "libvirtd", "virtlockd", "virtlogd", "clusterd", "dnsmasq")


def snapshot():
    """What must be the same before, while and after a lab is up, by kind."""
    return {"links": _links(), "routes": _ip("route"), "mounts": _mounts(), "files": _files(), "daemons": _daemons()}


def changes(before):
    """What is not as in that snapshot, one line each."""
    now = snapshot()
    return [f"{kind}: {sign} {entry}" for kind in before for sign, entry in
            [("gone:", entry) for entry in before[kind] if entry not in now[kind]]
            + [("new:", entry) for entry in now[kind] if entry not in before[kind]]]


def _ip(*words):
    done = subprocess.run(["ip", "-json", *words], stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout or "[]")


def _links():
    return [(link["ifname"], link["operstate"], [address["local"] for address in link["addr_info"]]) for link in _ip("address")]


def _mounts():
    with open("/proc/self/mountinfo", encoding="utf-8") as file:
        return [line.split()[4] for line in file]


def _files():
    found = []
    for place in PLACES:
        for directory, _, names in os.walk(place):
            for path in [directory, *(os.path.join(directory, name) for name in names)]:
                at = os.lstat(path)
                found.append((path, at.st_mode, at.st_ino, at.st_mtime_ns))
    return found


def _daemons():
    """Of this machine: in the mount namespace that we are in."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/comm", encoding="utf-8") as file:
                name = file.read().strip()
            if name in DAEMONS and os.readlink(f"/proc/{pid}/ns/mnt") == os.readlink("/proc/self/ns/mnt"):
                found.append((name, pid))
        except OSError:
            continue  # it has ended
    return found


COROSYNC_CONF = """totem {
    version: 2
    cluster_name: host
    transport: knet
    crypto_cipher: none
    crypto_hash: none
}
nodelist {
    node {
        nodeid: 1
        name: host
        ring0_addr: 127.0.0.1
    }
}
quorum {
    provider: corosync_votequorum
}
logging {
    to_stderr: yes
    to_syslog: no
}
"""
LIBVIRTD_CONF = 'auth_unix_ro = "none"\nauth_unix_rw = "none"\nlog_outputs = "3:stderr"\n'
# Not Debian's user libvirt-qemu: with that libvirtd probes QEMU for half a minute here, for whatever reason.
QEMU_CONF = 'user = "root"\ngroup = "root"\n'
DOMAIN = "<domain type='qemu'><name>hosts-own</name><memory unit='MiB'>64</memory><os><type arch='x86_64'>hvm</type></os></domain>"

# Its own files where those daemons have theirs, and a loopback of its own. Then it only stays.
SETUP = """set -e
for place in etc/corosync etc/libvirt var/lib/corosync var/lib/libvirt var/log/corosync var/log/libvirt var/cache/libvirt; do
    mkdir -p "$1/$place"
    mount --bind "$1/$place" "/$place"
done
mount -t tmpfs -o mode=755 tmpfs /run
mount -t tmpfs -o mode=1777 tmpfs /dev/shm
mkdir /run/lock
ip link set lo up
echo ready
exec sleep infinity
"""


class PlayedHost:
    """Namespaces of our own make, with corosync and libvirtd as Debian starts them. Use as a context manager."""

    def __init__(self, directory):
        self._directory = str(directory)
        self.daemons = []
        for name, text in (("corosync/corosync.conf", COROSYNC_CONF), ("libvirt/libvirtd.conf", LIBVIRTD_CONF),
                           ("libvirt/qemu.conf", QEMU_CONF)):
            path = os.path.join(self._directory, "etc", name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w", encoding="ascii") as file:
                file.write(text)
        unshare = ["unshare", "--mount", "--net", "--ipc", "--uts", "--propagation", "private"]
        self._holder = subprocess.Popen([*unshare, "sh", "-c", SETUP, "sh", self._directory], stdout=subprocess.PIPE, text=True)

    def __enter__(self):
        try:
            assert self._holder.stdout.readline() == "ready\n", "the played host could not be set up"
            for command in (["corosync", "-f"], ["libvirtd"]):
                with open(os.path.join(self._directory, f"{command[0]}.log"), "wb") as log:
                    self.daemons.append(subprocess.Popen(self._command(command), stdout=log, stderr=log))
            self._wait(lambda: self.quorum_nodes() == 1, "corosync")
            self._wait(lambda: self.run("virsh", "list").returncode == 0, "libvirtd")
            assert self.run("virsh", "define", "/dev/stdin", stdin=DOMAIN).returncode == 0
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for process in [*self.daemons, self._holder]:
            process.kill()
            process.wait()

    def _command(self, command):
        return ["nsenter", f"--target={self._holder.pid}", "--mount", "--net", "--ipc", "--uts", "--", *command]

    def _wait(self, condition, daemon, timeout_s=30):
        deadline = time.monotonic() + timeout_s
        while not condition():
            if time.monotonic() > deadline:
                with open(os.path.join(self._directory, f"{daemon}.log"), encoding="utf-8", errors="replace") as file:
                    raise AssertionError(f"the played host's {daemon} does not answer: {file.read()[-2000:]}")
            time.sleep(0.05)

    def run(self, *command, stdin="", timeout_s=60):
        return subprocess.run(self._command(command), input=stdin, capture_output=True, text=True, timeout=timeout_s, check=False)

    def quorum_nodes(self):
        """How many nodes its corosync sees; None if it does not answer, or has no quorum."""
        said = self.run("corosync-quorumtool", "-s").stdout
        rows = dict(line.split(":", 1) for line in said.splitlines() if ":" in line)
        return int(rows["Nodes"]) if rows.get("Quorate", "").strip() == "Yes" else None

    def is_as_it_was(self):
        """The same daemons run, know nothing of a lab, and have lost nothing of their own."""
        return (all(daemon.poll() is None for daemon in self.daemons) and self.quorum_nodes() == 1
                and self.run("virsh", "list", "--all", "--name").stdout.split() == ["hosts-own"])
