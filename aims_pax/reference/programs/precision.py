"""Protocols: how finely programs compute, by one word for each degree, whatever the program.

Taken from:

* the protocols `fast`, `moderate` and `precise` of aiida-common-workflows (Huber et al., npj Comput. Mater. 7, 136,
  2021; files `workflows/relax/*/protocol.yml`), here `fast`, `balanced` and `stringent`: cutoffs, convergence and
  smearing;
* its `verification-PBE-v1` (Bosoni et al., Nat. Rev. Phys. 6, 45, 2024) for GPAW, of which it has no `precise`;
* those of aiida-quantumespresso, of which TrainsPot uses the first and the last, for Quantum ESPRESSO.

Chosen here:

* One word is one density of k points. Theirs go from 1.0 (CP2K, `fast`) to 0.04 1/Å (ABINIT, `precise`); taken are
  those of VASP and CASTEP, 0.25, 0.15 and 0.10, for all but Quantum ESPRESSO. Grids hold the Γ point, so that a cell
  and its supercells have the very same points where the numbers of points divide.
* ABINIT's smearing stays 0.008 Ha: the 0.0005 Ha of its `precise` are for k points 0.04 1/Å apart.
* SIESTA's mesh is the finest that they have for any element, so that it is one for all compositions. The 50 Ry of
  `fast`, "never tested" there, would let forces depend on where atoms lie in the mesh: it has the 200 Ry of `moderate`.
* GPAW's cutoff of `fast` is the program's default, for they have none.
* CP2K has the 300 cycles of `precise` always, and two unoccupied states of each atom where these are more than 20.
* DFTB+ has no cutoff, and its energy holds no entropy where ASE reads it: k points alone.
"""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

from aims_pax.settings.methods.engines import (
    AbinitSettings,
    CastepSettings,
    Cp2kSettings,
    DftbSettings,
    EngineSettings,
    EspressoSettings,
    GpawSettings,
    KPointEngineSettings,
    Protocol,
    SiestaSettings,
    VaspSettings,
)
from aims_pax.settings.methods.keywords import names
from aims_pax.units import HARTREE_EV

Told = Mapping[str, Any]

RYDBERG_EV: Final = HARTREE_EV / 2

SPACINGS: Final[Mapping[Protocol, float]] = {"fast": 0.25, "balanced": 0.15, "stringent": 0.10}
"""Distance of k points, 1/Å with the factor 2π."""


@dataclass(frozen=True, slots=True)
class Precision:
    """One protocol of one program.

    Parameters
    ----------
    kspacing : float, 1/Å
        With the factor 2π.
    arguments : mapping of str to value
        What ASE's calculator is told, in its names and units. Of CP2K, `inp` holds lines by section, with {states} for
        the number of unoccupied ones; of Quantum ESPRESSO all is `input_data`, with the threshold of one atom.
    of_crystals : mapping of str to value
        What it is told besides of periodic structures.
    """

    kspacing: float
    arguments: Told = field(default_factory=lambda: MappingProxyType({}))
    of_crystals: Told = field(default_factory=lambda: MappingProxyType({}))


def _espresso(kspacing: float, *, degauss: float, conv_thr: float) -> Precision:
    """Cold smearing (Marzari et al., Phys. Rev. Lett. 82, 3296, 1999) by its width, Ry; convergence, Ry an atom."""
    smearing = {"occupations": "smearing", "smearing": "cold", "degauss": degauss}
    return Precision(kspacing, {"system": smearing, "electrons": {"conv_thr": conv_thr}})


def _abinit(protocol: Protocol, *, tolvrs: float, nstep: int) -> Precision:
    """Gaussian smearing (occopt 7) of 0.008 Ha; the residual of the potential that ends the cycles, Ha²."""
    smearing = {"occopt": 7, "tsmear": 0.008 * HARTREE_EV, "fband": 2.0}
    return Precision(SPACINGS[protocol], {"tolvrs": tolvrs, "nstep": nstep, "chksymbreak": 0, **smearing})


def _castep(protocol: Protocol, basis: str, **further: float) -> Precision:
    """The cutoff by CASTEP's own word, which knows the pseudopotentials; its Gaussian smearing of 0.2 eV is its own."""
    return Precision(SPACINGS[protocol], {"basis_precision": basis, **further})


