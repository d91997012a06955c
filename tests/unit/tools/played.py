#!/usr/bin/python3 -SB
# SPDX-License-Identifier: GPL-2.0-or-later
"""A Debian machine that is played, for tools/packages.sh: apt-get, dpkg and systemctl are this file under other names. They know
a handful of packages, and keep in /run/played what became of the machine.

The test mounts directories of its own over /run and the sbin directories first, so none of this reaches the real machine.
"""

import json
import os
import shutil
import subprocess
import sys

STATE = "/run/played"
POLICY = "/usr/sbin/policy-rc.d"
FORBIDDEN = 101


class Machine:
    """What is installed, enabled and running; which units a package brings; what apt-get is to do."""

    def __init__(self, directory=STATE):
        self.path = os.path.join(directory, "machine.json")
        self.installed = self.enabled = self.running = self.depends = self.rogues = self.heard = ()
        self.units = self.depends_of = {}
        self.hold, self.apt_status = False, 0
        with open(self.path, encoding="utf-8") as file:
            self.__dict__.update(json.load(file))

    def save(self):
        with open(self.path + ".part", "w", encoding="utf-8") as file:
            json.dump(self.__dict__, file)
        os.rename(self.path + ".part", self.path)


def policy():
    """What invoke-rc.d would hear: the exit status of policy-rc.d; 0, do as you like, if there is none."""
    return subprocess.run([POLICY, "a-service", "start"], check=False).returncode if os.path.exists(POLICY) else 0


def apt_get(machine, words):
    if "download" in words:
        for name in words[words.index("download") + 1:]:
            if not name.startswith("-") and "::" not in name:
                shutil.copy(f"{STATE}/{name}.deb", f"{name}_1_all.deb")
    if "install" not in words:
        return 0
    if machine.hold:
        # Opening this end tells the test that we are here; it closes the other when we may go on.
        with open(f"{STATE}/hold", encoding="ascii") as file:
            file.read()
    asked = [word for word in words[words.index("install") + 1:] if not word.startswith("-")]
    for name in [*asked, *machine.depends]:
        machine.installed.append(name)
        machine.heard.append(policy())
        for unit in set(machine.units.get(name, [])) - set(machine.enabled):
            machine.enabled.append(unit)
            if machine.heard[-1] != FORBIDDEN or unit in machine.rogues:
                machine.running.append(unit)
    machine.save()
    return machine.apt_status


def dpkg_query(machine, words):
    """-W -f=FORMAT [NAME]"""
    names = [word for word in words if not word.startswith("-")] or machine.installed
    for name in names:
        if name not in machine.installed:
            return 1
        print("ii  " + (name if "${Package}" in words[1] else ""))
    return 0


def dpkg(machine, words):
    """-L NAME"""
    for unit in machine.units.get(words[1], []):
        print(f"/lib/systemd/system/{unit}")
    return 0


def systemctl(machine, words):
    verb, unit = words[0], words[-1]
    if verb == "is-enabled":
        print("enabled" if unit in machine.enabled else "disabled")
    elif verb == "is-active":
        return 0 if unit in machine.running else 3
    else:
        {"disable": machine.enabled, "stop": machine.running}[verb].remove(unit)
        machine.save()
    return 0


def apt_cache(machine, words):
    """policy NAME, or depends --important NAME"""
    if words[0] == "policy":
        print("  Candidate: 1.0")
    else:
        print(words[-1], *(f"  Depends: {name}" for name in machine.depends_of.get(words[-1], [])), sep="\n")
    return 0


COMMANDS = {"apt-get": apt_get, "dpkg-query": dpkg_query, "dpkg": dpkg, "systemctl": systemctl, "apt-cache": apt_cache}

if __name__ == "__main__":
    sys.exit(COMMANDS[os.path.basename(sys.argv[0])](Machine(), sys.argv[1:]))
