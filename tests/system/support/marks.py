# SPDX-License-Identifier: GPL-2.0-or-later
"""What tests are marked with, beside pytest's own words."""

import pytest


def seldom(*values):
    """A variant of a test that differs little from another one: tests/run leaves it out, tests/run system does not."""
    return pytest.param(*values, marks=pytest.mark.thorough)
