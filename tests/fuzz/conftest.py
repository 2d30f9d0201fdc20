"""Counts of what became of harmed files, in one line a test."""

from collections.abc import Generator, Iterator
from typing import Any

import pytest

from .outcomes import counts, slowest_s


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    """Note the counts of one test in its report, which also travels between processes."""
    counts.clear()
    slowest_s[0] = 0.0
    try:
        return (yield)
    finally:
        if counts:
            item.user_properties.append(("outcomes", dict(counts)))
            item.user_properties.append(("slowest_s", slowest_s[0]))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say the counts of all tests."""
    for report in _reports(terminalreporter):
        noted = dict(report.user_properties)
        if sum(noted.get("outcomes", {}).values()) > 1:
            said = ", ".join(f"{n} {outcome}" for outcome, n in sorted(noted["outcomes"].items()))
            name = report.nodeid.rpartition("::")[2]
            terminalreporter.write_line(f"{name}: {said}; slowest {noted['slowest_s']:.2f} s")


def _reports(terminalreporter: Any) -> Iterator[Any]:
    for outcome in ("passed", "failed"):
        yield from (report for report in terminalreporter.stats.get(outcome, ()) if report.when == "call")
