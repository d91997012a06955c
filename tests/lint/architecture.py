# SPDX-License-Identifier: GPL-2.0-or-later
"""The rules of the house: which part may include which, and what the pure parts may call.

    base <- wire <- core <- driver        placement <- core        adapters see core and what lies below it
    cli and agents see base and wire only; cli sees placement and config (clusterd.conf) too

The include check reads every #include. The symbol check reads the undefined symbols in the archives: it also finds a
declaration written by hand instead of an #include. Within core and adapters each folder is a room with a rule of its own,
enforced in the same two ways. And no circles: no file may use, directly or through others, a file that uses it.
"""

import os
import re
import subprocess

from tree import Skipped, part_of, room_of, strip_c

MAY_SEE = {
    "base": {"base"},
    "wire": {"wire", "base"},
    "placement": {"placement", "base"},
    "core": {"core", "placement", "wire", "base"},
    # clusterd and clusterctl read clusterd.conf. Its only limit from core is in timeouts.h.
    "config": {"config", "core", "base"},
    # ipc/export.c writes the problem that core hands to the engine: it uses placement's types, but no function.
    "adapters": {"adapters", "config", "core", "placement", "wire", "base"},
    "driver": {"driver", "adapters", "config", "core", "placement", "wire", "base"},
    # `clusterctl plan` runs the engine in its own process: clusterd does not wait for it, and a cluster in a file needs no
    # clusterd at all. placement knows no cluster, so clusterctl learns nothing beyond its own business.
    "cli": {"cli", "config", "placement", "wire", "base"},
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


# Room -> the rooms of the same part that it may use. "core/shared" is what lies at the bottom of core: the interface
# (core.h), the outbox, the timeouts; "core/inside" is what policy and executor both stand on: the state that they share,
# pending commands, who this node is. Only core.c, and what it answers clients with, sees all.
ROOMS = {
    "core/shared": {"core/model"},
    "core/model": {"core/shared"},
    "core/replica": {"core/shared", "core/model"},
    "core/apply": {"core/shared", "core/model", "core/replica"},
    "core/planner": {"core/shared", "core/model"},
    "core/inside": {"core/shared", "core/model", "core/replica", "core/apply"},
    "core/policy": {"core/shared", "core/model", "core/replica", "core/apply", "core/planner", "core/inside"},
    "core/executor": {"core/shared", "core/model", "core/replica", "core/inside"},
    "core": {"core/shared", "core/model", "core/replica", "core/apply", "core/planner", "core/inside", "core/policy",
             "core/executor"},
    "adapters": set(),
    "adapters/agents": {"adapters"},
    "adapters/corosync": {"adapters"},
    "adapters/store": {"adapters"},
    "adapters/ipc": {"adapters", "adapters/store"},
}
# Who may change the model: apply/, by committed commands; and who makes a model of its own, to hide what is secret in it.
WRITERS = {"model_add": {"core/apply"}, "model_remove": {"core/apply"}, "model_row": {"core/apply", "adapters/store"}}
# The one header that names the state of every part of core; it may include each part's, and so be included by each.
WHOLE_STATE = "clusterd/core/core_internal.h"


def rooms(tree):
    """The folders of core and adapters use each other one way."""
    findings = []
    for path in tree.c_files("core", "adapters"):
        if path == WHOLE_STATE:
            continue
        for match in INCLUDE.finditer(tree.read(path)):
            target = resolve(tree, path, match.group(1)) if match.group(1) else None
            if target and not may_use(path, target):
                findings.append(f"{path}: {room_of(path)} may not include {target} (of {room_of(target)})")
    for user, used, names in uses(tree):
        if not may_use(user, used):
            findings.append(f"{user}: {room_of(user)} may not use {', '.join(names)} of {used} ({room_of(used)})")
    for user, symbol in all_uses(tree):
        if symbol in WRITERS and room_of(user) not in WRITERS[symbol] and room_of(user) != "core/model":
            findings.append(f"{user}: {room_of(user)} may not change the model by {symbol}()")
    return findings


def may_use(path, target):
    room, other = room_of(path), room_of(target)
    return part_of(path) != part_of(target) or room == other or room not in ROOMS or other in ROOMS[room]


# What may stay a circle. A member that is behind is fed what was committed, and what it is fed it commits: cutting the two
# files apart would need callbacks. The engine's phases call each other as the search goes back and forth.
CIRCLES = (
    {f"clusterd/core/replica/{name}.c" for name in ("commit", "catchup")},
    {f"placement/{name}.c" for name in ("balance", "compile", "greedy", "judge", "sequence")},
    {f"placement/{name}.c" for name in ("admit", "admit_case", "bound", "cover", "fill", "pack", "part", "soften", "solve")},
)


def circles(tree):
    """No circle of files, by who defines and who uses a symbol, but those that are named."""
    graph = {}
    for user, used, names in uses(tree):
        graph.setdefault(user, {})[used] = names
        graph.setdefault(used, {})
    findings = []
    for group in strongly_connected(graph):
        if len(group) < 2 or any(group <= accepted for accepted in CIRCLES):
            continue
        edges = [f"{user} uses {names[0]} of {used}" for user in sorted(group)
                 for used, names in sorted(graph[user].items()) if used in group]
        findings.append(f"{min(group)}: a circle of {len(group)} files: " + "; ".join(edges))
    return findings


def uses(tree):
    """(file, file of the same part that it uses, the symbols): from the build's objects whose source is still there."""
    objects = objects_of(tree)
    defines, wants = {}, {}
    for path, symbol, kind in nm_all(sorted(objects)):
        source = objects[path]
        if kind == "U":
            wants.setdefault(source, set()).add(symbol)
        elif kind.isupper():
            defines[part_of(source), symbol] = source
    for user in sorted(wants):
        by_file = {}
        for symbol in sorted(wants[user]):
            used = defines.get((part_of(user), symbol), user)
            if used != user:
                by_file.setdefault(used, []).append(symbol)
        for used, names in sorted(by_file.items()):
            yield user, used, names


def objects_of(tree):
    """Object -> its source, of all that is built and whose source is still there; tests left out."""
    objects = {}
    for directory, _, files in os.walk(tree.build or ""):
        for name in files if ".dir" in directory else ():
            if source := source_of(tree, os.path.join(directory, name)):
                objects[os.path.join(directory, name)] = source
    if not objects:
        raise Skipped(f"no objects under {tree.build}; build it first: cmake --build --preset dev")
    return objects


def all_uses(tree):
    """(file, symbol of any file) of every source in the build, tests left out."""
    objects = objects_of(tree)
    for path, symbol, kind in nm_all(sorted(objects)):
        if kind == "U":
            yield objects[path], symbol


def nm_all(paths):
    """(object, symbol, kind) of many objects, by one process."""
    done = subprocess.run(["nm", "-A", "-P", *paths], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True)
    for line in done.stdout.splitlines():
        path, _, rest = line.partition(": ")
        fields = rest.split()
        if len(fields) >= 2:
            yield path, fields[0], fields[1]


def source_of(tree, path):
    """clusterd/core/core.c of BUILD/clusterd/CMakeFiles/clusterd_core.dir/core/core.c.o; None: not a file of the house."""
    match = re.fullmatch(r"(.*?)/?CMakeFiles/[^/]+\.dir/(.*\.c)\.o", os.path.relpath(path, tree.build))
    source = os.path.join(match.group(1), match.group(2)) if match else None
    return source if source and not source.startswith("tests/") and os.path.isfile(os.path.join(tree.root, source)) else None


def strongly_connected(graph):
    """The groups of nodes that reach each other (Tarjan)."""
    index, low, stack, groups = {}, {}, [], []

    def visit(node):
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in graph[node]:
            if other not in index:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], index[other])
        if low[node] == index[node]:
            cut = stack.index(node)
            groups.append(set(stack[cut:]))
            del stack[cut:]

    for node in sorted(graph):
        if node not in index:
            visit(node)
    return groups


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
                findings.append(f"{name}: calls {symbol}, which is not on the allow-list (tests/lint/architecture.py)")
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
