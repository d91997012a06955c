# SPDX-License-Identifier: GPL-2.0-or-later
"""clusterd.service: closed as far as its agents allow, and no further.

That all of it works together, with systemd, libvirt and a real fence agent, is shown by tests/system/test_first_cluster.py.
"""

import functools
import os
import re
import shutil
import subprocess

import pytest

UNIT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..", "packaging", "clusterd.service")
MOST_EXPOSURE = 59  # tenths

# What each setting would take away. None of them may appear, unless with a value that leaves it.
NEEDED = {
    "PrivateDevices": "the watchdog, local IPMI, disks of fence_sbd",
    "DevicePolicy": "the same",
    "DeviceAllow": "the same: one entry shuts out all other devices",
    "ProtectClock": "the same: it implies an entry of DeviceAllow",
    "ProtectHome": "volumes below /home, keys of agents in /root",
    "ReadOnlyPaths": "volumes anywhere",
    "InaccessiblePaths": "volumes anywhere",
    "TemporaryFileSystem": "volumes anywhere",
    "RootDirectory": "volumes anywhere",
    "MountFlags": "volumes that are mounted later",
    "ProcSubset": "/proc/meminfo and /proc/stat",
    "ProtectProc": "processes of libvirt and QEMU",
    "PrivateNetwork": "fence devices, other nodes' libvirt",
    "IPAddressDeny": "fence devices, other nodes' libvirt",
    "PrivateUsers": "files that belong to QEMU's user",
    "PrivateIPC": "libqb's shared memory",
    "NoNewPrivileges": "AppArmor's transitions to agents",
    "RestrictRealtime": "clusterd's priority",
    "RestrictSUIDSGID": "directories of TPMs, whose mode may have such a bit",
    "MemoryDenyWriteExecute": "ctypes of fence agents",
    "User": "all of it",
    "DynamicUser": "all of it",
}
CAPABILITIES = {
    "CAP_SYS_PTRACE", "CAP_KILL", "CAP_CHOWN", "CAP_FOWNER", "CAP_FSETID", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH",
    "CAP_SETUID", "CAP_SETGID", "CAP_SETPCAP", "CAP_SYS_NICE", "CAP_IPC_LOCK", "CAP_SYS_RESOURCE", "CAP_NET_RAW",
    "CAP_NET_ADMIN", "CAP_NET_BIND_SERVICE", "CAP_SYS_ADMIN", "CAP_SYS_RAWIO", "CAP_AUDIT_WRITE",
}
# Those of clusterd's and its agents' own calls that a filter of systemd's groups could shut out.
CALLS = {
    "mlockall", "sched_setscheduler", "setrlimit", "prlimit64", "prctl", "vfork", "execve", "memfd_create", "pidfd_open",
    "pidfd_send_signal", "kill", "flock", "fcntl", "ioctl", "statx", "statfs", "fstatfs", "fsync", "fdatasync",
    "copy_file_range", "fallocate", "renameat", "renameat2", "linkat", "unlinkat", "chown", "fchown", "fchownat", "chmod",
    "fchmod", "mknodat", "utimensat", "setpgid", "setsid", "setuid", "setgid", "setgroups", "setresuid", "setresgid",
    "getrandom", "shutdown", "sendmsg", "recvmsg", "bind", "listen", "accept4", "epoll_wait", "timerfd_create", "eventfd2",
    "io_uring_setup", "io_setup", "clock_gettime", "clock_nanosleep", "umask", "sched_getaffinity", "posix_fadvise",
    "fadvise64", "sync_file_range", "madvise", "mprotect",
}
FAMILIES = {"AF_UNIX", "AF_INET", "AF_INET6", "AF_NETLINK", "AF_PACKET"}

pytestmark = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")


def analyze(*words):
    return subprocess.run(["systemd-analyze", "--no-pager", *words], capture_output=True, text=True, check=False,
                          env={**os.environ, "LC_ALL": "C.UTF-8"})


def settings():
    """{name: [value, ...]} of the section [Service]."""
    found = {}
    with open(UNIT, encoding="utf-8") as file:
        section = file.read().partition("[Service]\n")[2].partition("\n[")[0]
    for line in section.splitlines():
        if line and not line.startswith("#"):
            name, _, value = line.partition("=")
            found.setdefault(name, []).append(value)
    return found


def denied(name):
    """The words of a list that is taken away, from all of its lines."""
    values = settings()[name]
    assert all(value.startswith("~") for value in values), f"{name} names what is left, not what is taken away"
    return {word for value in values for word in value[1:].split()}


@functools.lru_cache(maxsize=None)
def calls_of(group):
    said = analyze("syscall-filter", group)
    assert said.returncode == 0, said.stderr
    words = {line.strip() for line in said.stdout.splitlines()[1:] if not line.strip().startswith("#")} - {""}
    return {call for word in words for call in (calls_of(word) if word.startswith("@") else {word})}


def test_systemd_understands_every_line(tmp_path):
    """Of a word that it does not know it only warns, and goes on without it."""
    copy = tmp_path / "clusterd.service"
    with open(UNIT, encoding="utf-8") as file:
        copy.write_text(file.read().replace("/usr/sbin/clusterd", "/bin/true"), encoding="utf-8")
    said = analyze("verify", "--man=no", "--recursive-errors=no", str(copy))
    assert not re.findall(r"^.*clusterd\.service:.*$", said.stderr, re.M), said.stderr


def test_it_is_no_more_open_than_before():
    said = analyze("security", "--offline=yes", f"--threshold={MOST_EXPOSURE}", UNIT)
    assert said.returncode == 0, said.stdout[-200:] + said.stderr


@pytest.mark.parametrize("name", NEEDED)
def test_nothing_is_taken_that_agents_need(name):
    assert name not in settings(), f"{name} takes away: {NEEDED[name]}"


def test_usr_and_etc_are_read_only_and_volumes_are_not():
    assert settings()["ProtectSystem"] == ["full"]


def test_capabilities_that_are_needed_stay():
    assert not denied("CapabilityBoundingSet") & CAPABILITIES


def test_calls_that_are_needed_stay():
    for group in denied("SystemCallFilter"):
        assert not calls_of(group) & CALLS, group


def test_a_call_that_is_shut_out_fails_and_ends_nobody():
    assert settings()["SystemCallErrorNumber"] == ["EPERM"]


def test_kinds_of_sockets_that_are_needed_stay():
    assert FAMILIES <= set(settings()["RestrictAddressFamilies"][0].split())
