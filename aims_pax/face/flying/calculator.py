"""Models that drive atoms and are checked against the reference on the way, as a calculator of ASE."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self

import numpy as np
from ase.calculators.calculator import Calculator, all_changes

from aims_pax.atoms import frame_of
from aims_pax.dataset.extxyz import write_extxyz
from aims_pax.dataset.store import RunStore
from aims_pax.errors import Problem, UserError
from aims_pax.frame import Frame
from aims_pax.labelling.inline import InlinePool
from aims_pax.report.flight import MEASURES, draw_flight
from aims_pax.settings.stages.fly import FlySettings
from aims_pax.spoken import changed_with_words
from aims_pax.stages.activities import Activity
from aims_pax.stages.fly.comparison import Check, observed
from aims_pax.stages.fly.flight import Flight
from aims_pax.stages.fly.models import FlownModels
from aims_pax.times import duration

if TYPE_CHECKING:
    from ase import Atoms

SHARES: Final = {
    Activity.LABELLING: "reference",
    Activity.TRAINING: "training",
    Activity.SAMPLING: "models",
}


class FlyingCalculator(Calculator):  # type: ignore[misc]
    """Energy (eV), forces (eV/Å) and, for crystals, stress (eV/Å³): of the reference at first, then of its models.

    Each new structure that it is asked for is one step. Made by :func:`aims_pax.fly`; :meth:`close` it, or use it in a
    ``with``, so that another session may go on in its folder.

    Parameters
    ----------
    flight : Flight
    models : FlownModels
    store : RunStore
    pool : InlinePool
    settings : FlySettings
    atoms : Atoms
        Of this composition are all structures that it is asked for. A molecule that has no cell here has none later,
        whatever it is asked with.
    name : str
        What the structure is called.
    """

    implemented_properties: ClassVar[list[str]] = ["energy", "free_energy", "forces", "stress"]

    def __init__(
        self,
        flight: Flight,
        *,
        models: FlownModels,
        store: RunStore,
        pool: InlinePool,
        settings: FlySettings,
        atoms: "Atoms",
        name: str,
    ) -> None:
        super().__init__()
        self._flight, self._models, self._store, self._pool = flight, models, store, pool
        self._settings, self._numbers, self._system = settings, sorted(atoms.numbers.tolist()), name
        self._has_cell = bool(atoms.cell.any())
        self._is_closed = False

    @property
    def checks(self) -> tuple[Check, ...]:
        """All comparisons with the reference, those of earlier sessions in the folder among them."""
        return self._flight.checks

    @property
    def n_reference(self) -> int:
        """Labels of the reference, initial steps included."""
        return self._store.counts().n_received

    @property
    def n_steps(self) -> int:
        """Structures that it was asked for, in all sessions."""
        return self._flight.n_steps

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Commit, and give the folder free. May be called twice."""
        if self._is_closed:
            return
        self._is_closed = True
        self._flight.keep()
        self._pool.close()
        self._store.close()

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
        """One step, and all its results.

        Raises
        ------
        CampaignStopped
            The reference gives no labels.
        UserError
            These are other atoms, or it was closed.
        """
        super().calculate(atoms, list(properties), system_changes)
        assert self.atoms is not None
        if self._is_closed:
            raise UserError(Problem("fly", "This calculator was closed.", "", "Call aims_pax.fly again."))
        if sorted(self.atoms.numbers.tolist()) != self._numbers:
            found = "It is asked for a structure of other atoms than those that it was made for."
            raise UserError(Problem("fly", found, "", "Make another one, with a folder of its own."))
        felt = self._flight.advance(self._frame(self.atoms))
        self.results = {"energy": felt.energy, "free_energy": felt.energy, "forces": felt.forces}
        if felt.stress is not None:
            self.results["stress"] = felt.stress

    def _frame(self, atoms: "Atoms") -> Frame:
        """What a structure is to models and reference."""
        frame = frame_of(atoms, system=self._system)
        if self._has_cell or frame.pbc.any():
            return frame
        # i-PI has a cell around everything, and ASE's client sets it; in it a molecule would lie at a corner, where
        # a program that needs a cell has it in the middle of its own.
        return replace(frame, cell=np.zeros((3, 3)))

    def record(self) -> dict[str, Any]:
        """Plain values: steps, calls of the reference, trainings, times, and the errors at checks with intervals."""
        seconds = self._flight.stopwatch.seconds()
        checks = self.checks
        return {
            "n_steps": self.n_steps,
            "n_reference": self.n_reference,
            "n_checks": len(checks),
            "n_failed": sum(not check.passed for check in checks),
            "n_early": sum(check.is_early for check in checks),
            "n_learned": sum(check.learned for check in checks),
            "seconds": {word: round(seconds.get(activity, 0.0), 3) for activity, word in SHARES.items()},
            "observed": {
                name: {"value": one.value, "low": one.low, "high": one.high} for name, one in observed(checks).items()
            },
        }

    def report(self) -> str:
        """The same in words."""
        found = self.record()
        lines = [
            f"{found['n_steps']} steps, {found['n_reference']} calls of the reference",
            f"{found['n_checks']} checks, {found['n_failed']} of them beyond a tolerance; "
            f"the models have learned after {found['n_learned']}",
        ]
        if found["n_early"]:
            lines.append(f"{found['n_early']} checks were called by the models' deviation")
        total = sum(found["seconds"].values())
        if total:
            shares = [f"{word} {duration(s)} ({100 * s / total:.0f} %)" for word, s in found["seconds"].items()]
            lines.append("time: " + ", ".join(shares))
        for name, one in found["observed"].items():
            words, unit = MEASURES[name]
            limit = getattr(self._settings.tolerances, name)
            kept = "" if one["low"] is None else f" ({1000 * one['low']:.3g} to {1000 * one['high']:.3g})"
            against = "" if limit is None else f"; tolerance {1000 * limit:.3g}"
            lines.append(f"error at checks, {words}: {1000 * one['value']:.3g}{kept} {unit}{against}")
        return "\n".join(lines)

    def draw(self, path: str | Path) -> Path:
        """The checks as a figure: errors beside their tolerances, and intervals, over the steps."""
        target = Path(path)
        draw_flight(target, self.checks, self._settings.tolerances.model_dump())
        return target

    def export(self, folder: str | Path) -> list[Path]:
        """The models as files that :func:`aims_pax.calculator`, MACE and LAMMPS' tools read; and the labels beside.

        Raises
        ------
        UserError
            There is no model yet.
        """
        committee = self._models.committee
        if committee is None:
            raise UserError(Problem("fly", "There are no models yet.", "", "Make the initial steps first."))
        target = Path(folder)
        target.mkdir(parents=True, exist_ok=True)
        write_extxyz(target / "labels.xyz", self._store.labelled())
        return committee.export(target, committee.names[0].removesuffix(f"_{committee.seeds[0]}"))
