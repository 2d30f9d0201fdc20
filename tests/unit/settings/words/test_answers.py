"""What a person may answer, and what is said to anything else."""

import pytest

from aims_pax.errors import SettingsError
from aims_pax.settings.words.answers import (
    Conditions,
    Place,
    read_conditions,
    read_device,
    read_number_of_structures,
    read_place,
)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("500", Conditions(500.0)),
        (" 298.15 k ", Conditions(298.15)),
        ("300 K, 1 bar", Conditions(300.0, 1e5)),
        ("300K 2.5GPa", Conditions(300.0, 2.5e9)),
        ("1e3 K; -1 GPa", Conditions(1000.0, -1e9)),
    ],
)
def test_conditions_are_read_with_their_units(text: str, meant: Conditions) -> None:
    assert read_conditions(text, can_move_cells=True) == meant


@pytest.mark.parametrize("text", ["", "hot", "0", "-5 K", "1e9", "300 C", "300 K, 1", "300 K, 1 psi", "300 K, 1e9 GPa"])
def test_other_conditions_are_refused(text: str) -> None:
    with pytest.raises(SettingsError, match=r"temperature|pressure"):
        read_conditions(text, can_move_cells=True)


def test_a_pressure_needs_cells_that_can_move() -> None:
    with pytest.raises(SettingsError, match="A pressure is for crystals alone"):
        read_conditions("300 K, 1 bar", can_move_cells=False)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("here", Place()),
        ("4", Place(n_workers=4)),
        ("2 workers", Place(n_workers=2)),
        ("Slurm", Place(batch="slurm")),
        ("pbs workq", Place(batch="pbs", queue="workq")),
    ],
)
def test_places_are_read(text: str, meant: Place) -> None:
    assert read_place(text) == meant


@pytest.mark.parametrize("text", ["", "0", "-1", "4 nodes", "here 4", "slurm a b", "slurm a;b", "cloud", "1e3"])
def test_other_places_are_refused(text: str) -> None:
    with pytest.raises(SettingsError, match=r"Allowed: here \|"):
        read_place(text)


@pytest.mark.parametrize("text", ["19", "many", "1.5e2", "-40", "10000000"])
def test_numbers_of_structures_have_bounds(text: str) -> None:
    assert read_number_of_structures("20") == 20
    with pytest.raises(SettingsError, match="a number from 20 to"):
        read_number_of_structures(text)


@pytest.mark.parametrize(
    ("text", "meant"),
    [("AUTO", "auto"), ("cuda:1", "cuda:1"), ("cuda:0, cuda:1", "[cuda:0, cuda:1]"), ("[cuda:0]", "cuda:0")],
)
def test_devices_are_read_as_yaml(text: str, meant: str) -> None:
    assert read_device(text) == meant


@pytest.mark.parametrize("text", ["", "gpu", "cuda cpu", "cuda:0 cuda:0", "cuda:x"])
def test_other_devices_are_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="is no device"):
        read_device(text)
