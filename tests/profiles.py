"""How many examples properties are tried with: few while one works, many in CI.

`HYPOTHESIS_PROFILE=large` in the environment, or `pytest --hypothesis-profile large`. Only the large profile draws new
examples at each run: with the others, what was green once is green again until something is changed.
"""

import os
from typing import Final

from hypothesis import settings

PROFILES: Final = {"small": 20, "medium": 100, "large": 300}
"""Examples of a property, by profile; `medium` when nothing is said."""


def load() -> None:
    """Take the profile that the environment asks for."""
    for name, n_examples in PROFILES.items():
        # Without a deadline: machines with other work to do are slow, and every test has a limit of its own.
        is_search = name == "large"
        settings.register_profile(
            name, max_examples=n_examples, deadline=None, derandomize=not is_search, print_blob=is_search
        )
    settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE") or "medium")


def times(factor: float) -> settings:
    """Settings of a property that takes this many times the profile's examples, five at least."""
    return settings(max_examples=max(5, round(factor * settings.default.max_examples)))
