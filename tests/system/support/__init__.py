# SPDX-License-Identifier: GPL-2.0-or-later
"""What the system tests share: a cluster in a lab with its witnesses (cluster.py), what they must testify in the end
(verdict.py), and the timed trace that a failed test prints (trace.py)."""

import os
import sys

_LAB_DIR = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..", "examples", "lab")
if _LAB_DIR not in sys.path:
    sys.path.insert(0, _LAB_DIR)
