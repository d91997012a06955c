# SPDX-License-Identifier: GPL-2.0-or-later
"""What the tests of the file actions share."""

import pytest

from copy_world import World


@pytest.fixture(name="world")
def fixture_world(tmp_path):
    return World(tmp_path)
