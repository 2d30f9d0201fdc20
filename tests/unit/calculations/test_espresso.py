"""Standard output and XML of pw.x."""

from typing import Any

import pytest

from tests.unit.calculations import published


@pytest.mark.parametrize("expected", published.parameters("qe"))
def test_published_outputs_are_read_right(expected: dict[str, Any]) -> None:
    published.check(expected)
