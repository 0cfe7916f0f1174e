"""For all tests: steady Hypothesis, and skips that are named, or failures where CI wants none."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

pytest_plugins = ["tests.databases"]

settings.register_profile(
    "overdial",
    deadline=None,  # these machines are shared: a slow example is no defect
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=bool(os.environ.get("CI")),
    print_blob=True,
)
settings.load_profile("overdial")


@pytest.fixture(scope="session", autouse=True)
def tables_made_once() -> Iterator[None]:
    """For those that have a store; the pure ones do not load it for this."""
    if "dialer.store.store" not in sys.modules:
        yield
        return
    from tests.migrated import stores_open_faster

    with stores_open_faster():
        yield


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, exitstatus: int, config: pytest.Config
) -> None:
    """One line for each reason why something could not run here."""
    reasons: dict[str, int] = {}
    for report in terminalreporter.stats.get("skipped", []):
        text = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        text = text.removeprefix("Skipped: ")
        reasons[text] = reasons.get(text, 0) + 1
    for text, count in reasons.items():
        terminalreporter.write_line(f"NOT RUN: {count} test(s): {text}")


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    if os.environ.get("OVERDIAL_SKIP_NOTHING") and exitstatus == 0:
        reporter = session.config.pluginmanager.get_plugin("terminalreporter")
        if reporter is not None and reporter.stats.get("skipped"):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
