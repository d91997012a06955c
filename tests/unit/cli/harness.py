# SPDX-License-Identifier: GPL-2.0-or-later
"""What the tests of clusterctl stand on: a scripted daemon, real processes, and a terminal to look at.

Nothing here waits for time to pass: a test waits for a line, for the end of a process, or for a picture on the screen.
"""

import fcntl
import itertools
import json
import os
import pty
import re
import select
import shutil
import signal
import struct
import subprocess
import tempfile
import termios
import time

CLUSTERCTL = os.environ["CLUSTERCTL"]
FAKE_CLUSTERD = os.environ["FAKE_CLUSTERD"]
HERE = os.path.dirname(os.path.abspath(__file__))
LIMIT_S = 20  # for anything; reached only by a test that fails

numbers = itertools.count()


def environment(run_dir, **more):
    env = {key: value for key, value in os.environ.items() if key not in ("COLUMNS", "NO_COLOR", "LANG", "LANGUAGE")}
    env.update(CLUSTERD_RUN_DIR=run_dir, TZ="UTC", LC_ALL="C.UTF-8", TERM="xterm")
    env.update(more)
    return {key: value for key, value in env.items() if value is not None}


class Daemon:
    """fake_clusterd with a script; `requests` is what it was asked, in order."""

    def __init__(self, directory, run_dir, script):
        self.path = os.path.join(directory, f"script{next(numbers)}.json")
        with open(self.path, "w", encoding="utf-8") as file:
            json.dump(script, file)
        self.process = subprocess.Popen([FAKE_CLUSTERD, run_dir, self.path], stdout=subprocess.PIPE, text=True, bufsize=1)
        assert self.process.stdout.readline() == "ready\n"

    @property
    def requests(self):
        """It writes them down before it answers, so whoever has seen an answer finds the request here."""
        with open(self.path + ".requests", encoding="utf-8") as file:
            return [json.loads(line) for line in file]

    def wait_for(self, verb):
        """Waits until this verb has been asked for."""
        until = time.monotonic() + LIMIT_S
        while not any(request["verb"] == verb for request in self.requests):
            ready, _, _ = select.select([self.process.stdout], [], [], max(until - time.monotonic(), 0))
            assert ready, f"nobody asked for {verb}; only {self.requests}"
            assert os.read(self.process.stdout.fileno(), 65536), f"fake_clusterd ended with {self.process.wait(LIMIT_S)}"

    def wait(self):
        return self.process.wait(LIMIT_S)

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
        self.process.wait(LIMIT_S)
        self.process.stdout.close()


