"""Whether molecular dynamics holds: each run is looked at now and then, and what is not sound ends it.

Overlapping atoms, huge forces and numbers that are not finite are found by the sampler itself, at every step. What
takes longer than a step to be told from a vibration is found here.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

import numpy as np

from aims_pax.evaluation.bonds import BondGraph, listed
from aims_pax.evaluation.thermostat import LOOK_FS, hottest_k, settling_ps
from aims_pax.frame import FloatArray

BROKEN: Final = 1.5
"""A bond longer than this times its length is broken if it stays so: 1.64 Å for C-H, 2.28 Å for C-C. That takes some
1.8 eV (C-H, Morse), 25 kT at 800 K. The paper's limit is 2 Å for any bond."""

TORN_AT_ONCE: Final = 2.0
"""Longer than this, and nothing comes back."""

STAYS_FS: Final = 20.0
"""How long a bond has to be beyond BROKEN: twice the period of the fastest one."""

NETWORK_SHARE: Final = 0.1
"""Share of an endless network's bonds that are broken at once when it is no longer the same solid; single ones break
and form in every hot solid."""

DISORDERED: Final = 0.25
"""Root mean square displacement from the sites, in nearest-neighbour distances, at which a crystal is none any more.
Solids melt at 0.1 to 0.2 (Lindemann, Phys. Z. 11, 609, 1910)."""

HOT_LOOKS: Final = 10
"""Whose mean temperature is looked at."""


class Trouble(StrEnum):
    """What was wrong with a run."""

    TORN = "torn"
    """A covalent bond broke."""
    PROTON = "proton"
    """A proton passed to another atom: chemistry, or a mistake of the model."""
    APART = "apart"
    """A cluster lost an atom, or an endless network a part of its bonds."""
    MELTED = "melted"
    """A crystal lost its order: it melts, or the model does not hold it."""
    WRECKED = "wrecked"
    """Atoms overlap, or forces are huge or not finite."""
    HOT = "hot"
    """It heated up beyond what its thermostat allows."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a run ended early.

    Parameters
    ----------
    trouble : Trouble
    time_ps : float
        When it began.
    words : str
        ``the bond O 3 - H 4 tore: 3.21 Å, 0.97 Å at the start``
    """

    trouble: Trouble
    time_ps: float
    words: str


@dataclass(frozen=True, slots=True)
class Conditions:
    """How a run moves.

    Parameters
    ----------
    system : str
    ensemble : str
    temperature_k : float
    timestep_fs : float
    relaxation_fs : float or None
        Time of the thermostat, 1 / `friction` or `tdamp`; None in nve.
    n_atoms : int
    """

    system: str
    ensemble: str
    temperature_k: float
    timestep_fs: float
    relaxation_fs: float | None
    n_atoms: int

    def settling_ps(self, length_ps: float) -> float:
        """Time at the beginning of a run of this length that says nothing."""
        return settling_ps(self.relaxation_fs or 0.0, length_ps)


@dataclass(frozen=True, slots=True, eq=False)
class Traces:
    """A run as it was looked at, n times.

    Parameters
    ----------
    time_ps, temperature_k : (n,)
    strain : (n,)
        Longest bond, in lengths at the start; NaN without bonds.
    deviation_time_ps, deviation_ev_per_ang : (m,)
        Of the forces that the committee predicts; looked at less often.
    angle_time_ps : (k,)
    angles_rad : (k, D)
        Dihedrals, where they are looked at.
    """

    time_ps: FloatArray
    temperature_k: FloatArray
    strain: FloatArray
    deviation_time_ps: FloatArray
    deviation_ev_per_ang: FloatArray
    angle_time_ps: FloatArray = field(default_factory=lambda: np.zeros(0))
    angles_rad: FloatArray = field(default_factory=lambda: np.zeros((0, 0)))


@dataclass(frozen=True, slots=True, eq=False)
class RunRecord:
    """One run of molecular dynamics.

    Parameters
    ----------
    conditions : Conditions
    begun_from : str
        ``start``, or the label that it began from.
    length_ps : float
        How long it was watched, until it failed if it did.
    failure : Failure or None
    traces : Traces
    drift_mev_per_atom_ps : float or None
        Slope of the total energy at constant energy; None where it was not measured.
    """

    conditions: Conditions
    begun_from: str
    length_ps: float
    failure: Failure | None
    traces: Traces
    drift_mev_per_atom_ps: float | None = None


