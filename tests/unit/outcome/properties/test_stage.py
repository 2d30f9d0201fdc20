"""What a stage asks for: the properties of the command, with the settings that are written."""

from dataclasses import fields

import pytest

from aims_pax.errors import UserError
from aims_pax.evaluation.properties import PROPERTIES, USUAL
from aims_pax.outcome.properties.asked import properties_named
from aims_pax.outcome.properties.stage import properties_of
from aims_pax.settings.section import Section
from aims_pax.settings.stages.validate import PROPERTY_KEYS, ValidateSettings


def test_the_stage_has_the_properties_of_the_command_in_their_order() -> None:
    assert tuple(PROPERTY_KEYS) == tuple(PROPERTIES)


@pytest.mark.parametrize("name", PROPERTIES)
def test_settings_are_those_of_the_property_with_the_same_defaults(name: str) -> None:
    (found,) = properties_of(ValidateSettings.model_validate({name: {}}))
    assert found == PROPERTIES[name]
    model = type(getattr(ValidateSettings.model_validate({name: {}}), name))
    assert issubclass(model, Section)
    assert set(model.model_fields) == {one.name for one in fields(type(PROPERTIES[name]))}  # type: ignore[arg-type]


def test_without_any_those_of_small_cells_are_meant_and_true_and_false_are_words() -> None:
    assert tuple(one.NAME for one in properties_of(ValidateSettings())) == USUAL
    found = properties_of(ValidateSettings.model_validate({"eos": True, "phonons": False, "lattice": True}))
    assert [one.NAME for one in found] == ["lattice", "eos"]


def test_what_is_written_reaches_the_property() -> None:
    written = {"surface": {"indices": [[1, 1, 1]]}, "vacancy": {"distance_ang": 10.5}}
    vacancy, surface = properties_of(ValidateSettings.model_validate(written))
    assert vacancy.distance_ang == 10.5  # type: ignore[attr-defined]
    assert surface.indices == ((1, 1, 1),)  # type: ignore[attr-defined]


def test_elements_of_the_command_reach_what_puts_them_there() -> None:
    interstitial, vacancy = properties_named(["interstitial", "vacancy"], elements=["Ag"])
    assert interstitial.elements == ("Ag",)  # type: ignore[attr-defined]
    assert not hasattr(vacancy, "elements")
    with pytest.raises(UserError, match="Zz is no element"):
        properties_named(["substitution"], elements=["Zz"])


def test_settings_of_md_by_the_command_reach_its_property_and_all_has_no_md() -> None:
    _, moving = properties_named(["lattice", "structure"], motion={"temperature_k": 500.0, "time_ps": 1.0})
    assert (moving.temperature_k, moving.time_ps) == (500.0, 1.0)  # type: ignore[attr-defined]
    assert "structure" not in {one.NAME for one in properties_named(["all"])}
    with pytest.raises(UserError, match=r"the first 0.3 ps are left out"):
        properties_named(["structure"], motion={"time_ps": 0.1})
