# SPDX-License-Identifier: GPL-2.0-or-later
"""How busy the machine was with other things: a figure that was measured beside a compiler is worth little, and whoever reads
it must be able to see that."""

import os
import time

LOOK_S = 1.0
PATIENCE_S = 120


def wait_calm(lab, percent):
    """Waits until others have used less than this for a second, or for two minutes; None: does not wait. What was is in the
    run's own figures."""
    deadline = time.monotonic() + PATIENCE_S
    while percent is not None and time.monotonic() < deadline:
        watch = Load(lab)
        time.sleep(LOOK_S)
        foreign = watch.read()["foreign_percent"]
        if foreign is None or foreign < percent:
            return


class Load:
    """From its making to read(): processor time that neither the lab nor this process used, as a share of all processors. Without
    a lab (None), what ended children of this process used is its own too."""

    def __init__(self, lab):
        self._lab = lab
        self._before = self._now()

    def _now(self):
        with open("/proc/stat", encoding="ascii") as file:
            ticks = [int(word) for word in file.readline().split()[1:9]]
        own = sum(os.times()[:2 if self._lab else 4])
        return {"all": sum(ticks) / os.sysconf("SC_CLK_TCK"), "idle": (ticks[3] + ticks[4]) / os.sysconf("SC_CLK_TCK"),
                "own": own, "lab": _lab_seconds(self._lab) if self._lab else 0.0}

    def read(self):
        """{"foreign_percent": of all processors, "lab_percent": ..., "load1": ...}; foreign is None without cgroup2."""
        now = self._now()
        spent = {key: now[key] - self._before[key] for key in ("all", "idle", "own")}
        whole = spent["all"] or 1.0
        answer = {"load1": os.getloadavg()[0], "foreign_percent": None, "lab_percent": None}
        if now["lab"] is not None and self._before["lab"] is not None:
            lab = now["lab"] - self._before["lab"]
            foreign = spent["all"] - spent["idle"] - lab - spent["own"]
            answer["foreign_percent"] = round(max(0.0, 100 * foreign / whole), 1)
            answer["lab_percent"] = round(100 * lab / whole, 1)
        return answer


def _lab_seconds(lab):
    group = lab.group()
    if not group.exists:
        return None
    with open(os.path.join(group.path, "cpu.stat"), encoding="ascii") as file:
        return int(dict(line.split() for line in file)["usage_usec"]) / 1e6
