"""London dispersion on top of any reference, by s-dftd3, dftd4, or Grimme's tables of 2006."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import numpy as np

from aims_pax.frame import Frame, Label, LabelFailure
from aims_pax.protocols import Reference
from aims_pax.reference.calculation import Calculation, Observables, engine
from aims_pax.reference.grimme_2006 import HEAVIEST as TABLED
from aims_pax.reference.grimme_2006 import SCALES, d2_correction
from aims_pax.settings.methods.charges import told_by
from aims_pax.settings.methods.dispersion import Damping, DispersionSettings
from aims_pax.settings.methods.limits import LabelLimits
from aims_pax.units import BOHR_ANG, HARTREE_EV

DISTRIBUTIONS: Final = {"d3": "dftd3", "d4": "dftd4"}
"""Python package of each method; distribution and module bear the same name."""

D3_DAMPINGS: Final[Mapping[Damping, str]] = {
    "bj": "RationalDampingParam",
    "zero": "ZeroDampingParam",
    "bjm": "ModifiedRationalDampingParam",
    "zerom": "ModifiedZeroDampingParam",
    "op": "OptimizedPowerDampingParam",
}
"""Class of s-dftd3 for each damping."""

PAIRS_ANG: Final = 60 * BOHR_ANG
TRIPLES_ANG: Final = 40 * BOHR_ANG
COORDINATION_ANG: Final = {"d3": 40 * BOHR_ANG, "d4": 30 * BOHR_ANG}
"""Cutoffs of s-dftd3 and dftd4 themselves."""

PAIR_S: Final = {"d2": 7e-7, "d3": 4e-8, "d4": 4e-8}
TRIPLE_S: Final = 2e-7
"""Of one core, for each pair and triple of atoms: measured with copper, diamond and ethanol at 8, 12, 15 and 21 Å."""

HEAVIEST: Final = 103
"""Lawrencium, the last element with parameters."""

SMOOTH_ANG: Final = 1.0
"""Width over which pairs fade out before a cutoff of the user's: a sharp one kicks the atoms that cross it."""

VOIGT: Final = ([0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1])


@dataclass(frozen=True, slots=True)
class Dispersion:
    """Energy, forces and stress of London dispersion.

    Parameters
    ----------
    settings : DispersionSettings
    charge : float or None
        Total charge, on which D4 depends, of a frame that has none of its own; None where it can't be seen.

    Notes
    -----
    D2: Grimme, J. Comput. Chem. 27, 1787 (2006); D3: Grimme et al., J. Chem. Phys. 132, 154104 (2010); D4: Caldeweyher
    et al., J. Chem. Phys. 150, 154122 (2019).
    """

    settings: DispersionSettings
    charge: float | None = 0.0

    @property
    def name(self) -> str:
        """Method, damping, functional, and the library with its version."""
        settings = self.settings
        cutoff = "" if settings.cutoff is None else f", cutoff {settings.cutoff:g} Å"
        if settings.method == "d2":
            return f"D2-{settings.xc}{cutoff}"
        method = "D4" if settings.method == "d4" else f"D3({settings.damping.upper()}{'-ATM' * settings.three_body})"
        package = DISTRIBUTIONS[settings.method]
        return f"{method}-{settings.xc} by {engine(package, package)}{cutoff}"

    def problems(self, numbers: Sequence[int]) -> list[str]:
        """Missing package, unknown functional, elements without parameters."""
        if self.settings.method == "d2":
            return self._problems_of_d2(numbers)
        package = DISTRIBUTIONS[self.settings.method]
        if find_spec(package) is None:
            return [
                f"the Python package {package} is not installed; install it with: pip install 'aims-pax[dispersion]'"
            ]
        if self.settings.method == "d4" and self.charge is None:
            return ["D4 depends on the charge, which can't be seen in REFERENCE.parameters; set it by REFERENCE.charge"]
        try:
            self._parameters()
        except RuntimeError:
            key = f"dispersion.xc = {self.settings.xc}"
            return [f"{package} has no {self.settings.damping} damping parameters for {key}; it knows pbe, b3lyp, ..."]
        try:
            atoms = np.array(sorted({int(number) for number in numbers}))
            lone = Frame("elements", 0, 0, 0, atoms, 5.0 * np.arange(len(atoms))[:, None] * np.ones(3))
            self.observables(lone, want_stress=False)
        except (RuntimeError, ValueError) as error:
            return [f"{package} can't correct these elements: {error}"]
        return []

    def observables(self, frame: Frame, *, want_stress: bool) -> Observables:
        """The correction of one structure.

        Raises
        ------
        ValueError
            An element beyond the tables, which s-dftd3 does not notice.
        RuntimeError
            The library refuses the structure.
        """
        if self.settings.method == "d2":
            own = self.settings.cutoff
            return d2_correction(
                frame,
                s6=SCALES[self.settings.xc.lower()],
                cutoff_ang=PAIRS_ANG if own is None else own,
                width_ang=0.0 if own is None else min(SMOOTH_ANG, own / 2),
                want_stress=want_stress,
            )
        if int(frame.numbers.max()) > HEAVIEST:
            raise ValueError(f"there are no dispersion parameters beyond Z = {HEAVIEST}")
        model = self._model(frame)
        model.set_realspace_cutoff(**self._cutoffs())
        found = model.get_dispersion(self._parameters(), grad=True)
        stress = None
        if want_stress and frame.pbc.all():
            stress = found["virial"][VOIGT] * HARTREE_EV / abs(np.linalg.det(frame.cell))
        return Observables(
            energy=float(found["energy"]) * HARTREE_EV,
            forces=-found["gradient"] * HARTREE_EV / BOHR_ANG,
            stress=stress,
        )

    def seconds(self, frame: Frame) -> float:
        """What one correction takes on one core, an estimate: pairs and triples of atoms times what each has taken."""
        cutoffs_ang = {name: length * BOHR_ANG for name, length in self._cutoffs().items()}
        n_near = _n_within(frame, cutoffs_ang["disp2"])
        pairs_s = frame.n_atoms * n_near / 2 * PAIR_S[self.settings.method]
        if self.settings.method != "d4" and not self.settings.three_body:
            return pairs_s
        return pairs_s + frame.n_atoms * _n_within(frame, cutoffs_ang["disp3"]) ** 2 / 6 * TRIPLE_S

    def _problems_of_d2(self, numbers: Sequence[int]) -> list[str]:
        if self.settings.xc.lower() not in SCALES:
            key = f"dispersion.xc = {self.settings.xc}"
            return [f"D2 has no scale for {key}; it knows {', '.join(SCALES)}"]
        if beyond := [number for number in numbers if number > TABLED]:
            return [
                f"D2 can't correct these elements: there are no parameters beyond Z = {TABLED}, and Z = {beyond[0]}"
            ]
        return []

    def _model(self, frame: Frame) -> Any:
        """The library's own, in atomic units."""
        positions, cell = frame.positions / BOHR_ANG, frame.cell / BOHR_ANG
        if self.settings.method == "d3":
            import dftd3.interface as d3

            return d3.DispersionModel(frame.numbers, positions, cell, frame.pbc)
        import dftd4.interface as d4

        charge = float(self.charge or 0.0) if frame.charge is None else float(frame.charge)
        return d4.DispersionModel(frame.numbers, positions, charge, cell, frame.pbc)

    def _parameters(self) -> Any:
        """Damping parameters of the functional."""
        if self.settings.method == "d4":
            import dftd4.interface as d4

            return d4.DampingParam(method=self.settings.xc)
        import dftd3.interface as d3

        kind = getattr(d3, D3_DAMPINGS[self.settings.damping])
        return kind(method=self.settings.xc, atm=self.settings.three_body)

    def _cutoffs(self) -> dict[str, float]:
        """Cutoffs in Bohr."""
        own = self.settings.cutoff
        in_ang = {
            "disp2": PAIRS_ANG if own is None else own,
            "disp3": TRIPLES_ANG if own is None else min(own, TRIPLES_ANG),
            "cn": COORDINATION_ANG[self.settings.method],
            "width2": 0.0 if own is None else min(SMOOTH_ANG, own / 2),
        }
        return {name: length / BOHR_ANG for name, length in in_ang.items()}


