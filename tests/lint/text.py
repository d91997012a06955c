# SPDX-License-Identifier: GPL-2.0-or-later
"""Checks that need only the text."""

import fnmatch
import os
import re

from tree import strip_c

CODE_SUFFIXES = (".c", ".h", ".py", ".sh", ".cmake")
SOFT_LINES = 400
HARD_LINES = 800


def code_files(tree):
    named = {f for f in tree.files() if f.endswith(CODE_SUFFIXES) or os.path.basename(f) == "CMakeLists.txt"}
    return sorted(named | set(tree.scripts("shell")) | set(tree.scripts("python")))


def spdx(tree):
    """Every source names its licence in its first three lines."""
    return [f"{path}:1: no 'SPDX-License-Identifier: GPL-2.0-or-later' in the first three lines"
            for path in code_files(tree)
            if not any("SPDX-License-Identifier: GPL-2.0-or-later" in line for line in tree.read(path).splitlines()[:3])]


def whitespace(tree):
    """No trailing blanks, no tabs in C, no CR, a newline at the end."""
    findings = []
    others = [f for f in tree.files() if f.endswith((".md", ".json", ".conf", ".service", ".txt", ".5", ".8", ".in"))]
    for path in sorted(set(code_files(tree) + others)):
        text = tree.read(path)
        if text and not text.endswith("\n"):
            findings.append(f"{path}: no newline at the end")
        for number, line in enumerate(text.split("\n"), 1):
            if line != line.rstrip():
                findings.append(f"{path}:{number}: blank or CR at the end of the line")
            if "\t" in line and path.endswith((".c", ".h", ".py")):
                findings.append(f"{path}:{number}: tab")
    return findings


def columns(tree):
    """C stays within 100 columns; rows of tables (between clang-format off and on) within 160."""
    findings = []
    for path in tree.c_files():
        limit = 100
        for number, line in enumerate(tree.read(path).splitlines(), 1):
            if "clang-format off" in line or "clang-format on" in line:
                limit = 160 if "clang-format off" in line else 100
            if len(line) > limit and "http" not in line:
                findings.append(f"{path}:{number}: {len(line)} columns; {limit} is the limit")
    return findings


def length(tree, notes=None):
    """One file, one idea: above 400 lines is worth a look (a note), above 800 an error."""
    findings = []
    for path in code_files(tree):
        lines = tree.read(path).count("\n")
        if lines > HARD_LINES:
            findings.append(f"{path}: {lines} lines; {HARD_LINES} is the limit: split it by ideas")
        elif lines > SOFT_LINES and notes is not None:
            notes.append(f"{path}: {lines} lines; about {SOFT_LINES} is a good size")
    return findings


BANNED = {
    r"\b(?:strcpy|strcat|sprintf|vsprintf|gets)\s*\(": "has no bound",
    r"\b(?:atoi|atol|atoll)\s*\(": "cannot report an error; use strtol with checks",
    r"\b(?:sleep|usleep|nanosleep|clock_nanosleep)\s*\(": "sleeping is not waiting for an event",
    r"\b(?:system|popen)\s*\(": "goes through a shell",
    r"\bNDEBUG\b": "checks stay on in release builds",
}


def banned(tree):
    """Calls that this project does without. A line that needs one says so: /* lint: allow NAME, because ... */"""
    findings = []
    for path in tree.c_files("base", "wire", "core", "adapters", "driver", "placement", "agents", "cli"):
        text = tree.read(path)
        raw = text.splitlines()
        for number, line in enumerate(strip_c(text).splitlines(), 1):
            for pattern, why in BANNED.items():
                match = re.search(pattern, line)
                if not match:
                    continue
                name = re.match(r"\w+", match.group(0)).group(0)
                near = raw[max(0, number - 3) : number]
                if not any(f"lint: allow {name}" in near_line for near_line in near):
                    findings.append(f"{path}:{number}: {name}: {why}")
    return findings


PRINTS_RAW = re.compile(r"\b(v?f?printf|vdprintf|dprintf|puts|fwrite|json_dumpf)\s*\(|\b(fputs)\s*\((?!\s*(?:\"|screen_(?:begin|end)\b))")


