"""What models that are tried are compared with: another model that moves the same atoms, or what a file holds of it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from aims_pax.departure import Departure
from aims_pax.evaluation.structure import Run
from aims_pax.outcome.dihedrals.findings import Compared, Uncompared
from aims_pax.outcome.dihedrals.opponent import Opponent, compare_dihedrals, driving_name
from aims_pax.outcome.structure.films import Films
from aims_pax.outcome.structure.findings import ComparedStructure, compare_structures
from aims_pax.outcome.structure.trajectories import is_trajectory, runs_in
from aims_pax.outcome.verify import Heldout, Subject, Verification, Wishes, try_dynamics


@dataclass(frozen=True, slots=True, eq=False)
class Rival:
    """The other side of a comparison, where there is one; and what is kept of both.

    Parameters
    ----------
    name : str
        As a person is told of it; empty where nothing is compared.
    opponent : Opponent or None
        What moves the same atoms; None: nothing, or a file that has its structures.
    films : Films or None
        Which keep the structures of the models that are tried; None: none are compared.
    theirs : Films, or mapping of str to Runs, or None
        Structures of the other side: kept on the way, or those of the file by system.
    """

    name: str = ""
    opponent: Opponent | None = None
    films: Films | None = None
    theirs: Films | Mapping[str, Sequence[Run]] | None = None

    @classmethod
    def of(cls, subject: Subject, wishes: Wishes, *, against: str | None, dihedrals: str, structure: bool) -> "Rival":
        """What was asked for.

        Parameters
        ----------
        against : str or None
            As for :meth:`Opponent.of`; with `structure` also a file of trajectories.
        dihedrals : str
            ``auto``, or those that are named.
        structure : bool
            Whether structures are compared, too.

        Raises
        ------
        UserError
            It can't be had.
        """
        if against is None:
            return cls()
        films = Films() if structure else None
        if structure and is_trajectory(against):
            theirs = runs_in(against, [system.frame for system in subject.project.systems])
            return cls(Path(against).name, None, films, theirs)
        watching = Films() if structure else None
        opponent = Opponent.of(subject, wishes, against=against, dihedrals=dihedrals, films=watching)
        return cls(opponent.name, opponent, films, watching)

    def tried(
        self,
        subject: Subject,
        wishes: Wishes,
        heldout: Heldout | None,
        *,
        folder: Path,
        departure: Departure,
        show: Callable[[str], None],
    ) -> Verification:
        """Move the atoms by the models, and by the other side, and compare; as far as there was time for.

        Parameters
        ----------
        heldout : Heldout or None
            Errors on held-out structures, where these were measured.
        folder : Path
            For the books of what the reference computes.
        """
        measured = None if heldout is None else heldout.measured
        verdicts = {}
        if wishes.length_ps:
            angles = {} if self.opponent is None else self.opponent.dihedrals
            verdicts = try_dynamics(
                subject, wishes, departure=departure, show=show, measured=measured, angles=angles, films=self.films
            )
        compared: tuple[Compared | Uncompared, ...] = ()
        if self.opponent is not None:
            compared = compare_dihedrals(
                subject, wishes, self.opponent, verdicts, folder=folder, departure=departure, show=show
            )
        structures: tuple[ComparedStructure, ...] = ()
        if self.films is not None and self.theirs is not None:
            show("comparing structures")
            names = [system.name for system in subject.project.systems]
            methods = (driving_name(subject, wishes), self.name)
            structures = compare_structures(self.films, self.theirs, names, methods=methods)
        is_complete = departure.reason is None
        return Verification(subject.names, verdicts, heldout, is_complete, compared, structures)