def _n_within(frame: Frame, radius_ang: float) -> float:
    """Atoms within a distance of an atom, images too, if they were spread evenly along the periodic directions."""
    lattice = frame.cell[frame.pbc]
    if not len(lattice):
        return float(frame.n_atoms)
    content = float(np.sqrt(np.linalg.det(lattice @ lattice.T)))  # length, area or volume
    reached = {1: 2 * radius_ang, 2: np.pi * radius_ang**2, 3: 4 / 3 * np.pi * radius_ang**3}[len(lattice)]
    return frame.n_atoms * max(1.0, float(reached) / content)


class Dispersed:
    """A reference with a dispersion correction added to its labels.

    Parameters
    ----------
    reference : Reference
    correction : Dispersion
    max_force_ev_per_ang : float
        As in :class:`aims_pax.reference.calculation.Calculation`, for the sum.
    """

    def __init__(self, reference: Reference, correction: Dispersion, *, max_force_ev_per_ang: float) -> None:
        self._reference = reference
        self._correction = correction
        self._limit = max_force_ev_per_ang

    @property
    def name(self) -> str:
        """The reference's name and the correction's."""
        return f"{self._reference.name} + {self._correction.name}"

    def problems(self, numbers: Sequence[int], *, periodic: bool) -> list[str]:
        """Those of both."""
        return [*self._reference.problems(numbers, periodic=periodic), *self._correction.problems(numbers)]

    def label(self, frame: Frame, *, folder: Path, want_stress: bool) -> Label | LabelFailure:
        """The reference's label plus the correction."""
        found = self._reference.label(frame, folder=folder, want_stress=want_stress)
        bare = found if isinstance(found, Label) else found.label  # the sum is what the limit is for
        if bare is None:
            return found
        outcome = Calculation(frame, folder, self.name, self._limit).outcome(lambda: self._sum(bare, frame))
        _, mark, told = bare.reference.partition("; ")
        wall_s, reference = outcome.wall_s + bare.wall_s, f"{self.name}{mark}{told}"
        if isinstance(outcome, Label):
            return replace(outcome, reference=reference, wall_s=wall_s)
        label = None if outcome.label is None else replace(outcome.label, reference=reference, wall_s=wall_s)
        return replace(outcome, wall_s=wall_s, label=label)

    def isolated_atom_energy(self, number: int, *, folder: Path) -> float | None:
        """The reference's own: a lone atom has no dispersion energy."""
        return self._reference.isolated_atom_energy(number, folder=folder)

    def _sum(self, bare: Label, frame: Frame) -> Observables:
        added = self._correction.observables(frame, want_stress=bare.stress is not None)
        stress = None if bare.stress is None or added.stress is None else bare.stress + added.stress
        return Observables(bare.energy + added.energy, bare.forces + added.forces, stress, bare.extras)


def dispersed(reference: Reference, settings: LabelLimits) -> Reference:
    """The reference with the correction of its settings; itself when they ask for none."""
    if settings.dispersion is None:
        return reference
    correction = Dispersion(settings.dispersion, charge=told_by(settings).charge)
    return Dispersed(reference, correction, max_force_ev_per_ang=settings.max_force_ev_per_ang)
