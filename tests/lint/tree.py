# SPDX-License-Identifier: GPL-2.0-or-later
"""The tree under check: its files, their kinds, and the part of the house that each belongs to."""

import os
import re
import subprocess

# Longest prefix first; the first match names the part.
PARTS = (
    ("clusterd/base/", "base"),
    ("clusterd/wire/", "wire"),
    ("clusterd/core/", "core"),
    ("clusterd/config/", "config"),
    ("clusterd/adapters/", "adapters"),
    ("clusterd/", "driver"),
    ("placement/", "placement"),
    ("resource-agents/", "agents"),
    ("cli/", "cli"),
    ("tests/", "tests"),
    ("examples/", "examples"),
)
# Files at the top of core that form rooms of their own; every other file belongs to the room of its folder.
ROOM_FILES = {"core.h": "core/shared", "outbox.h": "core/shared", "outbox.c": "core/shared", "timeouts.h": "core/shared",
              "core_internal.h": "core/inside", "context.h": "core/inside", "context.c": "core/inside",
              "pending.h": "core/inside", "pending.c": "core/inside", "telemetry.h": "core/inside", "telemetry.c": "core/inside"}
SKIPPED_DIRS = {".git", "build", "__pycache__", ".pytest_cache", ".cache", "node_modules"}


class Skipped(Exception):
    """A check cannot run here, and why; this is not a finding."""


class Tree:
    """A source tree and, for the checks that need one, a build directory made from it."""

    def __init__(self, root, build=None):
        self.root = os.path.abspath(root)
        self.build = os.path.abspath(build) if build else None
        self._files = None

    def files(self):
        """All files, as paths below the root, sorted."""
        if self._files is None:
            found = []
            for directory, names, files in os.walk(self.root):
                names[:] = sorted(n for n in names if n not in SKIPPED_DIRS)
                for name in files:
                    path = os.path.join(directory, name)
                    if os.path.isfile(path) and not os.path.islink(path):
                        found.append(os.path.relpath(path, self.root))
            self._files = sorted(found)
        return self._files

    def read(self, path):
        with open(os.path.join(self.root, path), encoding="utf-8", errors="surrogateescape", newline="") as file:
            return file.read()

    def c_files(self, *parts):
        """C sources and headers, of the named parts or of all."""
        return [f for f in self.files() if f.endswith((".c", ".h")) and (not parts or part_of(f) in parts)]

    def scripts(self, language):
        """Shell or Python files: by their suffix, or by what their first line calls."""
        suffix = {"python": ".py", "shell": ".sh"}[language]
        wanted = re.compile({"python": r"#!.*\bpython3?\b", "shell": r"#!.*/(env )?(ba|da)?sh\b"}[language])
        found = []
        for path in self.files():
            name = os.path.basename(path)
            if name.endswith(suffix):
                found.append(path)
            elif "." not in name or path.startswith(".ci/"):
                with open(os.path.join(self.root, path), "rb") as file:
                    if wanted.match(file.readline(200).decode("ascii", "replace")):
                        found.append(path)
        return found


def part_of(path):
    for prefix, part in PARTS:
        if path.startswith(prefix):
            return part
    return None


def room_of(path):
    """core/replica, adapters/ipc, ...: the folder within clusterd/, and for the top of core see ROOM_FILES."""
    folder, name = os.path.split(path.removeprefix("clusterd/"))
    return ROOM_FILES.get(name, folder) if folder == "core" else folder


def strip_c(text):
    """C with comments and the insides of strings blanked, line numbers kept."""

    def blank(match):
        found = match.group(0)
        if found.startswith("/"):
            return re.sub(r"[^\n]", " ", found)
        return found[0] + " " * (len(found) - 2) + found[-1]

    return re.sub(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', blank, text, flags=re.S)


def run(tree, *command, stdin=None):
    """Runs a tool in the tree's root; returns (exit status, what it printed)."""
    done = subprocess.run(command, cwd=tree.root, input=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, errors="replace", check=False)
    return done.returncode, done.stdout
