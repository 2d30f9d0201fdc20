"""Outputs of VASP: published ones with established values, and texts that this file writes in VASP's format."""

from typing import Any

import pytest

from .published import check, parameters


@pytest.mark.parametrize("expected", parameters("vasp"))
def test_published_files_are_read_right(expected: dict[str, Any]) -> None:
    check(expected)
