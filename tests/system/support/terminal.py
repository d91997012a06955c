# SPDX-License-Identifier: GPL-2.0-or-later
"""A program on a terminal of its own: what it writes there, and what somebody types."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time


def _on_a_terminal():
    """As a login shell begins: in a background job of a script Ctrl-C is ignored, and that is inherited."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Terminal:
    """Use as a context manager. `text` is all that came, as it came but for colours."""

    SEQUENCE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")

    def __init__(self, command, columns=80, rows=24):
        self.raw = ""
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        environment = {key: value for key, value in os.environ.items() if key not in ("COLUMNS", "LINES", "NO_COLOR")}
        self.process = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, env={**environment, "TERM": "xterm"},
                                        start_new_session=True, preexec_fn=_on_a_terminal)
        os.close(slave)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self.master)

    @property
    def text(self):
        return self.SEQUENCE.sub("", self.raw).replace("\r", "")

    @property
    def lines(self):
        return self.text.split("\n")

    def type(self, text):
        os.write(self.master, text.encode())

    def _read(self, deadline):
        """False once the program is gone."""
        ready, _, _ = select.select([self.master], [], [], max(0, deadline - time.monotonic()))
        assert ready, f"nothing came any more; before that:\n{self.text}"
        try:
            data = os.read(self.master, 65536)
        except OSError:  # EIO: nobody has the other side open
            return False
        self.raw += data.decode(errors="replace")
        return bool(data)

    def wait_for(self, pattern, timeout_s=60, since=0):
        """Waits until the pattern is in the text after this many characters; returns how long the text is then."""
        deadline = time.monotonic() + timeout_s
        while not re.search(pattern, self.text[since:]):
            assert self._read(deadline), f"it ended without {pattern!r}:\n{self.text}"
        return len(self.text)

    def end(self, timeout_s=60):
        """Waits for its end; returns the exit code."""
        deadline = time.monotonic() + timeout_s
        while self._read(deadline):
            pass
        return self.process.wait(timeout_s)