class Cluster:
    """One run_dir, daemons in it one after the other, and clusterctl."""

    def __init__(self, directory):
        self.directory = str(directory)
        # The path of a socket has 107 bytes at most; pytest's directories have long names.
        self.run_dir = tempfile.mkdtemp(prefix="clusterd-", dir="/tmp")
        os.chmod(self.run_dir, 0o755)
        self.daemons = []
        self.terminals = []

    def serve(self, *rules, **more):
        self.daemons.append(Daemon(self.directory, self.run_dir, {"rules": list(rules), **more}))
        return self.daemons[-1]

    @property
    def requests(self):
        """What the present daemon was asked, without the members that every request has."""
        return [{key: value for key, value in request.items() if key not in ("id", "v")}
                for request in self.daemons[-1].requests]

    def run(self, *words, stdin="", **env):
        return subprocess.run([CLUSTERCTL, *words], input=stdin, capture_output=True, text=True, timeout=LIMIT_S,
                              env=environment(self.run_dir, **env), check=False)

    def start(self, *words, **env):
        """A process that is not waited for."""
        return subprocess.Popen([CLUSTERCTL, *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True, env=environment(self.run_dir, **env))

    def terminal(self, *words, columns=80, rows=24, **env):
        terminal = Terminal([CLUSTERCTL, *words], environment(self.run_dir, **env), columns, rows)
        self.terminals.append(terminal)
        return terminal

    def close(self):
        for terminal in self.terminals:
            terminal.close()
        for daemon in self.daemons:
            daemon.stop()
        shutil.rmtree(self.run_dir)


class Terminal:
    """A process on a terminal of its own, and what stands on that terminal's screen."""

    SEQUENCE = re.compile(r"\x1b\[([0-9;]*)([A-Za-z])")

    def __init__(self, command, env, columns, rows):
        self.columns = columns
        self.rows = rows
        self.lines = [""]
        self.row = 0
        self.column = 0
        self.raw = ""
        self.rest = ""
        self.widest = 0
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.master = master
        self.process = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, env=env, close_fds=True,
                                        start_new_session=True, preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        os.close(slave)

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        if self.master >= 0:
            os.close(self.master)
            self.master = -1

    def type(self, text):
        os.write(self.master, text.encode())

    def resize(self, columns, rows):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def put(self, character):
        while len(self.lines) <= self.row:
            self.lines.append("")
        line = self.lines[self.row].ljust(self.column)
        self.lines[self.row] = line[: self.column] + character + line[self.column + 1 :]
        self.column += 1
        self.widest = max(self.widest, self.column)

    def control(self, numbers_text, letter):
        number = int(numbers_text.split(";")[0] or 0)
        if letter == "A":
            self.row = max(self.row - max(number, 1), 0)
        elif letter == "H":
            self.row = self.column = 0
        elif letter == "K":
            self.lines[self.row : self.row + 1] = [self.lines[self.row][: self.column] if self.row < len(self.lines) else ""]
        elif letter == "J" and number == 2:
            self.lines = [""]
        elif letter == "J":
            del self.lines[self.row + 1 :]
            if self.row < len(self.lines):
                self.lines[self.row] = self.lines[self.row][: self.column]
        else:
            assert letter == "m", f"unknown sequence {numbers_text}{letter}"

    def feed(self, text):
        self.raw += text
        text = self.rest + text
        self.rest = ""
        while text:
            match = self.SEQUENCE.match(text)
            if match:
                self.control(*match.groups())
                text = text[match.end() :]
                continue
            if text[0] == "\x1b" and not re.search("[A-Za-z]", text):
                self.rest = text
                return
            assert text[0] != "\x1b", f"strange sequence {text[:10]!r}"
            if text[0] == "\r":
                self.column = 0
            elif text[0] == "\n":
                self.row += 1
            else:
                self.put(text[0])
            text = text[1:]

    def read(self, left):
        """Reads what comes next; False at the end."""
        ready, _, _ = select.select([self.master], [], [], max(left, 0))
        assert ready, f"nothing came any more; the screen:\n{self.screen()}"
        try:
            data = os.read(self.master, 65536)
        except OSError:  # EIO: the other side is closed
            return False
        self.feed(data.decode())
        return bool(data)

    def screen(self):
        return "\n".join(line.rstrip() for line in self.lines).rstrip("\n")

    def wait_for(self, pattern):
        """Waits until the screen shows the pattern."""
        until = time.monotonic() + LIMIT_S
        while not re.search(pattern, self.screen()):
            assert self.read(until - time.monotonic()), f"it ended without {pattern!r}:\n{self.screen()}"

    def end(self):
        """Waits for the end; returns the exit code."""
        until = time.monotonic() + LIMIT_S
        while self.read(until - time.monotonic()):
            pass
        return self.process.wait(LIMIT_S)


def ok(verb, *then, times=None, **members):
    """A rule that answers well, then does the steps."""
    rule = {"verb": verb, "answer": {"ok": True, **members}, "then": list(then)}
    if times is not None:
        rule["times"] = times
    return rule


def error(verb, code, message, hint="", **more):
    return {"verb": verb, "answer": {"ok": False, "error": {"code": code, "message": message, "hint": hint}}, **more}


def vm_state(name, state, source="n1", target="n2", mode="live", **more):
    return {"vm": name, "state": state, "from": source, "to": target, "mode": mode, **more}


def operation(state, *vms, number=12, kind="drain", subject="n1", reason="", **more):
    ended = 0 if state == "running" else 1741082402300
    return {"id": number, "kind": kind, "subject": subject, "state": state, "reason": reason,
            "started_ms": 1741082400000, "ended_ms": ended, "vms": list(vms), **more}


def sample(name, percent, number=12, **more):
    return {"send": {"progress": {"operation": number, "vm": name, "percent": percent, "rate_bps": 851443712,
                                  "dirty_bps": 125829120, "iteration": 2, "remaining_bytes": 310 * 1048576, **more}}}


def check_golden(name, text):
    """Compares with goldens/NAME; CLUSTERD_REGENERATE=1 writes it anew."""
    path = os.path.join(HERE, "goldens", name)
    if os.environ.get("CLUSTERD_REGENERATE"):
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
    with open(path, encoding="utf-8") as file:
        assert text == file.read(), f"differs from goldens/{name}; if it should: CLUSTERD_REGENERATE=1 and look at the diff"
    too_wide = [line for line in text.splitlines() if len(line) > 80]
    assert not too_wide, f"wider than 80 columns: {too_wide}"
