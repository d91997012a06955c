# SPDX-License-Identifier: GPL-2.0-or-later
"""What the measurements share: a lab with guests (stage.py), medians and tables (figures.py), the daemons' logs as times
(journal.py), and how busy the rest of the machine was meanwhile (load.py)."""

import os
import sys

_LAB_DIR = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..", "examples", "lab")
if _LAB_DIR not in sys.path:
    sys.path.insert(0, _LAB_DIR)
