"""Models as a calculator of ASE: their mean drives, and their deviation goes along."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from ase.calculators.calculator import Calculator, all_changes

from aims_pax.atoms import frame_of
from aims_pax.frame import CommitteePrediction
from aims_pax.protocols import ErrorEstimator, EstimatedErrors, Predictor
from aims_pax.spoken import changed_with_words

if TYPE_CHECKING:
    from ase import Atoms


class CommitteeCalculator(Calculator):  # type: ignore[misc]
    """Energy (eV), forces (eV/Å) and, where a structure is periodic, stress (eV/Å³) of the mean of some models.

    Of two models and more ``results`` also hold ``energy_deviation`` (eV), ``forces_deviation`` ((n_atoms, 3), eV/Å),
    ``stress_deviation`` ((6,), eV/Å³) and ``max_atomic_deviation`` (eV/Å): what the members differ by, number by
    number, and the largest of any atom, by which active learning picks structures (aims-PAX, Eq. 1).

    With a calibration ``results`` also hold how wrong the mean may be, as far as that is known: ``energy_error`` (eV,
    of the whole structure), ``forces_error`` ((n_atoms,), eV/Å, of a component of the force on each atom) and
    ``stress_error`` (eV/Å³, of a component) are the root mean square errors to expect, and ``energy_interval``,
    ``forces_interval`` and ``stress_interval``, of the same shapes, the bounds that errors keep in 90 % of cases: the
    reference is within plus and minus so much.

    Parameters
    ----------
    models : Predictor
    calibration : ErrorEstimator or None
        Of these very models.
    """

    implemented_properties: ClassVar[list[str]] = [
        *("energy", "free_energy", "forces", "stress"),
        *("energy_deviation", "forces_deviation", "stress_deviation", "max_atomic_deviation"),
        *("energy_error", "energy_interval", "forces_error", "forces_interval", "stress_error", "stress_interval"),
    ]

    def __init__(self, models: Predictor, *, calibration: ErrorEstimator | None = None) -> None:
        super().__init__()
        self.models, self.calibration = models, calibration

    def check_state(self, atoms: "Atoms", tol: float = 1e-15) -> list[str]:
        """What has changed since the newest results, of charge and spin, too, which ASE does not look at."""
        before = None if self.atoms is None else self.atoms.info
        return changed_with_words(super().check_state(atoms, tol), before, atoms.info)

    def calculate(
        self,
        atoms: "Atoms | None" = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = all_changes,
    ) -> None:
        """All results at once.

        Raises
        ------
        ModelError
            The models do not know an element.
        """
        super().calculate(atoms, list(properties), system_changes)
        frame = frame_of(self.atoms, system="")
        [said] = self.models.predict([frame], want_stress=bool(frame.pbc.any()))
        energy = float(said.energies.mean())
        results: dict[str, Any] = {"energy": energy, "free_energy": energy, "forces": said.forces.mean(axis=0)}
        if said.stress is not None:
            results["stress"] = said.stress.mean(axis=0)
        if len(said.energies) > 1:
            together = CommitteePrediction.of_members(
                said.energies, said.forces, said.stress, generation=self.models.generation
            )
            results |= {
                "energy_deviation": together.energy_deviation,
                "forces_deviation": together.forces_deviation,
                "max_atomic_deviation": together.max_atomic_deviation,
            }
            if together.stress_deviation is not None:
                results["stress_deviation"] = together.stress_deviation
            if self.calibration is not None:
                results |= _told(self.calibration.errors_of(together))
        self.results = results


def _told(errors: EstimatedErrors) -> dict[str, Any]:
    """What is known, by the names of results."""
    told = {
        **{"energy_error": errors.energy, "energy_interval": errors.energy_interval},
        **{"forces_error": errors.forces, "forces_interval": errors.forces_interval},
        **{"stress_error": errors.stress, "stress_interval": errors.stress_interval},
    }
    return {name: value for name, value in told.items() if value is not None}
