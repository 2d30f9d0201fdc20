"""Cheap settings of real programs of electronic structure, and why a test can't have them on this machine."""

import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from aims_pax.settings.methods.engines import (
    AbinitSettings,
    Cp2kSettings,
    EngineSettings,
    EspressoSettings,
    GpawSettings,
    NwchemSettings,
)

UPF = Path("/usr/share/espresso/pseudo")
"""Where Debian's quantum-espresso-data keeps pseudopotentials."""

PSP = Path("/usr/share/abinit/psp")
"""Where Debian's abinit-data keeps them."""

UPF_FILES = {"Si": "Si.pbe-nl-rrkjus_psl.1.0.0.UPF", "H": "H.pbe-kjpaw.UPF", "O": "O.pbe-kjpaw.UPF"}


def espresso(*, kspacing: float = 0.9, **data: Any) -> EspressoSettings:
    """Coarse, but for the self-consistency, on which derivatives depend."""
    return EspressoSettings(
        pseudo_dir=UPF,
        pseudopotentials=UPF_FILES,
        protocol="fast",
        kspacing=kspacing,
        molecule_box=8.0,
        parameters={"input_data": {"ecutwfc": 25.0, "ecutrho": 150.0, "conv_thr": 1e-10, **data}},
    )


def gpaw(**parameters: Any) -> GpawSettings:
    """Plane waves to 250 eV."""
    mode = {"name": "pw", "ecut": 250}
    convergence = {"density": 1e-7, "eigenstates": 1e-12}
    return GpawSettings(
        kspacing=0.9, molecule_box=8.0, parameters={"mode": mode, "convergence": convergence, **parameters}
    )


def cp2k(**parameters: Any) -> Cp2kSettings:
    """A minimal basis on a fine grid."""
    basis = {"basis_set": "SZV-MOLOPT-SR-GTH", "basis_set_file": "BASIS_MOLOPT"}
    tight = (
        "&FORCE_EVAL\n&DFT\n&SCF\nEPS_SCF 1e-8\n&END SCF\n&QS\nEPS_DEFAULT 1e-14\n&END QS\n&END DFT\n&END FORCE_EVAL"
    )
    return Cp2kSettings(molecule_box=8.0, parameters={"xc": "PBE", "cutoff": 4000, "inp": tight, **basis, **parameters})


def nwchem(**parameters: Any) -> NwchemSettings:
    """PBE in a small basis."""
    dft = {"convergence": {"energy": 1e-9, "density": 1e-8, "gradient": 1e-7}, "grid": "xfine", "tolerances": "tight"}
    return NwchemSettings(parameters={"xc": "PBE", "basis": "3-21G", "dft": dft, **parameters})


def abinit(**parameters: Any) -> AbinitSettings:
    """LDA with the pseudopotentials of Goedecker, Teter and Hutter."""
    return AbinitSettings(
        pseudo_dir=PSP,
        kspacing=0.9,
        molecule_box=8.0,
        parameters={"pps": "pspgth", "ecut": 400, "toldfe": 1e-9, **parameters},
    )


def missing(settings: EngineSettings) -> str | None:
    """Why a program can't be used here; None when it can."""
    if isinstance(settings, GpawSettings):
        return None if find_spec("gpaw") is not None else "needs the extra gpaw"
    program = str(getattr(settings, "command", "")).split()[0]
    if shutil.which(program) is None:
        return f"needs {program}"
    folder = getattr(settings, "pseudo_dir", None)
    return None if folder is None or folder.is_dir() else f"needs the pseudopotentials in {folder}"