def print_(tree):
    """clusterctl prints by cli/output/print.h, which cleans; other calls write constants only, or say why they may."""
    findings = []
    for path in tree.c_files("cli"):
        text = tree.read(path)
        raw, bare = text.splitlines(), strip_c(text)
        for match in PRINTS_RAW.finditer(bare):
            name = match.group(1) or match.group(2)
            number = bare.count("\n", 0, match.start()) + 1
            if not any(f"lint: allow {name}" in line for line in raw[max(0, number - 3) : number]):
                findings.append(f"{path}:{number}: {name}: foreign text must not reach a terminal as it is: use print_text()")
    return findings


SETTING = re.compile(r"^\s*X\((\w+),\s*(\d+),\s*(\d+),\s*(\d+),\s*\"([^\"]*)\"", re.M)
SETTINGS_HEADER = "clusterd/core/model/settings.h"
SETTINGS_PAGE = "cli/man/clusterctl.8"


def setting_range(initial, least, most, unit):
    """Of a named choice the unit is its words: "off|auto"; hours are two numbers in one."""
    if unit == "hours":
        return f"{int(initial) // 100}-{int(initial) % 100}"
    if "|" in unit:
        return f"{unit.split('|')[int(initial) - int(least)]}, one of {unit}"
    return f"{initial}, from {least} to {most}"


def settings(tree):
    """clusterctl(8) has each setting of the cluster, with what it is at first and its limits, and no other."""
    wanted = {f"{key} Pq {setting_range(*limits)}" for key, *limits in SETTING.findall(tree.read(SETTINGS_HEADER))}
    page = tree.read(SETTINGS_PAGE).partition("\n.Sh CLUSTER SETTINGS\n")[2].partition("\n.Sh ")[0]
    found = set(re.findall(r"^\.It Cm (.*)$", page, re.M))
    if not wanted:
        return [f"{SETTINGS_HEADER}: no setting found there; what SETTING in tests/lint/text.py looks for has changed"]
    return [f"{SETTINGS_PAGE}: CLUSTER SETTINGS lacks '.It Cm {line}'" for line in sorted(wanted - found)] + [
        f"{SETTINGS_PAGE}: CLUSTER SETTINGS has '{line}', which {SETTINGS_HEADER} has not" for line in sorted(found - wanted)]


LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]+)[^)]*\)")
PLACEHOLDER = re.compile(r"(?<![A-Z])NAME(?![A-Z])")  # docs/: NAME stands for any name


def docs(tree):
    """Every path that docs/*.md and README.md name exists."""
    files = tree.files()
    known = set(files) | {os.path.basename(path) for path in files}
    for path in files:
        while path := os.path.dirname(path):
            known.add(path)
    tops = {path.partition("/")[0] for path in files if "/" in path}
    documents = [path for path in files if re.fullmatch(r"README\.md|docs/[^/]+\.md", path)]
    findings = [] if documents else ["README.md: not found, nor anything in docs/"]
    for document in documents:
        for number, line in enumerate(tree.read(document).splitlines(), 1):
            named = [os.path.normpath(os.path.join(os.path.dirname(document), target))
                     for target in LINK.findall(line) if "://" not in target]
            named += paths_of(LINK.sub("", line), tops)
            findings += [f"{document}:{number}: there is no {path}" for path in dict.fromkeys(named) if not is_there(path, known)]
    return findings


def paths_of(line, tops):
    """What a line names as a path: in backticks all that looks like one; elsewhere, as in a drawing or a command, what
    begins with a folder of the tree."""
    for text, marked in ((line, False), (" ".join(re.findall(r"`([^`]*)`", line)), True)):
        for word in re.split(r"[\s`|,;()<>\"']+", text):
            path = word.rstrip(".:/")
            if not re.fullmatch(r"[\w.*\[\]-]+(/[\w.*\[\]-]+)*", path) or path.startswith("build/"):
                continue
            if path.partition("/")[0] in tops and "/" in word or marked and re.search(r"/|.\.(c|h|py)$|\.\[ch\]$", path):
                yield path


def is_there(path, known):
    pattern = PLACEHOLDER.sub("*", path)
    return path in known or (pattern != path or "*" in path or "[" in path) and bool(fnmatch.filter(known, pattern))
