# SPDX-License-Identifier: GPL-2.0-or-later
"""Checks that run a tool: formatter, static analysers, shellcheck, mandoc."""

import json
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

from tree import Skipped, run

# By default the path-sensitive analyser explores 225000 states of each function. A tenth of that finds the same here, in a
# sixth of the time.
ANALYSER = [f"--extra-arg={word}" for word in ("-Xclang", "-analyzer-config", "-Xclang", "max-nodes=20000")]
FORMAT_VERSION = "14"
# False findings of versions later than those of Debian 12 and 13: an array that a loop fills counts as not initialised, an index
# behind CHECK() as unbounded, a divisor behind its own test as zero; a macro leaves one half of a comma unused.
NEWER_CPPCHECK = (((2, 10), "--suppress=uninitvar"), ((2, 17), "--suppress=arrayIndexOutOfBoundsCond"),
                  ((2, 17), "--suppress=zerodiv"), ((2, 17), "--suppress=constStatement"))
NEWER_TIDY = (((19, 99), "--checks=-clang-analyzer-security.ArrayBound,-clang-analyzer-core.DivideZero"),)
FINDING = re.compile(r"^.*:\d+:\d+: (?:warning|error):.*$", re.M)


def relative(tree, text):
    return text.replace(tree.root + "/", "")


def formatter():
    """The formatter of the version that the sources follow. Changes by another version are not findings."""
    for program in (f"clang-format-{FORMAT_VERSION}", "clang-format"):
        try:
            said = subprocess.run([program, "--version"], stdout=subprocess.PIPE, text=True, check=False).stdout
        except FileNotFoundError:
            continue
        version = re.search(r"version (\d+)", said)
        if version and version.group(1) == FORMAT_VERSION:
            return program
        raise Skipped(f"{program} is version {version.group(1) if version else '?'}; the sources are as {FORMAT_VERSION} writes them")
    raise FileNotFoundError("clang-format")


def format_(tree):
    """clang-format 14 would change nothing."""
    files = tree.c_files()
    if not files:
        return []
    program = formatter()
    status, out = run(tree, program, "--dry-run", "--Werror", *files)
    if status == 0:
        return []
    places = [line.split(" error:")[0] for line in out.splitlines() if " error:" in line]
    worst = {}
    for place in places:
        worst.setdefault(place.split(":")[0], place)
    return [f"{place} not as clang-format writes it: {program} -i {path}" for path, place in worst.items()] or [out.strip()]


def compiled_sources(tree):
    """The sources in the build's compile_commands.json, each once, only those of this tree."""
    with open(os.path.join(tree.build, "compile_commands.json"), encoding="utf-8") as file:
        sources = {os.path.realpath(os.path.join(entry["directory"], entry["file"])) for entry in json.load(file)}
    root = os.path.realpath(tree.root) + "/"
    return sorted(source for source in sources if source.startswith(root))


def tidy(tree):
    """clang-tidy with the short list of .clang-tidy; also holds functions to 70 lines."""
    options = [*ANALYSER, *newer(tree, "clang-tidy", NEWER_TIDY)]

    def one(source):
        status, out = run(tree, "clang-tidy", "-p", tree.build, "--quiet", *options, source)
        found = list(dict.fromkeys(FINDING.findall(out)))
        return found or ([f"{source}: clang-tidy failed: {out.strip()[-400:]}"] if status else [])

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = [line for lines in pool.map(one, compiled_sources(tree)) for line in lines]
    return [relative(tree, line) for line in dict.fromkeys(found)]


def newer(tree, program, table):
    """What of a table of (version, word) is for a later version of the program than that."""
    _, said = run(tree, program, "--version")
    version = re.search(r"(\d+)\.(\d+)", said)
    return [word for limit, word in table if version and tuple(map(int, version.groups())) > limit]


def cppcheck(tree):
    """cppcheck: warnings, performance, portability."""
    if not tree.c_files():
        return []
    status, out = run(tree, "cppcheck", "-q", "--enable=warning,performance,portability", "--inline-suppr", "--std=c11",
                      "--error-exitcode=1", f"-j{os.cpu_count()}", "--suppress=missingIncludeSystem", "-D_GNU_SOURCE",
                      '-DCLUSTERD_VERSION=""', *newer(tree, "cppcheck", NEWER_CPPCHECK),
                      # it knows neither the cleanup attribute nor that CHECK() does not return, and sees a member of
                      # a structure uninitialised that its initialiser leaves out
                      "--suppress=memleak", "--suppress=nullPointerRedundantCheck", "--suppress=legacyUninitvar",
                      # whether CHECK() and assert_non_null() return is what it cannot know; from 2.13 on it asks after each
                      # fopen() and malloc(), and takes what lies behind fclose() in such an expression for a use
                      "--suppress=nullPointerOutOfMemory", "--suppress=nullPointerArithmeticOutOfMemory",
                      "--suppress=nullPointerOutOfResources", "--suppress=deallocuse",
                      # it says that it looked no further, which is no fault either
                      "--suppress=normalCheckLevelMaxBranches",
                      # a parameter that changes from turn to turn of a loop is no fault
                      "--suppress=uselessAssignmentPtrArg",
                      "--template={file}:{line}: {id}: {message}",
                      "-I.", "-Iclusterd", "-Itests", *[f for f in tree.c_files() if f.endswith(".c")])
    return [relative(tree, line) for line in out.splitlines() if line.strip()] if status else []


def shell(tree):
    """shellcheck, warnings and errors."""
    files = tree.scripts("shell")
    if not files:
        return []
    status, out = run(tree, "shellcheck", "--severity=warning", "--format=gcc", *files)
    return out.splitlines() if status else []


def python(tree):
    """Every Python file compiles."""
    findings = []
    for path in tree.scripts("python"):
        done = subprocess.run([sys.executable, "-c", "import sys; compile(open(sys.argv[1]).read(), sys.argv[1], 'exec')", path],
                              cwd=tree.root, stderr=subprocess.PIPE, text=True, check=False)
        if done.returncode:
            findings.append(f"{path}: {done.stderr.strip().splitlines()[-1]}")
    return findings


def man(tree):
    """mandoc finds nothing to warn about in the man pages."""
    files = [f for f in tree.files() if re.search(r"\.[1-8](\.in)?$", f) and not f.startswith("tests/")]
    if not files:
        return []
    _, out = run(tree, "mandoc", "-Tlint", "-Wwarning", *files)
    return [line for line in out.splitlines() if re.search(r": (WARNING|ERROR|UNSUPP|BADARG)", line)]