def _cp2k(protocol: Protocol, *, cutoff_ry: int, relative_ry: int, eps_default: str, eps_scf: str) -> Precision:
    """Grids and thresholds; of crystals Fermi-Dirac smearing of 710.5 K (61 meV)."""
    inp = {
        "FORCE_EVAL/DFT/MGRID": (f"REL_CUTOFF {relative_ry}",),
        "FORCE_EVAL/DFT/QS": (f"EPS_DEFAULT {eps_default}",),
        "FORCE_EVAL/DFT/SCF": (f"EPS_SCF {eps_scf}",),
    }
    smearing = {
        "FORCE_EVAL/DFT/SCF": ("ADDED_MOS {states}", "CHOLESKY OFF"),
        "FORCE_EVAL/DFT/SCF/SMEAR": (
            *("_SECTION_PARAMETERS_ ON", "METHOD FERMI_DIRAC", "ELECTRONIC_TEMPERATURE [K] 710.5"),
        ),
        "FORCE_EVAL/DFT/SCF/MIXING": ("METHOD BROYDEN_MIXING", "ALPHA 0.1", "BETA 1.5"),
    }
    told = {"cutoff": cutoff_ry * RYDBERG_EV, "max_scf": 300, "inp": inp}
    return Precision(SPACINGS[protocol], told, {"inp": smearing})


def _gpaw(protocol: Protocol, *, ecut_ev: float) -> Precision:
    """Plane waves; of crystals Fermi-Dirac smearing of 0.0045 Ry. Convergence is GPAW's own."""
    occupations = {"name": "fermi-dirac", "width": 0.06122}
    return Precision(SPACINGS[protocol], {"mode": {"name": "pw", "ecut": ecut_ev}}, {"occupations": occupations})


def _siesta(protocol: Protocol, *, mesh_ry: float, shift_ev: float, basis: str, tolerance: float) -> Precision:
    """Fermi-Dirac smearing of 25 meV; convergence of the elements of the density matrix."""
    fdf = {"SCF.DM.Tolerance": tolerance, "ElectronicTemperature": (25, "meV")}
    told = {"mesh_cutoff": mesh_ry * RYDBERG_EV, "energy_shift": shift_ev, "basis_set": basis, "fdf_arguments": fdf}
    return Precision(SPACINGS[protocol], told)


def _vasp(protocol: Protocol, prec: str, *, ediff: float, **further: float) -> Precision:
    """Gaussian smearing of 0.2 eV; where no cutoff is told, that of the potentials (ENMAX)."""
    return Precision(SPACINGS[protocol], {"prec": prec, "ediff": ediff, "ismear": 0, "sigma": 0.2, **further})


PRECISIONS: Final[Mapping[type[EngineSettings], Mapping[Protocol, Precision]]] = {
    AbinitSettings: {
        "fast": _abinit("fast", tolvrs=1e-7, nstep=100),
        "balanced": _abinit("balanced", tolvrs=1e-9, nstep=200),
        "stringent": _abinit("stringent", tolvrs=1e-10, nstep=300),
    },
    CastepSettings: {
        "fast": _castep("fast", "MEDIUM"),
        "balanced": _castep("balanced", "FINE", elec_energy_tol=1e-6),
        "stringent": _castep("stringent", "PRECISE", elec_energy_tol=1e-8, grid_scale=2, fine_grid_scale=3),
    },
    Cp2kSettings: {
        "fast": _cp2k("fast", cutoff_ry=400, relative_ry=30, eps_default="1.0E-10", eps_scf="1.0E-6"),
        "balanced": _cp2k("balanced", cutoff_ry=600, relative_ry=40, eps_default="1.0E-12", eps_scf="1.0E-7"),
        "stringent": _cp2k("stringent", cutoff_ry=2400, relative_ry=80, eps_default="1.0E-16", eps_scf="1.0E-7"),
    },
    DftbSettings: {protocol: Precision(kspacing) for protocol, kspacing in SPACINGS.items()},
    EspressoSettings: {
        "fast": _espresso(0.30, degauss=0.0275, conv_thr=0.4e-9),
        "balanced": _espresso(0.15, degauss=0.02, conv_thr=0.2e-9),
        "stringent": _espresso(0.10, degauss=0.0125, conv_thr=0.1e-9),
    },
    GpawSettings: {
        "fast": _gpaw("fast", ecut_ev=340),
        "balanced": _gpaw("balanced", ecut_ev=600),
        "stringent": _gpaw("stringent", ecut_ev=800),
    },
    SiestaSettings: {
        "fast": _siesta("fast", mesh_ry=200, shift_ev=0.2, basis="DZ", tolerance=1e-3),
        "balanced": _siesta("balanced", mesh_ry=400, shift_ev=0.05, basis="DZP", tolerance=1e-4),
        "stringent": _siesta("stringent", mesh_ry=850, shift_ev=0.05, basis="DZP", tolerance=1e-5),
    },
    VaspSettings: {
        "fast": _vasp("fast", "Single", ediff=1e-4),
        "balanced": _vasp("balanced", "Normal", ediff=1e-5, nelmin=4),
        "stringent": _vasp("stringent", "Accurate", ediff=1e-6, nelmin=6, encut=550),
    },
}
"""What each word means, by the settings class of the program."""

