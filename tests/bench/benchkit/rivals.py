# SPDX-License-Identifier: GPL-2.0-or-later
"""Pacemaker's, Ganeti's and CBC's programs on a problem of the public generator: who runs where then, and how long they took."""

import glob
import json
import os
import re
import subprocess
import sys

from . import offline

HAIL = "/usr/lib/ganeti/*/usr/lib/ganeti/iallocators/hail"


def hail_path():
    found = sorted(glob.glob(HAIL))
    if not found:
        offline.say("hail: skipped, it is not installed (tools/packages.sh peers, or --install)")
    return found[-1] if found else None


def generator(path, *words):
    """Runs the generator, which writes a file; its own words if it fails."""
    done = subprocess.run([sys.executable, path, *words], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise offline.BenchError(f"{path} {' '.join(words)}: {done.stderr.strip().splitlines()[-1:] or done.returncode}")
    return done.stdout


def generate(path, out, **options):
    generator(path, "gen", *[word for key, value in options.items() for word in (f"--{key}", str(value))], out)


def pacemaker(gen, problem, directory, limit_s, priority_by_size=False):
    """({vm: node} or None, what offline.run_limited() says)."""
    cib = os.path.join(directory, "peer.xml")
    if priority_by_size:
        with open(problem, encoding="utf-8") as file:
            content = json.load(file)
        for vm in content["vms"]:
            vm["priority"] = vm["mem"]
        problem = os.path.join(directory, "peer.json")
        with open(problem, "w", encoding="utf-8") as file:
            json.dump(content, file)
    generator(gen, "cib", problem, cib)
    done = offline.run_limited([offline.peer("crm_simulate"), "-S", "-x", cib], limit_s)
    if done["seconds"] is None:
        return None, done
    after = done["out"].split("Revised Cluster Status:")[-1]
    return dict(re.findall(r"\* (\S+)\s+\(ocf:pacemaker:Dummy\):\s+Started (\S+)", after)), done


def _amounts(vm=None):
    """An entry of Ganeti's policy: what an instance may have at least (None), or at most."""
    return {"memory-size": vm, "cpu-count": vm, "disk-size": vm, "disk-count": min(vm, 16), "nic-count": min(vm, 8), "spindle-use": min(vm, 100)}


def _evacuation(problem):
    """What Ganeti hands to its allocator: the cluster and "these instances have to leave"."""
    used = {}
    for vm in problem["vms"]:
        used[vm["was"]] = used.get(vm["was"], 0) + vm["mem"]
    nodes = {node["name"]: {
        "offline": node["state"] != "online", "drained": False, "group": "uuid-01", "vm_capable": True, "tags": [],
        "ndparams": {"exclusive_storage": False, "spindle_count": 1}, "total_memory": node["mem"], "reserved_memory": 0,
        "free_memory": node["mem"] - used.get(node["name"], 0), "total_disk": 1000000, "free_disk": 1000000,
        "total_cpus": node["cpu"], "reserved_cpus": 0, "free_spindles": 1, "total_spindles": 1} for node in problem["nodes"]}
    instances = {vm["name"]: {
        "disk_space_total": 0, "disks": [], "memory": vm["mem"], "vcpus": vm["cpu"], "tags": [], "disk_template": "ext",
        "spindle_use": 1, "nics": [], "admin_state": "up", "nodes": [vm["was"]]} for vm in problem["vms"]}
    policy = {"minmax": [{"min": _amounts(0), "max": _amounts(1000000)}], "std": _amounts(0), "disk-templates": ["ext"],
              "vcpu-ratio": 1.0, "spindle-ratio": 100000.0}
    # With kvm it takes an allowance for the node's own memory off, of which the problem knows nothing.
    return {"cluster_tags": [], "enabled_hypervisors": ["xen-pvm"], "nodes": nodes, "instances": instances,
            "nodegroups": {"uuid-01": {"name": "group-01", "alloc_policy": "preferred", "networks": [], "tags": [], "ipolicy": policy}},
            "request": {"type": "node-evacuate", "evac_mode": "all",
                        "instances": [vm["name"] for vm in problem["vms"] if vm["host"] is None]}}


def hail(program, problem_path, directory, limit_s):
    with open(problem_path, encoding="utf-8") as file:
        problem = json.load(file)
    request = os.path.join(directory, "peer.request")
    with open(request, "w", encoding="utf-8") as file:
        json.dump(_evacuation(problem), file)
    done = offline.run_limited([program, request], limit_s)
    if done["seconds"] is None:
        return None, done
    if done["status"] != 0:
        raise offline.BenchError(f"hail: {done['err'].strip()}")
    where = {vm["name"]: vm["host"] for vm in problem["vms"] if vm["host"]}
    for name, _, nodes in json.loads(done["out"])["result"][0]:
        where[name] = nodes[0]
    return where, done


def hbal(gen, problem, directory, limit_s):
    data, out = os.path.join(directory, "peer.data"), os.path.join(directory, "peer.out")
    generator(gen, "ganeti", problem, data)
    done = offline.run_limited([offline.peer("hbal"), "-t", data, "-S", out], limit_s)
    if done["seconds"] is None:
        return None, done
    if done["status"] != 0:
        raise offline.BenchError(f"hbal: {done['err'].strip()}")
    with open(problem, encoding="utf-8") as file:
        gone = {node["name"] for node in json.load(file)["nodes"] if node["state"] != "online"}
    where = {}
    with open(out + ".balanced", encoding="utf-8") as file:
        for line in file:
            fields = line.split("|")
            if len(fields) == 13 and fields[4] == "running" and fields[6] not in gone:
                where[fields[0]] = fields[6]
    return where, done


def fewest_moves(gen, problem, directory, limit_s):
    """(VMs started, moves, proven) of the MIP solver's best answer; None if it found none."""
    lp, solution = os.path.join(directory, "peer.lp"), os.path.join(directory, "peer.sol")
    generator(gen, "lp", problem, lp, "--migrate", "1")
    done = offline.run_limited([offline.peer("cbc"), lp, "sec", str(limit_s), "ratio", "0", "solve", "solution", solution], limit_s + 30)
    if done["seconds"] is None or not os.path.exists(solution):
        return None
    with open(problem, encoding="utf-8") as file:
        hosts = {vm["name"]: vm["host"] for vm in json.load(file)["vms"]}
    with open(solution, encoding="utf-8") as file:
        head, *lines = file.read().splitlines()
    if not head.startswith(("Optimal", "Stopped on time")) or "no integer" in head:
        return None
    where = {}
    for line in lines:
        _, variable, value, _ = line.split()
        if float(value) > 0.5:
            _, vm, node = variable.split("_")
            where[vm] = node
    started = sum(1 for vm, host in hosts.items() if host is None and vm in where)
    moves = sum(1 for vm, host in hosts.items() if host and where.get(vm) != host)
    return started, moves, head.startswith("Optimal")