@dataclass(slots=True)
class RunWatch:
    """Looks at one run, and remembers what it saw.

    Parameters
    ----------
    graph : BondGraph
    conditions : Conditions
    is_mobile : bool
        The atoms of this crystal wander in the reference's own structures: it need not keep its order.
    """

    graph: BondGraph
    conditions: Conditions
    is_mobile: bool = False
    _times: list[float] = field(default_factory=list)
    _temperatures: list[float] = field(default_factory=list)
    _strains: list[float] = field(default_factory=list)
    _deviations: list[tuple[float, float]] = field(default_factory=list)
    _angles: list[tuple[float, FloatArray]] = field(default_factory=list)
    _broken_since: dict[int, float] = field(default_factory=dict)

    def look(
        self, time_ps: float, positions: FloatArray, temperature_k: float, *, cell: FloatArray | None = None
    ) -> Failure | None:
        """Note a structure, and say what is wrong with it.

        Parameters
        ----------
        positions : (n_atoms, 3), Å
            Not folded back into the cell.
        cell : (3, 3), Å, or None
            None: that of the start.
        """
        if cell is not None:
            self.graph = self.graph.in_cell(cell)
        strains = self.graph.strains(positions)
        self._times.append(time_ps)
        self._temperatures.append(temperature_k)
        self._strains.append(float(strains.max()) if len(strains) else float("nan"))
        return (
            self._broken_bond(time_ps, positions, strains)
            or self._apart(time_ps, positions, strains)
            or self._melted(time_ps, positions)
            or self._heated(time_ps)
        )

    def note_deviation(self, time_ps: float, deviation_ev_per_ang: float) -> None:
        """Note how far the members are from each other."""
        self._deviations.append((time_ps, deviation_ev_per_ang))

    def note_angles(self, time_ps: float, angles_rad: FloatArray) -> None:
        """Note dihedrals (D,), rad."""
        self._angles.append((time_ps, angles_rad))

    def record(
        self, begun_from: str, *, length_ps: float, failure: Failure | None, drift: float | None = None
    ) -> RunRecord:
        """All that was seen."""
        deviations = np.array(self._deviations, dtype=np.float64).reshape(-1, 2)
        traces = Traces(
            np.array(self._times), np.array(self._temperatures), np.array(self._strains), *deviations.T.copy()
        )
        if self._angles:
            times, angles = zip(*self._angles, strict=True)
            traces = replace(traces, angle_time_ps=np.array(times), angles_rad=np.array(angles))
        return RunRecord(self.conditions, begun_from, length_ps, failure, traces, drift)

    def _broken_bond(self, time_ps: float, positions: FloatArray, strains: FloatArray) -> Failure | None:
        long = np.flatnonzero((strains > BROKEN) & ~self.graph.in_network).tolist()
        self._broken_since = {bond: self._broken_since.get(bond, time_ps) for bond in long}
        lasting = [
            bond
            for bond, since_ps in self._broken_since.items()
            if 1000 * (time_ps - since_ps) >= STAYS_FS - 1e-6 or strains[bond] > TORN_AT_ONCE
        ]
        if not lasting:
            return None
        bond = max(lasting, key=lambda one: float(strains[one]))
        first, second = (int(atom) for atom in self.graph.pairs[bond])
        names = f"{self.graph.name(first)} - {self.graph.name(second)}"
        home = self.graph.new_home(bond, positions)
        if home is not None:
            words = f"the proton of {names} went to {self.graph.name(home)}"
            return Failure(Trouble.PROTON, self._broken_since[bond], words)
        length = float(strains[bond] * self.graph.lengths[bond])
        words = f"the bond {names} tore: {length:.2f} Å, where {self.graph.lengths[bond]:.2f} Å is usual"
        return Failure(Trouble.TORN, self._broken_since[bond], words)

    def _apart(self, time_ps: float, positions: FloatArray, strains: FloatArray) -> Failure | None:
        atoms = self.graph.torn_cluster(positions)
        if atoms is not None:
            return Failure(Trouble.APART, time_ps, f"{listed(self.graph, atoms)} left the cluster")
        n_network = int(self.graph.in_network.sum())
        n_broken = int((strains[self.graph.in_network] > BROKEN).sum())
        if n_broken > max(1.0, NETWORK_SHARE * n_network):
            words = f"{n_broken} of {n_network} bonds of the network were broken"
            return Failure(Trouble.APART, time_ps, words)
        return None

    def _melted(self, time_ps: float, positions: FloatArray) -> Failure | None:
        if self.is_mobile or (displacement := self.graph.displacement(positions)) <= DISORDERED:
            return None
        words = f"its atoms were {displacement:.2f} nearest-neighbour distances away from their sites"
        return Failure(Trouble.MELTED, time_ps, words)

    def _heated(self, time_ps: float) -> Failure | None:
        newest = self._temperatures[-HOT_LOOKS:]
        if len(newest) < HOT_LOOKS:
            return None
        mean_k = float(np.mean(newest))
        if mean_k <= hottest_k(self.conditions.temperature_k, self.conditions.n_atoms):
            return None
        words = f"it heated up to {mean_k:.0f} K"
        return Failure(Trouble.HOT, time_ps, words)


def drift_of(times_ps: FloatArray, energies_ev: FloatArray, *, n_atoms: int) -> float:
    """Slope of the total energy, meV per atom and ps, by least squares.

    Parameters
    ----------
    times_ps, energies_ev : (n,), n > 1
    """
    return float(np.polyfit(times_ps, energies_ev, 1)[0]) * 1000 / n_atoms


def thermal_mean(record: RunRecord) -> float | None:
    """Mean temperature of a run, K, once its thermostat has had three times its time, in NVT and NPT.

    None while that is not over, and in NVE, whose temperature is what its start makes of it.
    """
    conditions = record.conditions
    if conditions.relaxation_fs is None:
        return None
    settled = record.traces.time_ps > 3e-3 * conditions.relaxation_fs
    # A tenth of a picosecond: less is one fluctuation of a few atoms.
    if settled.sum() * LOOK_FS < 100.0:
        return None
    return float(record.traces.temperature_k[settled].mean())


def settled_angles(record: RunRecord) -> FloatArray:
    """Dihedrals of a run, (n, D), rad, without its beginning."""
    return record.traces.angles_rad[record.traces.angle_time_ps > record.conditions.settling_ps(record.length_ps)]


def watched_ps(records: Sequence[RunRecord]) -> float:
    """Time of all runs together, ps."""
    return sum(record.length_ps for record in records)
