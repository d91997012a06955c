# SPDX-License-Identifier: GPL-2.0-or-later
"""Boots one node: from a process of the power controller to PID 1 of a new machine. Run as: python3 -m labkit.boot LAB NODE

    controller ── spawns ──▶ P (this process, in the switch's network namespace)
                              │ makes the cable (a veth pair), forks
                              ├──▶ C leaves for new namespaces, waits for its end of the cable,
                              │      builds the mounts, changes the root, forks
                              │      └──▶ D is PID 1 of the node: mounts /proc, becomes tini
                              └─ prints D's pid (as the host counts) and ends

The node's processes are in its cgroup from the start, so nothing of it can escape a power cut.
"""

import contextlib
import os
import subprocess
import sys
import traceback

from . import cgroup, kernel, network, settings as lab_settings

# The device nodes a node may see. Not the host's watchdog, disks or kernel log.
DEVICES = {"null": (1, 3), "zero": (1, 5), "full": (1, 7), "random": (1, 8), "urandom": (1, 9), "tty": (5, 0), "fuse": (10, 229),
           "net/tun": (10, 200)}
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
# tini, because PID 1 must reap: libvirt waits 40 s for a QEMU that stays a zombie after each migration.
INIT = ("/usr/bin/tini", "--", "/usr/bin/python3", "/usr/lib/clusterd-lab/node_init.py")


def main():
    settings = lab_settings.load(sys.argv[1])
    node = settings.check_node(sys.argv[2])
    for program in INIT[0], INIT[2]:
        if not os.path.exists(program):
            sys.exit(f"node {node}: the program {program} is missing; as root run: tools/packages.sh run")
    cgroup.Group(settings.cgroup_base, cgroup.ROOT_PREFIX + settings.name, node).enter()
    network.make_cable(node)

    left_read, left_write = os.pipe()
    cable_read, cable_write = os.pipe()
    pid_read, pid_write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(left_read)
        os.close(cable_write)
        os.close(pid_read)
        _guarded(lambda: _leave(settings, node, left_write, cable_read, pid_write))
    os.close(left_write)
    os.close(cable_read)
    os.close(pid_write)
    if os.read(left_read, 1) != b"1":
        sys.exit(f"node {node}: could not leave for its own namespaces")
    network.plug_cable(node, child)
    os.write(cable_write, b"1")
    pid = os.read(pid_read, 32)
    os.waitpid(child, 0)
    if not pid:
        sys.exit(f"node {node}: did not boot, see above")
    print(pid.decode(), flush=True)


def _guarded(step):
    """Runs a forked child's step; a child must never return into its parent's code."""
    try:
        step()
    except BaseException:  # pylint: disable=broad-except
        traceback.print_exc()
    os._exit(1)


def _leave(settings, node, left_write, cable_read, pid_write):
    kernel.unshare(kernel.CLONE_NEWNET | kernel.CLONE_NEWNS | kernel.CLONE_NEWUTS | kernel.CLONE_NEWIPC)
    os.write(left_write, b"1")
    if os.read(cable_read, 1) != b"1":
        return
    kernel.sethostname(node)
    network.configure_node(node, settings.address(node), lab_settings.NETWORK.prefixlen)
    # A host run by systemd has shared mounts: without this line the node's mounts would show up on the host.
    kernel.mount(None, "/", None, kernel.MS_REC | kernel.MS_PRIVATE)
    root = settings.path("nodes", node)
    _build_root(settings, node, root)
    kernel.pivot_root(root)
    # Last, as the first child after it is PID 1 and the namespace ends with it: no command may be run in between.
    kernel.unshare(kernel.CLONE_NEWPID)
    init = os.fork()
    if init == 0:
        os.close(pid_write)
        _guarded(lambda: _become_init(node))
    os.write(pid_write, str(init).encode())
    os._exit(0)


def _build_root(settings, node, root):
    kernel.bind(root, root)
    # The staged clusterd is laid over the host's /usr: same paths as installed, and the host is not touched.
    stage = settings.path("stage", "usr")
    kernel.mount("overlay", f"{root}/usr", "overlay", kernel.MS_RDONLY, f"lowerdir={stage}:/usr")
    for entry in os.scandir("/"):
        shared = entry.is_dir(follow_symlinks=False) and entry.name not in _OWN
        if shared and os.path.isdir(f"{root}/{entry.name}"):
            # What cannot be shared (somebody else's FUSE mount) is not needed either.
            with contextlib.suppress(OSError):
                kernel.bind(entry.path, f"{root}/{entry.name}")
    kernel.bind("/tmp", f"{root}/tmp")
    kernel.bind("/etc", f"{root}/mnt/host-etc", read_only=True)
    kernel.bind(settings.path("volumes"), f"{root}/mnt/array")
    kernel.mount("sysfs", f"{root}/sys", "sysfs", kernel.MS_RDONLY | kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC)
    kernel.mount("tmpfs", f"{root}/run", "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV, "mode=755")
    for directory in ("lab", "lock"):
        os.mkdir(f"{root}/run/{directory}")
    kernel.bind(settings.path("sockets", node), f"{root}/run/lab")
    build_dev(f"{root}/dev")


_OWN = ("dev", "etc", "mnt", "proc", "run", "srv", "sys", "tmp", "usr", "var", "lost+found")


def build_dev(dev):
    kernel.mount("tmpfs", dev, "tmpfs", kernel.MS_NOSUID, "mode=755")
    os.mkdir(f"{dev}/net")
    for name, (major, minor) in DEVICES.items():
        os.mknod(f"{dev}/{name}", 0o666 | 0o020000, os.makedev(major, minor))
        os.chmod(f"{dev}/{name}", 0o666)
    for directory in ("shm", "pts"):
        os.mkdir(f"{dev}/{directory}")
    # Own shared memory: corosync's and libqb's buffers must not meet those of another node or of the host, and must be gone
    # after a power cut.
    kernel.mount("tmpfs", f"{dev}/shm", "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV, "mode=1777")
    kernel.mount("devpts", f"{dev}/pts", "devpts", kernel.MS_NOSUID | kernel.MS_NOEXEC, "newinstance,ptmxmode=0666,mode=620,gid=5")
    for name, target in (("ptmx", "pts/ptmx"), ("fd", "/proc/self/fd"), ("stdin", "/proc/self/fd/0"),
                         ("stdout", "/proc/self/fd/1"), ("stderr", "/proc/self/fd/2")):
        os.symlink(target, f"{dev}/{name}")


def _become_init(node):
    os.setsid()
    kernel.mount("proc", "/proc", "proc", kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC)
    null = os.open("/dev/null", os.O_RDWR)
    log = os.open("/var/log/init.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(null, 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.closerange(3, 256)
    environment = {"PATH": PATH, "HOME": "/root", "LANG": "C.UTF-8", "container": "clusterd-lab"}
    os.execve(INIT[0], [*INIT, node], environment)


if __name__ == "__main__":
    try:
        main()
    except (OSError, subprocess.CalledProcessError) as problem:
        sys.exit(f"boot of {sys.argv[2]} in lab {sys.argv[1]}: {problem}")
