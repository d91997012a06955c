# SPDX-License-Identifier: GPL-2.0-or-later
"""Three machines as Debian makes them: systemd boots, its units start the daemons, and nothing of clusterd is there yet.

The lab's nodes (examples/lab) are built for clusterd: their files are filled in and a script starts their daemons. These here are a
stranger's machines, to try what the README tells him to do. All of them are namespaces:

    world     network and mount namespace: a bridge (the switch), a tmpfs (the machines' disks), the BMCs
     └ n1..   network, mount, pid, uts, ipc and cgroup namespace; its root is an overlay over the host's root

A BMC is ipmi_sim of OpenIPMI. It speaks IPMI over LAN on an address of its own, and to switch a machine off it kills the
machine's cgroup. Ending the world's one process lets the kernel take away all of it.
"""

import contextlib
import os
import shutil
import subprocess
import tempfile
import time

from labkit import cgroup

HERE = os.path.dirname(os.path.abspath(__file__))
NAMES = ("n1", "n2", "n3")
USER, PASSWORD = "admin", "secret"
NSENTER = ("--mount", "--net", "--uts", "--ipc", "--pid", "--cgroup")

LAN_CONF = """name "{name}"
set_working_mc 0x20
  startlan 1
    addr {address} 623
    priv_limit admin
    allowed_auths_callback none md2 md5 straight
    allowed_auths_user none md2 md5 straight
    allowed_auths_operator none md2 md5 straight
    allowed_auths_admin none md2 md5 straight
    guid {guid:032x}
  endlan
  chassis_control "{chassis}"
  user 1 true "" "none" user 10 none md2 md5 straight
  user 2 true "{user}" "{password}" admin 10 none md2 md5 straight
"""
EMULATION = "mc_setbmc 0x20\nmc_add 0x20 0 no-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02\nmc_enable 0x20\n"
# What ipmi_sim calls as: get|set|check NAME [VALUE] ... Off is for good: a person switches the machine on again.
CHASSIS = """#!/bin/sh
group={group} verb=$1
shift
while [ $# -gt 0 ]; do
    case "$verb $1" in
    "get power") sed -n 's/^populated /power:/p' "$group/cgroup.events" ;;
    "set power") [ "$2" != 0 ] || echo 1 >"$group/cgroup.kill"; shift ;;
    set*) shift ;;
    esac
    shift
done
"""


def _run(*words, **more):
    return subprocess.run(words, check=True, capture_output=True, text=True, **more).stdout


