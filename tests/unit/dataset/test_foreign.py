"""What is read of names that other programs write on comment lines."""

import numpy as np
import pytest

from aims_pax.dataset.foreign import temperature_of


@pytest.mark.parametrize(
    ("found", "kelvin"),
    [
        ({"temperature": 300}, 300.0),
        ({"Temperature_K": np.float64(298.15), "config_type": "md_900K"}, 298.15),
        ({"config_type": "md_900K"}, 900.0),
        ({"config_type": "liquid, 1500 K"}, 1500.0),
        ({"config_type": "2.5e 300.5K-anneal"}, 300.5),
        ({"config_type": "Na2K"}, None),
        ({"config_type": "300Kbar"}, None),
        ({"temperature": "hot"}, None),
        ({"temperature": -1.0}, None),
        ({"temperature": float("nan")}, None),
        ({}, None),
    ],
)
def test_temperature_is_told_by_its_name_or_by_the_kind(found: dict[str, object], kelvin: float | None) -> None:
    assert temperature_of(found) == kelvin
