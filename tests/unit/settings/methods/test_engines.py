"""REFERENCE sections of programs that ASE drives, and dispersion in both of its places."""

import pickle
from typing import Any

import pytest

from aims_pax.reference.registry import build_reference
from aims_pax.sampling import DispersedForces
from aims_pax.settings.methods.dispersion import DispersionSettings
from aims_pax.settings.methods.engines import (
    ENGINE_SETTINGS,
    CastepSettings,
    EspressoSettings,
    GpawSettings,
    OrcaSettings,
)
from aims_pax.stages.driver import driver_forces

from ..conftest import AL, IDG, MD


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "type: Espresso\n  pseudo_dir: upf\n  protocol: fast\n  command: mpiexec -n 4 pw.x -nk 2\n"
            "  pseudopotentials: {O: O.upf, H: H.upf}\n  parameters: {input_data: {system: {ecutwfc: 40}}}",
            {
                "protocol": "fast",
                "command": "mpiexec -n 4 pw.x -nk 2",
                "pseudopotentials": {"O": "O.upf", "H": "H.upf"},
                "parameters": {"input_data": {"system": {"ecutwfc": 40}}},
            },
        ),
        ("type: gpaw\n  kspacing: 0.3\n  launch: mpiexec -n 2", {"kspacing": 0.3, "protocol": None}),
        ("type: castep\n  protocol: stringent\n  kspacing: 0.2", {"protocol": "stringent", "kspacing": 0.2}),
        ("type: orca\n  charge: -1\n  multiplicity: 2", {"charge": -1, "multiplicity": 2}),
        ("type: castep\n  magnetic_moments: {Fe: 2.5}", {"magnetic_moments": {"Fe": 2.5}}),
    ],
)
def test_program_is_chosen_by_its_type(folder: Any, text: str, expected: dict[str, object]) -> None:
    reference = folder.write(IDG + AL + MD + f"REFERENCE:\n  {text}\n").load().settings.reference
    assert {key: getattr(reference, key) for key in expected} == expected
    assert pickle.loads(pickle.dumps(reference)) == reference
    assert isinstance(reference, EspressoSettings | GpawSettings | OrcaSettings | CastepSettings)
    if isinstance(reference, EspressoSettings):
        assert reference.pseudo_dir == folder.path / "upf"
    if isinstance(reference, GpawSettings):
        assert reference.launcher == ("mpiexec", "-n", "2")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("type: espresso", "REFERENCE.pseudo_dir is missing"),
        ("type: orca\n  kspacing: 0.3", "REFERENCE.kspacing is not a setting"),
        ("type: nwchem\n  protocol: fast", "REFERENCE.protocol is not a setting"),
        ("type: castep\n  protocol: moderate", "fast | balanced | stringent"),
        ("type: dftb+\n  protocol: fast\n  kspacing: 0.3", "both say how dense k points are"),
        (
            "type: gpaw\n  charge: 1\n  parameters: {charge: 0}",
            "charge is 1, and parameters have charge: both say the same thing",
        ),
        (
            "type: espresso\n  pseudo_dir: .\n  multiplicity: 3\n  parameters: {input_data: {tot_magnetization: 1}}",
            "multiplicity is 3, and parameters have tot_magnetization",
        ),
        (
            "type: orca\n  multiplicity: 3\n  parameters: {mult: 1}",
            "multiplicity is 3, and parameters have mult",
        ),
        ("type: vasp\n  pseudo_dir: .\n  command: vasp_std | tee out", "REFERENCE.command holds '|'"),
        (
            "type: espresso\n  pseudo_dir: .\n  parameters: {input_data: {System: 1}}",
            "input_data.System is 1, and System is a namelist of pw.x",
        ),
        ("type: espreso", "Did you mean espresso?"),
        ("type: pyscf\n  dispersion: {method: d3}", "REFERENCE.dispersion.xc is missing"),
        ("type: pyscf\n  dispersion: {method: d4, xc: pbe, damping: zero}", "D4 has only bj"),
        ("type: pyscf\n  dispersion: {method: d4, xc: pbe, three_body: false}", "D4 always includes it"),
    ],
)
def test_settings_that_mean_nothing_are_refused(folder: Any, text: str, said: str) -> None:
    message = folder.write(IDG + AL + MD + f"REFERENCE:\n  {text}\n").complaint()
    assert said.lower() in message.lower()


@pytest.mark.parametrize("kind", sorted(ENGINE_SETTINGS))
def test_each_program_has_its_reference(kind: str, tmp_path: Any) -> None:
    needs_folder = "pseudo_dir" in ENGINE_SETTINGS[kind].model_fields
    settings = ENGINE_SETTINGS[kind](**({"pseudo_dir": tmp_path} if needs_folder else {}))
    assert build_reference(settings).name


def test_dispersion_of_the_reference_has_defaults_and_a_name(folder: Any) -> None:
    text = "REFERENCE: {type: tblite, dispersion: {xc: pbe}}\n"
    reference = folder.write(IDG + AL + MD + text).load().settings.reference
    assert reference.dispersion == DispersionSettings(method="d3", xc="pbe", damping="bj", three_body=False)
    assert "D3(BJ)-pbe" in build_reference(reference).name


def test_model_that_drives_gets_dispersion_by_v02_s_keys(folder: Any) -> None:
    keys = "{dispersion: true, dispersion_xc: b3lyp, dispersion_cutoff: 10, damping: zero}"
    driver = f"  foundational_model: ase.calculators.emt:EMT\n  foundational_model_settings: {keys}\n"
    project = folder.write(IDG + driver + AL + MD).load()
    model = project.initial.foundational_model_settings
    assert model.correction == DispersionSettings(xc="b3lyp", damping="zero", cutoff=10.0)
    forces = driver_forces(project, project.initial.driving)
    assert isinstance(forces, DispersedForces)


def test_dispersion_on_top_of_tight_binding_is_counted_twice_and_refused(folder: Any) -> None:
    keys = "  foundational_model: tblite\n  foundational_model_settings: {dispersion: true}\n"
    assert "GFN2-xTB has its own dispersion" in folder.write(IDG + keys + AL + MD).complaint()
