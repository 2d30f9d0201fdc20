"""The parts that docs/extending.md shows pass what every part of their kind passes."""

from pathlib import Path
from typing import Any

import pytest

from aims_pax.evaluation.properties import PROPERTIES
from aims_pax.learner.selectors import Selector
from aims_pax.protocols import Reference
from aims_pax.reference.registry import BUILDERS, build_reference
from aims_pax.settings.methods.reference import REFERENCE_SETTINGS

from ..contract import test_reference, test_selector
from .cells import DOCS, run

ROWS: dict[str, Any] = {"REFERENCE_SETTINGS": {}, "BUILDERS": {}, "CASES": {}, "SELECTORS": []}
"""What the page would add to the lists of the package and of its tests."""

PAGE = run(DOCS / "extending.md", **ROWS, Case=test_reference.Case, diamond=test_reference.diamond)

TestNoiseFirst = PAGE["TestNoiseFirst"]
TestEvenStrains = PAGE["TestEvenStrains"]
TestTwists = PAGE["TestTwists"]
TestDensity = PAGE["TestDensity"]
PROPERTIES.pop("density")


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch) -> None:
    """For a test, and not for those of other files that look at the same dictionaries."""
    for known, added in ((REFERENCE_SETTINGS, ROWS["REFERENCE_SETTINGS"]), (BUILDERS, ROWS["BUILDERS"])):
        for key, value in added.items():
            monkeypatch.setitem(known, key, value)


class TestOfTheReference:
    """Those of tests/contract/test_reference.py."""

    @pytest.fixture
    def case(self) -> test_reference.Case:
        (case,) = ROWS["CASES"].values()
        return case

    @pytest.fixture
    def reference(self, case: test_reference.Case, mace_model: Path) -> Reference:
        return build_reference(case.settings(mace_model))

    @pytest.fixture
    def water(self, case: test_reference.Case) -> Any:
        return test_reference.rattled(test_reference.molecule(case.molecule), system="water")


class TestOfTheSelector:
    """Those of tests/contract/test_selector.py."""

    @pytest.fixture
    def selector(self) -> Selector:
        (selector,) = ROWS["SELECTORS"]
        return selector


for suite, module in ((TestOfTheReference, test_reference), (TestOfTheSelector, test_selector)):
    for name, function in vars(module).items():
        if name.startswith("test_"):
            setattr(suite, name, staticmethod(function))


def test_the_lists_that_the_page_names_are_those_of_the_package() -> None:
    assert ROWS["REFERENCE_SETTINGS"].keys() & REFERENCE_SETTINGS.keys() == {"morse"}
    assert ROWS["BUILDERS"].keys() <= BUILDERS.keys()
    assert ROWS["CASES"].keys() == {"morse"}
    assert not ROWS["CASES"].keys() & test_reference.CASES.keys()
    assert PAGE["AboveLimit"].NAME not in {one.name for one in test_selector.SELECTORS}
