# SPDX-License-Identifier: GPL-2.0-or-later
"""Is a plan one that can be carried out? Judged from the problem's file and the plan's JSON alone.

A plan is what `clusterctl plan --json` says: placed {vm: node}, moves [{vm, from, to}] in the order in which they begin, unplaced
[{vm, reason}]. A VM that moves takes its needs at both ends until it has arrived. Plans are played twice: as a simple reader does
it, the moves one by one and then all starts; and, where steps have a stage, as it may come at worst: moves and `starts` of a stage
all at once.
"""

AMOUNTS = ("cpu", "mem")


class Judge:
    """Plays plans on one problem in the neutral form."""

    def __init__(self, problem):
        events = problem.get("events", {})
        gone = set(events.get("offline", []))
        self.nodes = {node["name"]: node for node in problem["nodes"]}
        self.vms = {vm["name"]: vm for vm in problem["vms"]}
        self.open = {name for name, node in self.nodes.items() if node.get("state", "online") == "online" and name not in gone}
        self.hosts = {name: vm.get("host") if vm.get("host") not in gone else None for name, vm in self.vms.items()}
        ready = events.get("ready")
        self.homeless = {name for name, host in self.hosts.items() if host is None
                         and (ready is None or name in ready or self.vms[name].get("host") in gone)}

    def _begin(self):
        self._at = dict(self.hosts)
        self._used = {name: dict.fromkeys(AMOUNTS, 0) for name in self.nodes}
        for name, host in self._at.items():
            if host is not None:
                self._add(name, host, 1)

    def _add(self, name, node, sign):
        for amount in AMOUNTS:
            self._used[node][amount] += sign * self.vms[name][amount]

    def _look(self, node):
        if any(self._used[node][amount] > self.nodes[node][amount] for amount in AMOUNTS):
            self._over.add(node)

    def _sound(self, step):
        name, source, target = step["vm"], step.get("from"), step["to"]
        if name not in self.vms or target not in self.nodes:
            self._wrong.append(f"{name} to {target}: no such VM, or no such node")
            return False
        if target not in self.open:
            self._wrong.append(f"{name} to {target}, which takes no VM")
        if self._at[name] != source and not (self._at[name] is None and source not in self.open):
            self._wrong.append(f"{name} from {source}, but it is on {self._at[name]}")
        if self._at[name] == target:
            self._wrong.append(f"{name} to {target}, where it is")
        return True

    def _stage(self, steps):
        """All at once: the worst moment is when each has its room at both ends."""
        steps = [step for step in steps if self._sound(step)]
        for step in steps:
            self._add(step["vm"], step["to"], 1)
        for step in steps:
            self._look(step["to"])
        for step in steps:
            if self._at[step["vm"]] is not None:
                self._add(step["vm"], self._at[step["vm"]], -1)
            self._at[step["vm"]] = step["to"]

    def _readings(self, plan):
        """Lists of steps that happen at once, in each of the two ways."""
        started = {step["vm"] for step in plan["moves"]}
        late = [{"vm": name, "from": None, "to": node} for name, node in plan["placed"].items()
                if name not in started and self.hosts.get(name) is None]
        yield [*([step] for step in plan["moves"]), *([step] for step in late)]
        steps = [*plan["moves"], *plan.get("starts", [])]
        if steps and all("stage" in step for step in steps):
            started = {step["vm"] for step in steps}
            stages = [[step for step in steps if step["stage"] == stage] for stage in sorted({step["stage"] for step in steps})]
            yield [*stages, [step for step in late if step["vm"] not in started]]

    def verdict(self, plan):
        """{"homeless", "started", "moved", "stopped", "overloaded", "wrong": [...]}, and the final {vm: node} as "where"."""
        self._over, self._wrong = set(), []
        for reading in self._readings(plan):
            self._begin()
            for steps in reading:
                self._stage(steps)
            for name, node in plan["placed"].items():
                if self._at.get(name) != node:
                    self._wrong.append(f"{name} is said to be on {node}; the moves leave it on {self._at.get(name)}")
        unplaced = {entry["vm"] for entry in plan["unplaced"]}
        for name in self.homeless:
            if (self._at[name] is None) != (name in unplaced):
                self._wrong.append(f"{name} is on {self._at[name]} and {'' if name in unplaced else 'not '}told as unplaced")
        moved = {step["vm"] for step in plan["moves"] if self.hosts.get(step["vm"]) is not None}
        return {"homeless": len(self.homeless), "started": sum(1 for name in self.homeless if self._at[name] is not None),
                "moved": len(moved), "stopped": sum(1 for name, host in self.hosts.items() if host and not self._at[name]),
                "overloaded": len(self._over), "wrong": self._wrong, "where": {k: v for k, v in self._at.items() if v}}

    def fixed(self, where):
        """The same of a placement without an order (a peer's): only its end is looked at."""
        used = {name: dict.fromkeys(AMOUNTS, 0) for name in self.nodes}
        for name, node in where.items():
            for amount in AMOUNTS:
                used[node][amount] += self.vms[name][amount]
        over = sum(1 for node, sums in used.items() if any(sums[a] > self.nodes[node][a] for a in AMOUNTS))
        return {"homeless": len(self.homeless), "started": sum(1 for name in self.homeless if name in where),
                "moved": sum(1 for name, host in self.hosts.items() if host and where.get(name, host) != host),
                "stopped": sum(1 for name, host in self.hosts.items() if host and name not in where), "overloaded": over, "wrong": []}
