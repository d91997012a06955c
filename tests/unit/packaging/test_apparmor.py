# SPDX-License-Identifier: GPL-2.0-or-later
"""AppArmor's profile for clusterd: the parser takes it, it only complains, and it knows the paths that clusterd has in its sources."""

import os
import re
import shutil
import subprocess

import pytest

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..")
PROFILE = os.path.join(ROOT, "packaging", "apparmor", "usr.sbin.clusterd")
# Paths of the sources that are not opened by clusterd, or that abstractions/base allows.
ELSEWHERE = re.compile(r"/domain/|/usr/lib/ocf$|/usr/sbin$|/dev/null$")
AGENTS = ("/usr/lib/ocf/resource.d/clusterd/vm", "/usr/lib/ocf/resource.d/clusterd/volume", "/usr/sbin/fence_ipmilan")
PARSER = shutil.which("apparmor_parser", path=os.environ["PATH"] + ":/usr/sbin:/sbin")


def text():
    with open(PROFILE, encoding="utf-8") as file:
        return file.read()


def pattern(glob):
    """AppArmor's glob as a regular expression."""
    for name, value in {"@{sys}": "/sys", "@{PROC}": "/proc", "@{pids}": "[0-9]*", "@{pid}": "[0-9]*"}.items():
        glob = glob.replace(name, value)
    out = ""
    for part in re.findall(r"\*\*|\[[^]]*\]\*?|.", glob):
        out += {"**": ".*", "*": "[^/]*", "{": "(?:", "}": ")", ",": "|"}.get(part) or (part if part[0] == "[" else re.escape(part))
    return re.compile(out)


def rules():
    return [(pattern(glob), mode) for glob, mode in re.findall(r"^  ([/@]\S*) ([a-zA-Z]+),$", text(), re.M)]


def modes(path):
    return {mode for glob, mode in rules() if glob.fullmatch(path)}


def paths_in_sources():
    for directory, _, names in os.walk(os.path.join(ROOT, "clusterd")):
        for name in names:
            if name.endswith((".c", ".h")):
                with open(os.path.join(directory, name), encoding="utf-8") as file:
                    code = re.sub(r"/\*.*?\*/", "", file.read(), flags=re.S)
                    for path in re.findall(r'"(/[a-z][^" ]+)"', code):
                        if not ELSEWHERE.match(path):
                            yield re.sub(r"%[a-z]|(?<=/proc/)self", "7", path)


@pytest.mark.skipif(PARSER is None, reason="apparmor_parser is not installed")
def test_the_parser_takes_it():
    said = subprocess.run([PARSER, "--skip-kernel-load", "--skip-cache", PROFILE], capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stderr
    said = subprocess.run([PARSER, "--names", PROFILE], capture_output=True, text=True, check=False)
    assert said.stdout.split() == ["clusterd"]


def test_it_only_complains():
    (flags,) = re.findall(r"^profile clusterd /usr/sbin/clusterd flags=\((.*)\)", text(), re.M)
    assert "complain" in flags.split(",")


@pytest.mark.parametrize("agent", AGENTS)
def test_agents_run_unconfined(agent):
    assert modes(agent) == {"Ux"}


def test_nothing_else_runs():
    assert {mode for _, mode in rules() if "x" in mode.lower()} == {"Ux"}
    assert not modes("/bin/sh") and not modes("/usr/sbin/sshd")


@pytest.mark.parametrize("path", sorted(set(paths_in_sources())))
def test_paths_of_the_sources_are_known(path):
    assert modes(path) or modes(path + "/"), f"{path}: the profile has no rule for it"


def test_files_are_written_only_where_they_belong():
    for path in ("/etc/clusterd/clusterd.conf", "/etc/group", "/usr/sbin/clusterd"):
        assert all("w" not in mode for mode in modes(path))
    assert "rwk" in modes("/var/lib/clusterd/cluster.db-wal") and not modes("/var/lib/other/cluster.db") and not modes("/etc/shadow")
