"""All tests here read outputs of the program that does not exist."""

import pytest

from aims_pax.calculations import registry

from .fake import READERS


@pytest.fixture(autouse=True)
def _fakes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The readers of this program, and no others."""
    monkeypatch.setattr(registry, "READERS", READERS)