class Machine:
    def __init__(self, world, name):
        self.world = world
        self.name = name
        self.number = int(name[1:])
        self.address = f"10.0.0.{self.number}"
        self.bmc = f"10.0.0.{10 + self.number}"
        self.group = cgroup.Group(world.cgroup_base, world.group_name, name)
        self.process = None  # unshare, whose only child is the machine's PID 1
        self.pid = None

    def boot(self):
        """Switches it on; returns when systemd says that it is up. Its disk is as it was left."""
        self.group.create()
        console = os.path.join(self.world.directory, f"{self.name}.console")
        self.process = subprocess.Popen(
            ["nsenter", f"--target={self.world.process.pid}", "--mount", "--net", "unshare", "--mount", "--net", "--uts", "--ipc", "--cgroup",
             "--pid", "--fork", "--kill-child", os.path.join(HERE, "machine-boot"), self.world.disks, self.name, self.world.shared, console],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, preexec_fn=self.group.enter)
        if self.process.stdout.readline() != "ready\n":
            raise RuntimeError(f"{self.name} does not boot")
        self.pid = next(pid for pid in self.group.pids() if _pid_inside(pid) == 1)
        self.world.plug(self)
        self.process.stdin.write("plugged\n")
        self.process.stdin.flush()
        # The machine's own word, which systemd gives when all units have been started (or have failed, as some do without hardware).
        until = time.monotonic() + 90
        while self.sh("systemctl is-system-running --wait || :", check=False).stdout.strip() not in ("running", "degraded"):
            if time.monotonic() > until:
                raise RuntimeError(f"{self.name} does not come up: see {console}")

    def cut_power(self):
        """All at once, as when somebody pulls the plug."""
        self.group.kill()
        if not self.group.wait("populated", False, 30):
            raise RuntimeError(f"{self.name} is not off")
        self.gone()

    def gone(self):
        if self.process:
            self.process.wait(30)
            self.process.stdin.close()
            self.process.stdout.close()
        self.process = self.pid = None

    @property
    def is_on(self):
        return self.group.event("populated")

    def command(self, *words):
        inside = [f"{option}" for option in NSENTER]
        return ["nsenter", f"--target={self.pid}", *inside, "env", "-i", "HOME=/root", "LANG=C.UTF-8", "TERM=dumb",
                "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "sh", "-c", 'cd /root && exec "$@"', "sh", *words]

    def sh(self, script, check=True, timeout=120):
        """What is typed on this machine, as root, in /root."""
        done = subprocess.run(self.command("bash", "-c", script), stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=timeout, check=False)
        if check and done.returncode != 0:
            raise AssertionError(f"{self.name}# {script}\n{done.stdout}{done.stderr}(exit status {done.returncode})")
        return done

    def path(self, path):
        """A file of the running machine, as this process sees it."""
        return f"/proc/{self.pid}/root{path if path.startswith('/') else '/root/' + path}"

    @contextlib.contextmanager
    def follow(self, *words):
        """The output of a command that goes on by itself, line by line."""
        process = subprocess.Popen(self.command(*words), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        try:
            yield process.stdout
        finally:
            process.kill()
            process.wait()
            process.stdout.close()


def _pid_inside(pid):
    """Its number in its own pid namespace."""
    with contextlib.suppress(OSError), open(f"/proc/{pid}/status", encoding="utf-8") as file:
        for line in file:
            if line.startswith("NSpid:"):
                numbers = line.split()[1:]
                return int(numbers[-1]) if len(numbers) > 1 else 0
    return 0


class World:
    """The switch, the power and the machines. A context manager; what is left of it in the end is nothing."""

    def __init__(self):
        self.directory = tempfile.mkdtemp(prefix="clusterd-machines.", dir="/var/tmp")
        self.group_name = f"clusterd-machines-{os.getpid()}"
        self.cgroup_base = cgroup.mount_point(os.path.join(self.directory, "cgroup"))
        self.disks = os.path.join(self.directory, "disks")
        self.shared = os.path.join(self.directory, "shared")
        self.process = None
        self.bmcs = []
        self.machines = {name: Machine(self, name) for name in NAMES}

    def __enter__(self):
        try:
            os.mkdir(self.disks)
            os.mkdir(self.shared, 0o755)
            self.process = subprocess.Popen(
                ["unshare", "--mount", "--net", "--propagation=private", "--kill-child", "sh", "-ec",
                 f"mount -t tmpfs -o mode=755 tmpfs {self.disks}; ip link set lo up; ip link add bridge0 type bridge stp_state 0 forward_delay 0; "
                 "ip link set bridge0 up; echo ready; exec sleep infinity"], stdout=subprocess.PIPE, text=True)
            if self.process.stdout.readline() != "ready\n":
                raise RuntimeError("the machines' network could not be made")
            self._start_bmcs()
            for machine in self.machines.values():
                machine.boot()
            return self
        except BaseException:
            self.__exit__(None, None, None)
            raise

    def __exit__(self, *_):
        for machine in self.machines.values():
            if machine.group.exists:
                machine.group.kill()
                machine.group.wait("populated", False, 30)
            machine.gone()
        for bmc in self.bmcs:
            bmc.kill()
            bmc.wait()
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process.stdout.close()
        cgroup.Group(self.cgroup_base, self.group_name).remove()
        shutil.rmtree(self.directory, ignore_errors=True)

    def inside(self, *words):
        return ["nsenter", f"--target={self.process.pid}", "--mount", "--net", *words]

    def plug(self, machine):
        """A cable from the switch to the machine, and the address that the machine's own configuration would give it."""
        port = f"port-{machine.name}"
        _run(*self.inside("ip", "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", str(machine.pid)))
        _run(*self.inside("ip", "link", "set", port, "master", "bridge0", "up"))

    def _start_bmcs(self):
        with open(os.path.join(self.directory, "emulation"), "w", encoding="utf-8") as file:
            file.write(EMULATION)
        for machine in self.machines.values():
            machine.group.create()
            _run(*self.inside("ip", "address", "add", f"{machine.bmc}/24", "dev", "bridge0"))
            base = os.path.join(self.directory, f"bmc-{machine.name}")
            os.mkdir(base)
            chassis = os.path.join(base, "chassis")
            with open(chassis, "w", encoding="utf-8") as file:
                file.write(CHASSIS.replace("{group}", machine.group.path))
            os.chmod(chassis, 0o755)
            with open(os.path.join(base, "lan.conf"), "w", encoding="utf-8") as file:
                file.write(LAN_CONF.format(name=machine.name, address=machine.bmc, guid=machine.number, chassis=chassis,
                                           user=USER, password=PASSWORD))
            log = open(os.path.join(base, "log"), "w", encoding="utf-8")  # pylint: disable=consider-using-with
            self.bmcs.append(subprocess.Popen(
                self.inside("ipmi_sim", "-n", "-c", os.path.join(base, "lan.conf"), "-f", os.path.join(self.directory, "emulation"), "-s", base),
                stdin=subprocess.DEVNULL, stdout=log, stderr=log))
            log.close()

    def copy(self, source, files, target, directory):
        """scp, without a network: from one machine's disk to another's."""
        for file in files:
            shutil.copy2(source.path(file), os.path.join(target.path(directory or "/root"), os.path.basename(file)))
