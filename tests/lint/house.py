# SPDX-License-Identifier: GPL-2.0-or-later
"""The rules of the house: who may include whom, and what the pure parts may call.

    base <- wire <- core <- driver        placement <- core        adapters see core and what lies below it
    cli and agents see base and wire only; cli sees placement too

The include check reads every #include; the symbol check reads what the compiler left undefined in the archives, so that
a declaration written by hand instead of an #include does not get past it.
"""

import os
import re
import subprocess

from tree import part_of, strip_c

MAY_SEE = {
    "base": {"base"},
    "wire": {"wire", "base"},
    "placement": {"placement", "base"},
    "core": {"core", "placement", "wire", "base"},
    # ipc/export.c writes down the problem that core hands to the engine: its types, no call.
    "adapters": {"adapters", "core", "placement", "wire", "base"},
    "driver": {"driver", "adapters", "core", "placement", "wire", "base"},
    # `clusterctl plan` runs the engine in its own process: nothing waits in clusterd while it thinks, and it does so for a
    # cluster in a file where no clusterd runs. placement knows no cluster, so clusterctl learns nothing that is not its own.
    "cli": {"cli", "placement", "wire", "base"},
    "agents": {"agents", "wire", "base"},
    "examples": {"examples"},
}

# Headers without a way to the world: types, limits, memory, errno. Nothing of I/O, clock, threads or floats; stdio.h is
# here for snprintf() alone, which the symbol check holds.
PURE = {"assert", "errno", "inttypes", "limits", "stdalign", "stdarg", "stdbool", "stddef", "stdint", "stdlib",
        "stdio", "stdnoreturn", "string"}
# None: anything goes but what FORBIDDEN names.
SYSTEM_HEADERS = {"core": PURE, "placement": PURE, "wire": PURE | {"endian", "jansson"},
                  "base": PURE | {"endian", "unistd", "fcntl", "sys/uio"}}
FORBIDDEN = {
    "adapters": ("libvirt/",),  # clusterd never links libvirt: whatever may hang runs in an agent
    "driver": ("libvirt/",),
    "cli": ("libvirt/", "corosync/", "sqlite3.h"),
    "agents": ("corosync/", "sqlite3.h"),
}

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*(?:"([^"\n]+)"|<([^>\n]+)>)', re.M)


def resolve(tree, path, include):
    """The file of the tree that an #include in path reaches, or None if it is a system header."""
    for base in (os.path.dirname(path), "", "clusterd"):
        candidate = os.path.normpath(os.path.join(base, include))
        if not candidate.startswith("..") and os.path.isfile(os.path.join(tree.root, candidate)):
            return candidate
    return None


def includes(tree):
    """Includes go one way."""
    findings = []
    for path in tree.c_files():
        part = part_of(path)
        if part not in MAY_SEE:
            continue
        text = tree.read(path)
        for match in INCLUDE.finditer(re.sub(r"/\*.*?\*/", lambda m: re.sub(r"[^\n]", " ", m.group(0)), text, flags=re.S)):
            where = f"{path}:{text.count(chr(10), 0, match.start()) + 1}"
            name = match.group(1) or match.group(2)
            target = resolve(tree, path, name) if match.group(1) else None
            if target:
                other = part_of(target)
                if other not in MAY_SEE[part]:
                    findings.append(f"{where}: {part} may not include {target} (of {other}); "
                                    f"it sees {', '.join(sorted(MAY_SEE[part]))}")
                continue
            allowed = SYSTEM_HEADERS.get(part)
            if allowed is not None and name.removesuffix(".h") not in allowed:
                findings.append(f"{where}: {part} is pure and may not include <{name}>")
            for prefix in FORBIDDEN.get(part, ()):
                if name.startswith(prefix):
                    findings.append(f"{where}: {part} may not include <{name}>")
    return findings


# Library -> what it may leave undefined besides what the libraries below it define.
MEMORY = {"malloc", "calloc", "realloc", "free", "reallocarray"}
STRINGS = {"memcpy", "memmove", "memset", "memcmp", "memchr", "mempcpy", "strlen", "strnlen", "strcmp", "strncmp", "strchr",
           "strrchr", "strstr", "strspn", "strcspn", "qsort", "bsearch", "stpcpy", "strdup", "strndup", "bcmp", "rawmemchr"}
COMPILER = {"__stack_chk_fail", "_GLOBAL_OFFSET_TABLE_", "__assert_fail", "abort", "__fortify_fail", "__errno_location",
            "explicit_bzero"}
TEXT = {"snprintf", "vsnprintf"}
PURE_SYMBOLS = MEMORY | STRINGS | COMPILER | TEXT
LIBRARIES = {
    "libclusterd_core.a": (PURE_SYMBOLS, ("libplacement.a", "libclusterd_wire.a", "libclusterd_base.a")),
    "libplacement.a": (PURE_SYMBOLS, ("libclusterd_base.a",)),
}
WRITABLE = re.compile(r"^(\.data|\.bss|\.tbss|\.tdata|\*COM\*)(?!\.rel\.ro)")


def archive(tree, name):
    """The archive of that name in the build directory, or None."""
    for directory, names, files in os.walk(tree.build):
        names[:] = [n for n in names if not n.startswith("CMakeFiles")]
        if name in files:
            return os.path.join(directory, name)
    return None


def nm(path, *options):
    done = subprocess.run(["nm", "-P", *options, path], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True)
    return [line.split() for line in done.stdout.splitlines() if len(line.split()) >= 2]


def defined(path):
    return {fields[0] for fields in nm(path, "--defined-only", "-g")}


def plain(symbol):
    """memcpy for __memcpy_chk: what FORTIFY makes of a call."""
    match = re.fullmatch(r"__(\w+)_chk", symbol)
    return match.group(1) if match else symbol


def symbols(tree):
    """The pure libraries call nothing that reaches the world, and hold no state of their own."""
    findings = []
    for name, (allowed, below) in LIBRARIES.items():
        path = archive(tree, name)
        if not path:
            findings.append(f"{name}: not found under {tree.build}; build it first: cmake --build --preset dev")
            continue
        known = defined(path)
        for other in below:
            if other_path := archive(tree, other):
                known |= defined(other_path)
        for symbol in sorted({fields[0] for fields in nm(path, "-u")}):
            if symbol not in known and plain(symbol) not in allowed:
                findings.append(f"{name}: calls {symbol}, which is not on the allow-list (tests/lint/house.py)")
        findings += [f"{name}: {symbol} is writable state ({section}); the pure parts have none"
                     for section, symbol in writable(path)]
    return findings


def writable(path):
    done = subprocess.run(["objdump", "-t", path], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True)
    for line in done.stdout.splitlines():
        match = re.match(r"^[0-9a-f]+ (.{7}) (\S+)\s+[0-9a-f]+ +(?:\.hidden )?(\S+)$", line)
        if match and match.group(1)[6] in "O " and WRITABLE.match(match.group(2)) and match.group(3) != match.group(2):
            yield match.group(2), match.group(3)


def floats(tree):
    """No floating point in the pure parts: it would make two nodes differ."""
    findings = []
    for path in tree.c_files("core", "placement", "wire", "base"):
        for number, line in enumerate(strip_c(tree.read(path)).splitlines(), 1):
            if re.search(r"\b(float|double)\b|\b\d+\.\d+\b", line):
                findings.append(f"{path}:{number}: floating point: {line.strip()}")
    return findings
