# SPDX-License-Identifier: GPL-2.0-or-later
"""Measurements without a lab: programs on files. Options, the build, where data lies, running peers with a limit, output."""

import argparse
import contextlib
import gzip
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from . import figures, load

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
DATA = "CLUSTERD_BENCH_DATA"
PLACES = {"clusterctl": "cli", "placement_bench": "tests/bench", "roadef_bench": "tests/bench", "ipc_bench": "tests/bench"}


class BenchError(Exception):
    """What went wrong, in one line for a person."""


def parser(description, runs=None):
    options = argparse.ArgumentParser(description=description)
    options.add_argument("--json", action="store_true", help="JSON on standard output; the table goes to standard error")
    options.add_argument("--build-dir", default=os.path.join(ROOT, "build", "release"), metavar="DIR",
                         help="measure this build (default: build/release)")
    if runs:
        options.add_argument("--runs", type=int, default=runs, metavar="N", help=f"measurements of each kind (default {runs})")
    return options


def data_option(options):
    options.add_argument("--data", default=os.environ.get(DATA), metavar="DIR",
                         help=f"directory with the data, which is not part of this project (default: the environment's {DATA})")


def data_path(options, *names):
    """The path below the data directory, or None, which is said, if it is not there."""
    if not options.data:
        say(f"{'/'.join(names)}: skipped, no data given (--data DIR or {DATA})")
        return None
    path = os.path.join(options.data, *names)
    if not os.path.exists(path):
        say(f"skipped: {path} is not there")
        return None
    return path


def say(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


def program(options, name):
    path = os.path.join(options.build_dir, PLACES[name], name)
    if not os.access(path, os.X_OK):
        raise BenchError(f"{path} is not there; build it: cmake --preset release -DCLUSTERD_TESTS=ON && cmake --build --preset release")
    return path


def plan(options, problem, *words):
    """As a user asks: clusterctl's plan for the file. 3: it is an answer, but a VM stays down."""
    return run_json(program(options, "clusterctl"), "plan", "--file", problem, "--json", *words, good=(0, 3))


def install_peers(wanted):
    """As tools/packages.sh does it, which starts no service."""
    if wanted and subprocess.run([os.path.join(ROOT, "tools", "packages.sh"), "peers"], stdout=sys.stderr, check=False).returncode:
        raise BenchError("the peers could not be installed (see above); run without --install to skip them")


def peer(name):
    """The path of another project's program, or None, which is said."""
    path = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if not path:
        say(f"{name}: skipped, it is not installed (tools/packages.sh peers, or --install)")
    return path


def run_json(*command, good=(0,)):
    """What a program of ours prints."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode not in good:
        raise BenchError(done.stderr.strip() or f"{command[0]} ended with {done.returncode}")
    try:
        return json.loads(done.stdout)
    except ValueError as error:
        raise BenchError(f"{' '.join(command)}: what it prints is no JSON: {error}") from error


def run_limited(command, limit_s):
    """A program as a whole: {"seconds", "cpu_s", "status", "out", "err"}; seconds is None if the limit came first. Nothing of it is left
    behind. The processor's time is what a process takes when nothing else runs, also on a machine that is busy."""
    began, cpu_began = time.monotonic(), children_seconds()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace",
                          start_new_session=True) as process:
        try:
            out, err = process.communicate(timeout=limit_s)
            return {"seconds": time.monotonic() - began, "cpu_s": children_seconds() - cpu_began, "status": process.returncode,
                    "out": out, "err": err}
        except subprocess.TimeoutExpired:
            return {"seconds": None, "cpu_s": None, "status": None, "out": "", "err": f"stopped after {limit_s:g} s"}
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.communicate()


@contextlib.contextmanager
def plain_file(path, directory):
    """The path of the file unpacked, if it is .gz."""
    if not path.endswith(".gz"):
        yield path
        return
    unpacked = os.path.join(directory, os.path.basename(path)[:-3])
    with gzip.open(path, "rb") as packed, open(unpacked, "wb") as plain:
        shutil.copyfileobj(packed, plain)
    yield unpacked
    os.unlink(unpacked)


def scratch():
    return tempfile.TemporaryDirectory(prefix="clusterd-bench-")


def children_seconds():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main(run, options):
    """Runs a measurement: run(options) -> (result, lines of text); exit status 0 also if a goal was missed."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    try:
        busy = load.Load(None)
        result, lines = run(options)
        result["load"] = busy.read()
    except (BenchError, OSError, ValueError, KeyError) as error:
        say(f"failed: {error if not isinstance(error, KeyError) else f'no {error} in what was read'}")
        return 1
    except KeyboardInterrupt:
        say("interrupted")
        return 130
    lines.append(figures.loads([result]))
    print("\n".join(lines), file=sys.stderr if options.json else sys.stdout, flush=True)
    if options.json:
        print(json.dumps(result))
    return 0
