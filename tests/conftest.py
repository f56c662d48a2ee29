"""Checks around every test: nothing may change the environment or working folder, or leave a thread behind.

With ``TEST_STORYMEM_SKIPS=expected``, as CI sets it, a skip whose reason is not in ``expected_skips.txt`` fails: a
library that is quietly missing would otherwise take its tests with it. No variable of the tests begins with STORYMEM_:
those are settings of a run.
"""

from __future__ import annotations

import os
import re
import tempfile
import threading
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from storymem.openmp import set_openmp_defaults

# The suite runs in several processes; torch's own threads would only wait for each other. Read when torch loads.
os.environ.setdefault("OMP_NUM_THREADS", "1")
set_openmp_defaults()  # as every session does: no test may be the one that changes the environment

# What a test's runs are trusted with is no business of the person who runs the tests.
_CONFIGURATION = tempfile.TemporaryDirectory(prefix="storymem-config-")
os.environ["XDG_CONFIG_HOME"] = _CONFIGURATION.name

#: Set by torch when it is first imported, in whichever test that is.
_BY_LIBRARIES = {"TORCHINDUCTOR_CACHE_DIR"}

#: Seconds a thread may take to end after its test.
_GRACE = 5.0


@pytest.fixture(autouse=True)
def clean_environment() -> Iterator[None]:
    """Fail a test that leaves environment variables or the working folder changed."""
    before, folder = dict(os.environ), Path.cwd()
    yield
    after = dict(os.environ)
    after["PYTEST_CURRENT_TEST"] = before.get("PYTEST_CURRENT_TEST", "")
    before["PYTEST_CURRENT_TEST"] = after["PYTEST_CURRENT_TEST"]
    assert Path.cwd() == folder, "the test changed the working folder"
    leaked = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)} - _BY_LIBRARIES
    assert not leaked, f"the test changed the environment: {sorted(leaked)}"


@pytest.fixture(autouse=True)
def no_leaked_threads() -> Iterator[None]:
    """Fail a test that leaves a thread which would keep the program from ending."""
    before = set(threading.enumerate())
    yield
    for thread in threading.enumerate():
        if thread not in before and not thread.daemon:
            thread.join(_GRACE)
            assert not thread.is_alive(), f"the test left thread {thread.name!r} running"


def _refused(report: pytest.TestReport | pytest.CollectReport) -> bool:
    """Whether a report is of a skip that nobody expects."""
    if os.environ.get("TEST_STORYMEM_SKIPS") != "expected" or not report.skipped or hasattr(report, "wasxfail"):
        return False
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    lines = (Path(__file__).with_name("expected_skips.txt")).read_text("utf-8").splitlines()
    expected = (line for line in lines if line and not line.startswith("#"))
    return not any(re.match(rf"(Skipped: )?{pattern}", reason) for pattern in expected)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fail a test that is skipped for a reason nobody expects."""
    report = yield
    if _refused(report):
        report.outcome, report.longrepr = "failed", f"a skip that nobody expects: {report.longrepr}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Fail a module that is skipped whole for a reason nobody expects."""
    report = yield
    if _refused(report):
        report.outcome, report.longrepr = "failed", f"a skip that nobody expects: {report.longrepr}"  # type: ignore[assignment]
    return report
