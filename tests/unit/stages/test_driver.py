"""Which method drives the MD of the initial dataset, and is said to."""

from pathlib import Path

import pytest

from aims_pax.checking.check import check_project
from aims_pax.frame import Stage
from aims_pax.settings import Project, load_project
from aims_pax.stages import assembly
from aims_pax.stages.driver import driver_forces, embedded_settings

from ...integration.projects import water_project


def project(folder: Path, reference: dict[str, str], driver: str | None) -> Project:
    keys = {} if driver is None else {"foundational_model": driver}
    water_project(folder, {"REFERENCE": reference, "INITIAL_DATASET_GENERATION": keys})
    return load_project(folder)


@pytest.mark.parametrize(
    ("reference", "driver", "method"),
    [
        ({"type": "pyscf"}, None, "GFN2-xTB"),
        ({"type": "tblite"}, None, "GFN2-xTB"),
        ({"type": "tblite", "method": "GFN1-xTB"}, None, "GFN1-xTB"),
        ({"type": "tblite", "method": "GFN1-xTB"}, "tblite", "GFN2-xTB"),
        ({"type": "tblite"}, "GFN1-xTB", "GFN1-xTB"),
        ({"type": "pyscf"}, "gfn1-xtb", "GFN1-xTB"),
    ],
)
def test_embedded_driver_has_the_method_that_was_asked_for(
    reference: dict[str, str], driver: str | None, method: str, tmp_path: Path
) -> None:
    chosen = project(tmp_path, reference, driver)
    assert chosen.initial.driver == "tblite"
    assert embedded_settings(chosen).method == method
    assert any(fact == f"initial dataset: MD driven by {method}" for fact in check_project(chosen, tuple(Stage)).facts)


def test_gfn1_drives_by_its_own_forces(tmp_path: Path) -> None:
    """The first step of both methods from one structure, by their own forces."""
    from tblite.ase import TBLite

    from aims_pax.atoms import atoms_of

    for method in ("GFN1-xTB", "GFN2-xTB"):
        chosen = project(tmp_path / method, {"type": "tblite"}, method)
        forces = driver_forces(chosen)
        sampler = assembly.initial_sampler(chosen, forces)
        atoms = atoms_of(sampler.frame(0))
        atoms.calc = TBLite(method=method, verbosity=0)
        _, computed = forces.energies_forces(sampler.batch([0]))
        # Both are converged to tblite's accuracy of 1; the methods themselves differ by 1 eV/Å here.
        assert abs(computed.numpy() - atoms.get_forces()).max() < 1e-4
