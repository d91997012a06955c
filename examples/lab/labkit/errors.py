# SPDX-License-Identifier: GPL-2.0-or-later
"""The one kind of error the lab raises on purpose: a line that says what, where, why, and what to do."""


class LabError(Exception):
    """Shown to the user as it is, without a traceback."""
