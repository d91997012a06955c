# SPDX-License-Identifier: GPL-2.0-or-later
"""A node's own disk: the directory that becomes its root, with its configuration of corosync, libvirt and clusterd.

It outlives a power cut. What the node shares with the host (/usr, programs) is mounted over it when it boots (boot.py).
"""

import os
import shutil
import subprocess

from . import errors, settings as lab_settings

# Directories that a node has for itself. All other directories of the host's root are shared.
OWN = ("dev", "etc", "mnt", "proc", "run", "srv", "sys", "tmp", "usr", "var")
VAR_DIRECTORIES = (
    "cache/libvirt/qemu", "lib/clusterd", "lib/corosync", "lib/libvirt/images", "lib/libvirt/qemu", "lib/misc",
    "log/clusterd", "log/corosync", "log/libvirt/qemu", "tmp",
)
# What a node has for itself in /etc. All else there is a symbolic link to the host's.
OWN_ETC = ("clusterd", "corosync", "fstab", "hostname", "hosts", "libvirt", "machine-id", "mtab", "pki",
           "resolv.conf")


def make_authkey(settings):
    """corosync's key, the same on all nodes."""
    subprocess.run(["corosync-keygen", "-k", settings.path("authkey")], stdout=subprocess.DEVNULL, check=True)


def make_certificates(settings):
    """Once for all nodes, before their disks: what the README's reader does for his."""
    tool = os.path.join(lab_settings.REPOSITORY, "examples", "configuration", "certificates")
    done = subprocess.run([tool, settings.path("certificates"), *settings.node_names], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise errors.LabError(f"the nodes' certificates could not be made: {done.stderr.strip()}")


def create(settings, node):
    root = settings.path("nodes", node)
    for directory in OWN:
        os.makedirs(os.path.join(root, directory), exist_ok=True)
    for entry in os.scandir("/"):
        target = os.path.join(root, entry.name)
        if entry.name in OWN or entry.name == "lost+found" or os.path.lexists(target):
            continue
        if entry.is_symlink():
            os.symlink(os.readlink(entry.path), target)
        elif entry.is_dir():
            os.mkdir(target)
    for directory in VAR_DIRECTORIES:
        os.makedirs(os.path.join(root, "var", directory), exist_ok=True)
    for link, target in (("var/run", "/run"), ("var/lock", "/run/lock")):
        os.symlink(target, os.path.join(root, link))
    os.makedirs(os.path.join(root, lab_settings.VOLUME_PATH.lstrip("/")), exist_ok=True)
    os.makedirs(os.path.join(root, "mnt/array"), exist_ok=True)
    os.makedirs(os.path.join(root, "mnt/host-etc"), exist_ok=True)
    _fill_etc(settings, node, os.path.join(root, "etc"))


def _fill_etc(settings, node, etc):
    for entry in os.scandir("/etc"):
        if entry.name not in OWN_ETC:
            os.symlink(f"/mnt/host-etc/{entry.name}", os.path.join(etc, entry.name))
    # Each node must know all nodes by name: libvirt's p2p migration connects to the name. No resolver: a lookup that leaves the
    # machine would wait for seconds.
    hosts = ["127.0.0.1 localhost"] + [f"{settings.address(name)} {name}" for name in settings.node_names]
    _write(etc, "hosts", "\n".join(hosts) + "\n")
    _write(etc, "resolv.conf", "")
    _write(etc, "hostname", node + "\n")
    _write(etc, "machine-id", settings.node_uuid(node).hex + "\n")
    _write(etc, "fstab", "")
    os.symlink("/proc/self/mounts", os.path.join(etc, "mtab"))
    _write(etc, "corosync/corosync.conf", corosync_conf(settings))
    shutil.copy(settings.path("authkey"), os.path.join(etc, "corosync/authkey"))
    for name, text in libvirt_files(settings, node).items():
        _write(etc, f"libvirt/{name}", text)
    _write(etc, "clusterd/clusterd.conf", clusterd_conf(settings))
    subprocess.run(["tar", "-C", etc, "-xpf", settings.path("certificates", f"{node}.tar")], check=True)


def _write(etc, name, text):
    path = os.path.join(etc, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def corosync_conf(settings):
    nodes = "".join(f"""
    node {{
        nodeid: {settings.node_id(name)}
        name: {name}
        ring0_addr: {settings.address(name)}
    }}""" for name in settings.node_names)
    consensus = f"\n    consensus: {settings.consensus_ms}" if settings.consensus_ms else ""
    # token_coefficient 0: else the token grows by 650 ms with each node beyond two.
    # Below a token of 800 ms the default knet_ping_timeout (token/2) lets links flap every 9 s.
    return f"""totem {{
    version: 2
    cluster_name: lab
    transport: knet
    crypto_cipher: aes256
    crypto_hash: sha256
    token: {settings.token_ms}
    token_coefficient: 0{consensus}
    interface {{
        linknumber: 0
        knet_ping_interval: 200
        knet_ping_timeout: 800
    }}
}}
nodelist {{{nodes}
}}
quorum {{
    provider: corosync_votequorum{'''
    two_node: 1''' if settings.nodes == 2 else ''}
}}
logging {{
    to_stderr: yes
    to_syslog: no
    timestamp: hires
}}
"""


def libvirt_files(settings, node):
    # auth none on the unix sockets: Debian's default asks polkit, which does not run in a node.
    # host_uuid: all nodes have the machine's DMI UUID, and libvirt refuses to migrate between equal ones.
    # TCP as well, for tests of what it does.
    libvirtd = f"""listen_tls = 1
listen_tcp = 1
auth_tcp = "none"
auth_unix_ro = "none"
auth_unix_rw = "none"
host_uuid = "{settings.node_uuid(node)}"
log_outputs = "3:stderr"
"""
    # No cgroups and no mount namespace for each QEMU: a node has no cgroup of its own to give, and a private /dev for QEMU
    # would hide the node's. stdio_handler file: virtlogd does not run. No ownership: QEMU is root, and remembering owners in
    # xattrs on the volume would outlive a power cut. swtpm_user: only root reaches what a bindfs of root's shows. keepalive: a migration to a node that was cut off is given up after 6 s.
    qemu = """user = "root"
group = "root"
swtpm_user = "root"
dynamic_ownership = 0
remember_owner = 0
security_driver = "none"
cgroup_controllers = []
namespaces = []
stdio_handler = "file"
lock_manager = "lockd"
keepalive_interval = 1
keepalive_count = 5
"""
    return {
        "libvirtd.conf": libvirtd,
        "qemu.conf": qemu,
        "virtlockd.conf": 'log_outputs = "3:stderr"\n',
        "qemu-lockd.conf": "auto_disk_leases = 1\n",
        "libvirt.conf": 'uri_default = "qemu:///system"\n',
    }


def clusterd_conf(settings):
    # All nodes share one kernel and its /proc/meminfo, so the capacity is said here.
    return f"""[clusterd]
log_target = stderr
log_level = info
libvirt_uri = qemu:///system
watchdog = {"/run/lab/watchdog" if settings.watchdog else "none"}

[node]
memory_mb = {settings.memory_mb}
cpus = {settings.cpus}
"""


def remove(settings, node):
    shutil.rmtree(settings.path("nodes", node), ignore_errors=True)