RIVALS: Final[Mapping[str, frozenset[str]]] = {
    "tolvrs": frozenset({"toldfe", "toldff", "tolrff", "tolwfr", "accuracy"}),
    "occopt": frozenset({"smearing"}),
    "tsmear": frozenset({"smearing"}),
    "basis_precision": frozenset({"cutoffenergy", "ecut"}),
    "fine_grid_scale": frozenset({"finegmax"}),
    "SCF.DM.Tolerance": frozenset({"dmtolerance"}),
}
"""Other keywords, spelled plainly, that a user may have said the same by."""


def precision_of(settings: EngineSettings) -> Precision | None:
    """What the protocol of a section means; None where it names none."""
    protocol: Protocol | None = getattr(settings, "protocol", None)
    return None if protocol is None else PRECISIONS[type(settings)][protocol]


def k_spacing(settings: KPointEngineSettings) -> float | None:
    """Largest distance of k points, 1/Å with the factor 2π; None where the program's own keywords tell, or nothing."""
    precision = precision_of(settings)
    if settings.kspacing is not None or precision is None:
        return settings.kspacing
    return None if settings.says_k_points else precision.kspacing


CUTOFFS: Final[Mapping[type[EngineSettings], tuple[str, ...]]] = {
    AbinitSettings: ("ecut", "accuracy"),
    CastepSettings: ("cut_off_energy", "ecut"),
    EspressoSettings: ("ecutwfc",),
    VaspSettings: ("encut",),
}
"""Keywords of cutoffs that are those of the elements of a structure where nobody says them; first the program's own."""


def cutoff_by_elements(settings: EngineSettings) -> str | None:
    """The keyword of a cutoff that follows from a structure's elements; None: one for all, or there is no protocol."""
    precision, keywords = precision_of(settings), CUTOFFS.get(type(settings), ())
    if precision is None or not keywords:
        return None
    said = {plain(name) for name in (*names(settings.parameters), *precision.arguments)}
    return None if said & {plain(keyword) for keyword in keywords} else keywords[0]


def arguments_of(settings: EngineSettings, *, periodic: bool) -> dict[str, Any]:
    """The user's arguments of ASE's calculator, and those of the protocol where the user says nothing.

    Input of the program's own is left to the modules of CP2K and Quantum ESPRESSO.
    """
    given = deepcopy(dict(settings.parameters))
    precision = precision_of(settings)
    if precision is None or isinstance(settings, EspressoSettings):
        return given
    wanted = {**precision.arguments, **(precision.of_crystals if periodic else {})}
    if isinstance(settings, Cp2kSettings):
        del wanted["inp"]
    return _laid_under(given, wanted, said={plain(name) for name in names(given)})


def _laid_under(given: Told, wanted: Told, *, said: set[str]) -> dict[str, Any]:
    """Arguments with those that are wanted, too, where neither they nor others of the same meaning were said.

    Parameters
    ----------
    said : set of str
        Keywords that were said, wherever, spelled plainly.
    """
    spelled = {plain(str(name)): name for name in given}
    found = dict(given)
    for name, value in wanted.items():
        own = spelled.get(plain(name))
        if own is None and not said & {plain(name), *RIVALS.get(name, ())}:
            found[name] = deepcopy(value)
        elif own is not None and isinstance(value, Mapping):
            written = {"name": given[own]} if isinstance(given[own], str) else given[own]
            # Of GPAW's objects the name comes first: a cutoff of plane waves is none of atomic orbitals.
            if isinstance(written, Mapping) and written.get("name", value.get("name")) == value.get("name"):
                found[own] = _laid_under(written, value, said={plain(one) for one in names(written)})
    return found


def plain(name: str) -> str:
    """A keyword as programs compare it: SIESTA's DM.Tolerance, dm-tolerance and DM_Tolerance are one."""
    return "".join(letter for letter in name.lower() if letter not in " ._-")
