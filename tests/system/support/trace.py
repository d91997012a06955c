# SPDX-License-Identifier: GPL-2.0-or-later
"""The timed trace of a story: what the test did, what the cluster said, what the power controller was asked, which QEMUs lived
when, what guests did. One list in order of time, in seconds since the story began; then the ends of the daemons' logs."""

import contextlib
import json
import time

LOG_LINES = 25
DAEMONS = ("clusterd", "corosync", "libvirtd", "init")


def power_journal(lab, since):
    rows = []
    with contextlib.suppress(OSError), open(lab.settings.path("power.jsonl"), encoding="utf-8") as file:
        for line in file:
            with contextlib.suppress(ValueError):
                rows.append(json.loads(line))
    return [row for row in rows if row["t"] >= since]


def render(cluster):
    """Never fails: a trace is printed when something is wrong already."""
    since = cluster.began
    lines = []
    for part in (_marks, _events, _power, _qemus, _guests):
        try:
            lines += part(cluster, since)
        except Exception as error:  # pylint: disable=broad-except
            lines.append((time.monotonic(), f"(no more of {part.__name__.strip('_')}: {error})"))
    text = [f"{at - since:9.3f} s  {what}" for at, what in sorted(lines)]
    with contextlib.suppress(Exception):
        for pair in cluster.sampler.migrations:
            if pair.last_seen > since:
                text.append(f"migration of {pair.name}: {pair.older.node} -> {pair.younger.node}, {pair.seconds:.2f} s")
    for node in cluster.nodes:
        for daemon in DAEMONS:
            text += _tail(cluster.lab.settings.path("nodes", node, "var", "log", f"{daemon}.log"), f"{node} {daemon}")
    with contextlib.suppress(Exception):
        text += _statuses(cluster)
    return "\n".join(text)


def _marks(cluster, since):
    return [(at, f"TEST   {what}") for at, what in cluster.marks if at >= since]


def _events(cluster, _):
    shift = time.monotonic() - time.time()
    seen = {}
    for node in cluster.reachable():
        for row in cluster.events(via=node):
            seen.setdefault(row["seq"], row)
    return [(row["time_ms"] / 1000 + shift,
             f"EVENT  {row['severity']} {row['kind']} {row.get('subject', '')}: {row['message']}") for row in seen.values()]


def _power(cluster, since):
    lines = []
    for row in power_journal(cluster.lab, since):
        said = f" -> {row['answer']}" if "answer" in row else ""
        lines.append((row["t"], f"POWER  {row['from']} asks: {row['op']} {row.get('node')}{said}"))
    with contextlib.suppress(OSError), open(cluster.lab.settings.path("bmc.log"), encoding="utf-8") as file:
        for line in file:
            at, _, what = line.strip().partition(" ")
            with contextlib.suppress(ValueError):
                if float(at) >= since:
                    lines.append((float(at), f"POWER  {what}"))
    return lines


def _qemus(cluster, since):
    lines = []
    alive = {(qemu.node, qemu.pid) for qemu in cluster.sampler.alive()}
    for qemu in cluster.sampler.qemus:
        what = f"{qemu.name} on {qemu.node} (pid {qemu.pid}{', incoming' if qemu.incoming else ''})"
        if qemu.first_seen >= since:
            lines.append((qemu.first_seen, f"QEMU   begins: {what}"))
        if qemu.last_seen >= since and (qemu.node, qemu.pid) not in alive:
            lines.append((qemu.last_seen, f"QEMU   last seen: {what}"))
    return lines


def _guests(cluster, since):
    lines = []
    for name in sorted(cluster.added):
        track = cluster.follower.track(name)
        lines += [(at, f"GUEST  {name} boots") for at in track.boot_times if at >= since]
        before = since
        for at in track.tick_times:
            if at >= since and at - before > 1.0:
                lines.append((before, f"GUEST  {name} stands still for {at - before:.2f} s"))
            before = at
        lines.append((time.monotonic(), f"GUEST  {name}: last tick {time.monotonic() - before:.2f} s ago, {track.said}"[:400]))
    return lines


def _tail(path, title):
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            tail = file.read().strip().splitlines()[-LOG_LINES:]
    except OSError:
        return []
    return [f"--- {title}", *tail] if tail else []


def _statuses(cluster):
    lines = []
    for node in cluster.reachable():
        lines += [f"--- status on {node}", cluster.try_ctl("status", via=node, timeout_s=5).stdout.strip()]
    return lines
