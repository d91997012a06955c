# SPDX-License-Identifier: GPL-2.0-or-later
import pytest

from harness import Cluster


@pytest.fixture
def cluster(tmp_path):
    it = Cluster(tmp_path)
    yield it
    it.close()
