"""Protocols by real programs: what they print of it, and that cells of unequal size are of equal precision."""

import re
from pathlib import Path

import pytest
from ase import Atoms
from ase.build import bulk

from aims_pax.atoms import frame_of
from aims_pax.frame import Label
from aims_pax.reference.registry import build_reference
from aims_pax.settings.methods.engines import (
    AbinitSettings,
    Cp2kSettings,
    EngineSettings,
    EspressoSettings,
    GpawSettings,
    KPointEngineSettings,
)

from .. import programs

SILICON = bulk("Si")
SMALL = {"basis_set": "SZV-MOLOPT-SR-GTH", "basis_set_file": "BASIS_MOLOPT", "xc": "PBE"}

FAST: dict[str, KPointEngineSettings] = {
    "abinit": AbinitSettings(pseudo_dir=programs.PSP, protocol="fast", parameters={"pps": "pspgth", "ecut": 300}),
    "cp2k": Cp2kSettings(protocol="fast", parameters=SMALL),
    "espresso": EspressoSettings(
        pseudo_dir=programs.UPF,
        pseudopotentials=programs.UPF_FILES,
        protocol="fast",
        parameters={"input_data": {"ecutwfc": 25.0, "ecutrho": 150.0}},
    ),
    "gpaw": GpawSettings(protocol="fast", parameters={"xc": "PBE"}),
}

PRINTED = {
    "abinit": (
        "abinit.abo",
        (r"kptrlatt +2 +0 +0 +0 +2 +0", r"occopt +7\b", r"tolvrs +1\.0+E-07", r"tsmear +8\.00000\d+E-03"),
    ),
    "cp2k": (
        "cp2k.out",
        (r"Smear method: +FERMI_DIRAC", r"Electronic temperature \[K\]: +710\.5", r"eps_scf: +1\.00E-06"),
    ),
    "espresso": ("espresso.pwo", (r"Marzari-Vanderbilt smearing, width \(Ry\)= +0\.0275", r"number of k points= +\d")),
    "gpaw": ("gpaw.txt", (r"Monkhorst-Pack size: \[2, 2, 2\]", r"Fermi-Dirac:\s+width: 0\.0612", r"Cutoff: 340\.0 eV")),
}
"""Where each program tells what it computes with, and what has to stand there."""

SLOW = {"cp2k": pytest.mark.slow, "gpaw": pytest.mark.slow}

WITHIN_EV = {"abinit": 1e-4, "cp2k": 1e-3, "espresso": 1e-4, "gpaw": 1e-4}
"""Of each atom: the same k points, and the same cutoff on grids of other cells; that of CP2K is coarse."""


def needs(settings: EngineSettings) -> None:
    if (reason := programs.missing(settings)) is not None:
        pytest.skip(reason)


def labelled(settings: EngineSettings, atoms: Atoms, folder: Path) -> Label:
    reference = build_reference(settings)
    try:
        label = reference.label(frame_of(atoms, system="silicon"), folder=folder, want_stress=True)
    finally:
        close = getattr(reference, "close", None)
        if close is not None:
            close()
    assert isinstance(label, Label), label
    return label


@pytest.mark.parametrize("kind", [pytest.param(kind, marks=SLOW.get(kind, ())) for kind in FAST])
def test_a_cell_and_its_supercell_have_the_energy_that_the_protocol_gives_both(kind: str, tmp_path: Path) -> None:
    """At points 1.01 1/Å apart, for time: 2 x 2 x 2 of the cell, and 1 x 2 x 2 of the one that is twice as long."""
    needs(FAST[kind])
    settings = FAST[kind].model_copy(update={"kspacing": 1.01})
    one = labelled(settings, SILICON, tmp_path / "one")
    two = labelled(settings, SILICON * (2, 1, 1), tmp_path / "two")
    assert two.energy / 4 == pytest.approx(one.energy / 2, abs=WITHIN_EV[kind])
    at_gamma = settings.model_copy(update={"kspacing": 10.0})
    alone = labelled(at_gamma, SILICON, tmp_path / "gamma")
    assert abs(alone.energy - one.energy) / 2 > 0.1, "one grid for all would be of unequal precision by so much"
    name, patterns = PRINTED[kind]
    printed = (tmp_path / "one" / name).read_text(encoding="utf-8", errors="replace")
    for pattern in patterns:
        assert re.search(pattern, printed), pattern
