# SPDX-License-Identifier: GPL-2.0-or-later
"""The lab's command line."""

import argparse
import json
import os
import signal
import subprocess
import sys

from . import build, errors, guests, inside, settings as lab_settings
from .lab import Lab, need_root


def main(arguments=None):
    options = _parser().parse_args(arguments)
    # So that whoever ends us lets us clear up what is half made.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    try:
        need_root()
        return options.run(options) or 0
    except errors.LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("lab: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 1
    except (OSError, subprocess.SubprocessError) as error:
        # A full disk, a program that is missing: the system's own words name the place.
        print(f"lab: {error}", file=sys.stderr)
        return 1


def _parser():
    parser = argparse.ArgumentParser(prog="lab", description="A datacentre of namespaces on one machine.")
    parser.add_argument("--lab", default=os.environ.get("CLUSTERD_LAB", "lab"), metavar="NAME", help="which lab (default: lab)")
    verbs = parser.add_subparsers(required=True, metavar="COMMAND")

    up = _verb(verbs, "up", run_up, "start a lab")
    _add_up_options(up)
    _verb(verbs, "down", run_down, "stop the lab and remove everything")
    status = _verb(verbs, "status", run_status, "power, network, storage and membership of each node")
    status.add_argument("--json", action="store_true")
    execute = _verb(verbs, "exec", run_exec, "run a command in a node")
    execute.add_argument("node")
    execute.add_argument("words", nargs=argparse.REMAINDER, metavar="-- CMD")

    for name, method, what in (
            ("power-off", Lab.power_off, "cut a node's power"), ("power-on", Lab.power_on, "boot a node"),
            ("cut", Lab.cut, "unplug a node's network"),
            ("stall-storage", Lab.stall_storage, "a node's storage stops answering"),
            ("resume-storage", Lab.resume_storage, "let a node's storage answer again (or attach it again)"),
            ("lose-storage", Lab.lose_storage, "a node's storage is gone"),
            ("freeze", Lab.freeze, "stop all processes of a node"), ("thaw", Lab.thaw, "let the processes of a node continue")):
        verb = _verb(verbs, name, _on_node(method), what)
        verb.add_argument("node")
    heal = _verb(verbs, "heal", run_heal, "plug a node's network in; without NODE, all, and end partitions")
    heal.add_argument("node", nargs="?")
    partition = _verb(verbs, "partition", run_partition, "split the network: partition n1,n2 / n3")
    partition.add_argument("parts", nargs="+")
    service = _verb(verbs, "service", run_service, "stop, start or restart a daemon of a node")
    service.add_argument("node")
    service.add_argument("action", choices=("stop", "start", "restart"))
    service.add_argument("unit", choices=("corosync", "virtlockd", "libvirtd", "clusterd"))
    guests.add_verbs(verbs, _verb)
    demo = _verb(verbs, "demo", run_demo, "show a cluster at work: drain, move, power cut, network cut")
    demo.add_argument("--json", action="store_true", help="one JSON object per line")
    demo.add_argument("--build-dir", help="use this CMake build")
    return parser


def _verb(verbs, name, run, what):
    verb = verbs.add_parser(name, help=what, description=what)
    verb.set_defaults(run=run)
    return verb


def _add_up_options(up):
    up.add_argument("--nodes", type=int, default=3, metavar="N", help="2 to 7 (default 3)")
    up.add_argument("--token", type=int, default=1000, metavar="MS", help="corosync's token timeout (default 1000)")
    up.add_argument("--consensus", type=int, default=0, metavar="MS", help="corosync's consensus (default 1.2 x token)")
    up.add_argument("--memory", type=int, default=1024, metavar="MB", help="a node's capacity for guests (default 1024)")
    up.add_argument("--cpus", type=int, default=4, metavar="N", help="a node's cpus (default 4)")
    up.add_argument("--self-fence", type=int, default=0, metavar="MS", help="clusterd's self_fence_ms")
    up.add_argument("--watchdog", action=argparse.BooleanOptionalAction, default=True, help="serve a watchdog (default)")
    up.add_argument("--no-clusterd", action="store_true", help="only corosync and libvirt")
    up.add_argument("--build-dir", metavar="DIR", help="install clusterd from this CMake build instead of building it")


def run_up(options):
    build.install_packages(["build", "run"])
    settings = lab_settings.Settings(
        name=options.lab, nodes=options.nodes, token_ms=options.token, consensus_ms=options.consensus, memory_mb=options.memory,
        cpus=options.cpus, self_fence_ms=options.self_fence, watchdog=options.watchdog, clusterd=not options.no_clusterd)
    Lab.up(settings, options.build_dir, lambda text: print(f"lab: {text}", file=sys.stderr, flush=True))


def run_down(options):
    if not Lab.down(options.lab):
        print(f"lab: lab '{options.lab}' is not up; nothing to do", file=sys.stderr)


def run_exec(options):
    lab = Lab.open(options.lab)
    words = options.words[1:] if options.words[:1] == ["--"] else options.words
    if not words:
        raise errors.LabError("exec needs a command: lab exec n1 -- virsh list")
    # Ctrl-C is for the command. nsenter, which waits for it, would die of it too, and the command be killed in its last words.
    command = lab.command(options.node, ["env", "--default-signal=INT,QUIT", "--", *words])
    group = lab.group(options.node)
    if group.exists and group.event("frozen"):
        raise errors.LabError(f"node {options.node} is frozen; run: lab thaw {options.node}")
    group.enter()
    sys.stdout.flush()
    for number in (signal.SIGINT, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)
    os.execvpe(command[0], command, inside.environment())


def _on_node(method):
    def run(options):
        method(Lab.open(options.lab), options.node)
    return run


def run_heal(options):
    Lab.open(options.lab).heal(options.node)


def run_partition(options):
    parts = [[]]
    for word in " ".join(options.parts).replace("/", " / ").split():
        if word == "/":
            parts.append([])
        else:
            parts[-1] += [node for node in word.split(",") if node]
    Lab.open(options.lab).partition(parts)


def run_service(options):
    Lab.open(options.lab).ask_init(options.node, {options.action: options.unit})


def run_status(options):
    lab = Lab.open(options.lab)
    nodes = lab.describe()
    for name, node in nodes.items():
        on = node["power"] == "on" and not node["frozen"]
        node["members"] = lab.members(name) if on else []
        node["units"] = lab.units(name) if on else {}
    if options.json:
        print(json.dumps({"lab": options.lab, "state": lab.settings.state, "nodes": nodes}))
        return
    rows = [("NODE", "POWER", "PID", "NETWORK", "STORAGE", "WATCHDOG", "MEMBERS", "DAEMONS")]
    for name, node in nodes.items():
        power = "frozen" if node["frozen"] else node["power"]
        network = node["network"] + (f" (part {node['part']})" if node["part"] else "")
        dog = "-" if node["watchdog_ms"] is None else f"{node['watchdog_ms'] / 1000:.1f} s"
        daemons = " ".join(unit + ("" if state["ready"] else "(down)") for unit, state in node["units"].items())
        rows.append((name, power, str(node["pid"] or "-"), network, node["storage"], dog, ",".join(node["members"]) or "-",
                     daemons or "-"))
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())


def run_demo(options):
    from . import demo  # pylint: disable=import-outside-toplevel
    return demo.run(options)


if __name__ == "__main__":
    sys.exit(main())
