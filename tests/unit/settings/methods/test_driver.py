"""What drives active learning in the committee's place, as ACTIVE_LEARNING names it."""

from pathlib import Path
from typing import Any

import pytest

from aims_pax.settings.methods.dispersion import DispersionSettings
from aims_pax.settings.methods.driver import DriverChoice

from ..conftest import AL, IDG, MD, ProjectFolder

KEY = "foundational_model_settings.model_type"
NPT = "MD: {stat_ensemble: npt}\n"
SLAB = '4\nLattice="8 0 0 0 8 0 0 0 8" pbc="T T F"\nCu 0 0 0\nCu 2 0 0\nCu 0 2 0\nCu 0 0 2\n'


def driven(keys: str = "", *, use: str = "true") -> str:
    model = f"  foundational_model_settings: {keys}\n" if keys else ""
    return f"{AL}  use_foundational: {use}\n{model}"


def choice(folder: ProjectFolder, keys: str = "") -> DriverChoice:
    found = folder.write(IDG + driven(keys) + MD).load().active.driving
    assert found is not None
    return found


def test_the_committee_drives_where_nothing_is_said(folder: ProjectFolder) -> None:
    assert folder.write(IDG + AL + MD).load().active.driving is None


def test_the_model_that_v02_would_take_drives_where_none_is_named(folder: ProjectFolder) -> None:
    assert choice(folder) == DriverChoice("mace-mp", KEY)


def test_every_key_of_v02_has_its_meaning(folder: ProjectFolder) -> None:
    file = folder.file("driver.model", "")
    found = choice(
        folder,
        "{model_type: mace, mace_model: small, model_path: driver.model, r_max_lr: null, dispersion_lr_damping: null,"
        " dispersion: true, dispersion_xc: b3lyp, dispersion_cutoff: 10, damping: zero}",
    )
    correction = DispersionSettings(xc="b3lyp", damping="zero", cutoff=10.0)
    assert found == DriverChoice("mace", KEY, model=str(file), correction=correction)
    assert choice(folder, "{mace_model: large, default_dtype: float32}") == DriverChoice(
        "mace-mp", KEY, model="large", dtype="float32"
    )


def test_anything_drives_that_drives_the_initial_dataset(folder: ProjectFolder) -> None:
    assert choice(folder, "{model_type: gfn1-xtb}") == DriverChoice("tblite", KEY, "GFN1-xTB")
    assert choice(folder, "{model_type: 'my.models:Best', arguments: {size: 3}}") == DriverChoice(
        "my.models:Best", KEY, arguments={"size": 3}
    )


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ("{model_type: chgnet}", "model_type is 'chgnet'"),
        ("{model_type: mace}", "model_type mace needs a model file. -> Set model_path to the path of a model file."),
        ("{model_path: driver.model}", "model_path is for model_type mace, and model_type is mace-mp."),
        ("{model_type: mace, model_path: driver.model, mace_model: large}", "name two models"),
        ("{model_type: mace, model_path: no.model}", "no.model"),
        ("{model_type: mace-off, mace_model: mh-0}", "mh-0 is a model of mace-mp, not of mace-off"),
        ("{model_type: gfn2-xtb, dispersion: true}", "GFN2-xTB has its own dispersion, and model_type is GFN2-xTB."),
        ("{model_type: gfn2-xtb, mace_model: small}", "mace_model names a MACE model, and model_type is GFN2-xTB."),
        ("{arguments: {a: 1}}", "arguments are for a calculator given by its import path"),
        ("{model_type: 'a:b', default_dtype: float32}", "default_dtype is that of a MACE model"),
    ],
)
def test_what_can_not_drive_is_said(folder: ProjectFolder, keys: str, words: str) -> None:
    folder.file("driver.model", "")
    said = folder.write(IDG + driven(keys) + MD).complaint()
    assert "ACTIVE_LEARNING.foundational_model_settings" in said
    for part in words.split(" -> "):
        assert part in said


def test_a_model_that_is_not_to_drive_is_said_to_be_useless(folder: ProjectFolder) -> None:
    said = folder.write(IDG + driven("{mace_model: large}", use="false") + MD).complaint()
    assert "foundational_model_settings are given, and use_foundational is not true: the committee drives." in said
    spelt_out = "{model_type: mace-mp, mace_model: small, model_path: null, dispersion: false}"
    assert folder.write(IDG + driven(spelt_out, use="false") + MD).load().active.driving is None


@pytest.mark.parametrize("how", ["propagate_with: mean", "propagate_with: member", "uncertainty_bias: 2"])
def test_how_the_committee_drives_is_moot_where_it_does_not(folder: ProjectFolder, how: str) -> None:
    key = how.partition(":")[0]
    md = f"MD:\n  stat_ensemble: nvt\n  {how}\n"
    said = folder.write(IDG + driven() + md).complaint()
    assert f"MD.{key} says how the committee drives, and ACTIVE_LEARNING.use_foundational lets another" in said
    assert "aims_PAX.yaml, line" in said
    own = driven() + f"  MD: {{{how}}}\n"
    assert f"MD.{key} says how the committee drives" in folder.write(IDG + own + MD).complaint()
    assert folder.write(IDG + driven() + MD + "  uncertainty_bias: 0\n").load().active.driving is not None


def test_how_the_committee_drives_matters_to_a_stage_that_it_drives(folder: ProjectFolder) -> None:
    stages = (
        "STAGES:\n"
        "  - initial: {n_points_per_sampling_step_idg: 2, max_initial_set_size: 4}\n"
        "  - learn: {num_trajectories: 2, max_train_set_size: 9, use_foundational: true}\n"
        "  - learn: {num_trajectories: 2, max_train_set_size: 19}\n"
    )
    project = folder.write(stages + "MD: {stat_ensemble: nvt, propagate_with: member}\n").load()
    first, second = (plan.settings for plan in project.settings.learning)
    assert (first.driving is None, second.driving is None) == (False, True)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("keys", "refused"),
    [("{model_type: 'ase.calculators.emt:EMT'}", True), ("{dispersion: true}", True), ("{mace_model: small}", False)],
)
def test_cells_of_slabs_are_moved_by_models_that_know_their_stress(
    folder: ProjectFolder, keys: str, refused: bool
) -> None:
    initial = IDG + "  foundational_model: mace-mp\n"
    folder.write(initial + driven(keys) + NPT, structure=SLAB)
    if not refused:
        assert folder.load().active.driving is not None
        return
    said = folder.complaint()
    assert "is not periodic along all directions, and " in said
    assert "Let a MACE model without dispersion drive the MD of ACTIVE_LEARNING" in said


def test_a_driver_is_part_of_what_a_run_is() -> None:
    from aims_pax.settings.changing import When, when

    for key in ("use_foundational", "foundational_model_settings"):
        assert when(f"ACTIVE_LEARNING.{key}") is When.NEVER


def test_python_names_a_driver_as_a_file_does(tmp_path: Path) -> None:
    from ase.build import molecule

    import aims_pax as ap

    driver: dict[str, Any] = {"model_type": "ase.calculators.emt:EMT"}
    stage = ap.learn(
        num_trajectories=1, max_train_set_size=9, use_foundational=True, foundational_model_settings=driver
    )
    project = ap.Project.of(
        molecule("H2O"),
        reference="tblite",
        stages=[ap.initial(n_points_per_sampling_step_idg=1, max_initial_set_size=3), stage],
        folder=tmp_path,
    )
    assert project.active.driving == DriverChoice("ase.calculators.emt:EMT", KEY)
