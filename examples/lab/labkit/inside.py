# SPDX-License-Identifier: GPL-2.0-or-later
"""Inside a node: running commands there, and asking its init and its cluster software how they are."""

import json
import os
import socket
import subprocess
import time

from . import boot, errors

INIT_SOCKET = "/run/lab-init.sock"


def environment(more=None):
    """What a command in a node gets. Nothing of the caller's own: a path or a locale of his does not exist there."""
    return {"PATH": f"/usr/local/sbin:/usr/local/bin:{boot.PATH}", "HOME": "/root", "LANG": "C.UTF-8",
            "TERM": os.environ.get("TERM", "dumb"), **(more or {})}


class Inside:
    """The part of Lab (lab.py) that enters nodes; it lives from Lab's settings, group() and _recorded()."""

    def init_pid(self, node):
        pid = self._recorded("nodes", f"{self.settings.check_node(node)}.pid")
        if not pid:
            raise errors.LabError(f"node {node} is powered off; run: lab power-on {node}")
        return pid

    def command(self, node, command):
        """The argument vector that runs a command in a node. The caller must also join its cgroup (enter_node)."""
        # setpriv: a command dies with the one who waits for it.
        return ["nsenter", f"--target={self.init_pid(node)}", "--mount", "--net", "--pid", "--uts", "--ipc", "--",
                "setpriv", "--pdeathsig", "KILL", "--", *command]

    def popen(self, node, command, **options):
        group = self.group(node)
        # A process that joins a frozen cgroup stops before it has called exec, and Popen would wait for that for ever.
        if group.exists and group.event("frozen"):
            raise errors.LabError(f"node {node} is frozen; run: lab thaw {node}")
        return subprocess.Popen(self.command(node, command), env=environment(options.pop("env", None)),
                                preexec_fn=group.enter, **options)

    def run(self, node, command, timeout_s=60, **options):
        """Runs a command in a node; returns subprocess.CompletedProcess with text."""
        options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **options}
        given = options.pop("input", None)
        if given is not None:
            options["stdin"] = subprocess.PIPE
        with self.popen(node, command, **options) as process:
            try:
                out, err = process.communicate(given, timeout=timeout_s)
            except BaseException:
                process.kill()
                raise
        return subprocess.CompletedProcess(command, process.returncode, out, err)

    def check(self, node, command, **options):
        """As run, but a failure is an error; returns what it printed."""
        done = self.run(node, command, **options)
        if done.returncode != 0:
            raise errors.LabError(f"on {node}: '{' '.join(command)}' ended with {done.returncode}: "
                                  f"{(done.stderr or done.stdout).strip()}")
        return done.stdout

    def ask_init(self, node, request, deadline=None):
        """One request to the node's init (node_init.py). Its socket is reached by way of /proc, as it lies in the node's /run."""
        deadline = deadline or time.monotonic() + 30
        path = f"/proc/{self.init_pid(node)}/root{INIT_SOCKET}"
        while True:
            try:
                with socket.socket(socket.AF_UNIX) as connection:
                    connection.settimeout(max(0.1, deadline - time.monotonic()))
                    connection.connect(path)
                    connection.sendall(json.dumps(request).encode())
                    answer = json.loads(connection.makefile().readline() or "{}")
                break
            except (FileNotFoundError, ConnectionRefusedError):
                if time.monotonic() > deadline:
                    raise errors.LabError(f"node {node}: its init does not answer; see {self.settings.path('nodes', node)}/var/log/init.log") from None
                time.sleep(0.02)  # it is booting
            except (OSError, ValueError) as error:
                raise errors.LabError(f"node {node}: {request} was not answered in time ({error}); "
                                      f"see {self.settings.path('nodes', node)}/var/log") from None
        if answer.get("error"):
            raise errors.LabError(f"node {node}: {answer['error']}")
        return answer

    def units(self, node):
        return self.ask_init(node, {"units": True})

    def is_quorate(self, node):
        return "Quorate:          Yes" in self.run(node, ["corosync-quorumtool", "-s"]).stdout

    def members(self, node):
        """Names of the nodes in this node's corosync membership."""
        output = self.run(node, ["corosync-quorumtool", "-p", "-i", "-l"]).stdout
        ids = {int(line.split()[0]) for line in output.splitlines() if line.split() and line.split()[0].isdigit()}
        return [name for name in self.settings.node_names if self.settings.node_id(name) in ids]

    def clusterctl_json(self, node, *words, timeout_s=30):
        """What clusterctl --json says, or None if it fails."""
        done = self.run(node, ["clusterctl", *words, "--json"], timeout_s=timeout_s)
        try:
            return json.loads(done.stdout) if done.returncode == 0 else None
        except ValueError:
            return None
