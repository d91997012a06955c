# SPDX-License-Identifier: GPL-2.0-or-later
"""Fixtures of the system tests, and the trace that a failed one prints.

A module that wants a cluster says which: CLUSTER = support.cluster.Cluster("failover", nodes=3). Its tests take the fixture
`cluster`: the same lab for all of them, whole again before each.
"""

import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

# pylint: disable=wrong-import-position
import support.cluster  # noqa: E402,F401


def pytest_configure(config):
    config.addinivalue_line("markers", "thorough: tests/run leaves it out to save time, tests/run system does not")


# Modules are given to whichever worker is free: the long ones first, or one worker is alone with them at the end.
LONG = ("test_first_cluster", "test_failover", "test_lab_host", "test_demo", "test_volume")


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: LONG.index(item.module.__name__) if item.module.__name__ in LONG else len(LONG))
    if os.geteuid() != 0:
        for item in items:
            item.add_marker(pytest.mark.skip(reason="the lab needs root"))


@pytest.fixture(scope="module", name="module_cluster")
def fixture_module_cluster(request):
    whole = request.module.CLUSTER
    try:
        yield whole
    finally:
        whole.down()


@pytest.fixture(name="cluster")
def fixture_cluster(request, module_cluster):
    try:
        module_cluster.reset()
    except BaseException:
        module_cluster.broken = True
        raise
    yield module_cluster
    # A test that did not get to its end leaves what nobody knows.
    report = getattr(request.node, "report_of_call", None)
    module_cluster.broken = report is None or not report.passed


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    if call.when == "call":
        item.report_of_call = report
    whole = getattr(item.module, "CLUSTER", None)
    wanted = report.failed or "CLUSTERD_TEST_TRACE" in os.environ
    if wanted and call.when in ("setup", "call") and whole is not None and whole.lab is not None and whole.follower:
        report.sections.append(("what happened, in seconds since the story began", whole.trace()))
