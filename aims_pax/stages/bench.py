"""What every stage works with: the store of its run, a desk for labels, the committee, the clock, and who looks on."""

import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from aims_pax.dataset.run_folder import RunFolder
from aims_pax.dataset.store import RunStore
from aims_pax.departure import Departure
from aims_pax.errors import CampaignStopped
from aims_pax.frame import LabelledFrame
from aims_pax.labelling.desk import LabelDesk
from aims_pax.labelling.errands import Errands, errands_in
from aims_pax.labelling.shared import SharedPool
from aims_pax.protocols import Observer, Pool
from aims_pax.settings import Project
from aims_pax.settings.cluster import labels_at_a_time
from aims_pax.stages import assembly
from aims_pax.stages.activities import Activity, Stopwatch
from aims_pax.stages.beginnings import isolated, pretrained, prior
from aims_pax.stages.beginnings.finetuning import let_remember
from aims_pax.stages.labelled.limits import force_limit
from aims_pax.stages.memory import Memory
from aims_pax.stages.watching import Watching

if TYPE_CHECKING:
    from aims_pax.protocols import Committee


ERRANDS: Final = "errands"
"""Under which a run remembers how many errands were done when it was left in the middle of some."""


FAILED_ERRANDS: Final = "failed attempts of {}"
"""Under which a run remembers what failed among its errands of a name, by reason."""

AIMD: Final = "aimd"


class Bench:
    """One run folder while a process works in it: its store, its clock, and the pool as soon as a label is needed."""

    def __init__(self, project: Project, store: RunStore, observer: Observer, departure: Departure) -> None:
        self.project, self.store, self.departure = project, store, departure
        self.folder = assembly.run_folder(project, run_id=_run_id(store))
        self.memory = Memory(store, self.folder)
        self.stopwatch = Stopwatch()
        self.memory.recall_time(self.stopwatch)
        self.observer = Watching(
            observer,
            store,
            self.memory,
            stopwatch=self.stopwatch,
            n_workers=labels_at_a_time(project.settings.cluster),
        )
        self._pool: SharedPool | None = None
        self._pool_labels_by = ""
        self._committee: Committee | None = None

    def pool(self, *, reference: str | None = None) -> Pool:
        """Where labels are computed, for one who asks. Workers are started at the first call and serve everybody.

        Parameters
        ----------
        reference : str or None
            Key of what labels there; None: that which the run learns from. Workers of another one are released.
        """
        key = self.store.chosen_reference if reference is None else reference
        if self._pool is not None and key != self._pool_labels_by:
            self.close()
        if self._pool is None:
            with self.stopwatch.during(Activity.STARTING):
                self._pool = SharedPool(assembly.build_pool(self.project.labelled_by(key)))
                self._pool_labels_by = key
        return self._pool.share()

    def desk(self, stage: str, *, reference: str | None = None, is_revocable: bool = False) -> LabelDesk:
        """Where a stage asks for labels, by the reference that the run learns from or another one."""
        key = self.store.chosen_reference if reference is None else reference
        return LabelDesk(
            self.store,
            self.pool(reference=reference),
            self.folder,
            stage,
            keeps_folders=not self.project.settings.cluster.clean_dirs,
            departure=self.departure,
            no_progress_s=self.project.settings.misc.no_progress_s,
            reference=reference,
            is_revocable=is_revocable,
            told=self.observer.tell_what_is_waited_for,
            limit=lambda frame: force_limit(self.project, stage, frame.system, reference=key),
        )

    @contextmanager
    def errands(self, name: str, *, called: str, reference: str | None = None) -> Iterator[Errands]:
        """What the pool computes besides labels, under a name of its own; what was paid for outlives the process."""
        misc, cluster, calculations = (
            self.project.settings.misc,
            self.project.settings.cluster,
            self.folder.calculations,
        )
        # By the run's own name: another run that is begun in the same folder may have another reference.
        books = self.folder.checkpoints / f"{name}-{calculations.name}"
        errands = errands_in(
            RunFolder(books, calculations / name),
            self.pool(reference=reference),
            self.departure,
            keeps_folders=not cluster.clean_dirs,
            no_progress_s=misc.no_progress_s,
            called=called,
        )
        with errands as these:
            try:
                yield these
            except BaseException:
                with self.store.unflushed_transaction():
                    self.memory.keep_json(ERRANDS, these.n_labels)  # a session that has done no more was not barren
                    self.memory.keep_time(self.stopwatch)
                raise
            if failed := these.failed_attempts:  # their books are about to be closed
                with self.store.unflushed_transaction():
                    self.memory.keep_json(FAILED_ERRANDS.format(name), {str(reason): n for reason, n in failed.items()})

    def wake(self) -> None:
        """Wait no longer for labels if the campaign is to leave; called in any thread."""
        if self.departure.reason is not None and (shared := self._pool) is not None:
            shared.pool.wake()

    def close(self) -> None:
        """Release the workers; they are started again if a label is needed after all."""
        if self._pool is not None:
            self._pool.pool.close()
            self._pool = None

    def committee(self) -> "Committee | None":
        """The committee with all its points, as the store knows it; None before the first round of labels, if no models
        were given."""
        from aims_pax.committee import devices_of, load_committee

        if self._committee is None:
            labelled = list(self.store.labelled())
            checkpoint = self.memory.committee_checkpoint()
            if checkpoint is not None:
                devices = devices_of(self.project.mace.misc.device)
                handling = assembly.committee_handling(self.project)
                self._committee = load_committee(checkpoint, device=devices, handling=handling)
                self._committee.add(labelled)
                let_remember(self._committee, self.project.folder)
            elif labelled or self.memory.recall_json(pretrained.KEY) is not None:  # models may be all that there is
                self.build_committee(labelled)
        return self._committee

    def build_committee(self, labelled: Sequence[LabelledFrame]) -> "Committee":
        """A new committee from the first labels: of models that were given, of those that a cheap method has taught, or
        of random weights.

        All but the first need free atoms, which the reference computes.
        """
        if models := prior.models_of(self.memory, self.folder):
            atoms_ev = self.free_atoms_ev()
            self._committee = prior.informed_committee(self.project, models, labelled, isolated_atoms_ev=atoms_ev)
            return self._committee
        begun_with = self.memory.recall_json(pretrained.KEY)
        if isinstance(begun_with, list):
            paths = [Path(str(path)) for path in begun_with]
            self._committee = assembly.continued_committee(self.project, paths, labelled)
            return self._committee
        self._committee = self._new_committee(self.project, labelled)
        return self._committee

    def begin_anew(self, stage: str, *, note: str) -> "Committee":
        """A committee of random weights for the whole dataset, of the models that a stage names.

        It is kept with a note of this name, and from then on is the one that there is.
        """
        earlier, labelled = self.existing_committee(), list(self.store.labelled())
        committee = self._new_committee(self.project.trained_as(stage), labelled)
        committee.succeed(earlier.generation, n_epochs=earlier.n_epochs)
        committee.weigh_molecules(earlier.weighed[0], weight=earlier.weighed[1])
        with self.stopwatch.during(Activity.RECORDING):
            checkpoint = self.memory.write_committee(committee)
            with self.store.transaction():
                self.memory.keep_committee(checkpoint)
                self.memory.keep_json(note, True)
            self.memory.forget_other_checkpoints()
        self._committee = committee
        return committee

    def free_atoms_ev(self, *, reference: str | None = None) -> Mapping[int, float]:
        """Energies of free atoms by a reference, eV: given by the settings, or told by it and computed once."""
        key = self.store.chosen_reference if reference is None else reference
        project = self.project.labelled_by(key)
        known = project.mace.architecture.atomic_energies or {}
        name, kept_as = ("isolated", isolated.KEY) if not key else (f"isolated-{key}", f"{isolated.KEY}.{key}")
        elements = set(project.elements)
        if key:  # a dataset may hold more than what MD begins with
            elements |= {int(z) for one in self.store.labelled(reference=key) for z in one.frame.numbers}
        asked = isolated.Asked(kept_as, sorted(elements), known)
        computed = isolated.isolated_atoms(
            project,
            self.store,
            self.memory,
            lambda: self.errands(name, called="free-atom calculation", reference=key),
            asked=asked,
        )
        return {**computed, **{z: energy for z, energy in known.items() if z in elements}}

    def relabel(self, reference: str) -> None:
        """Learn from the labels of another reference from now on, with the models that there are."""
        labelled = list(self.store.labelled(reference=reference))
        energies = self.free_atoms_ev(reference=reference)
        committee = self.existing_committee().relabelled(labelled, atomic_energies_ev=energies)
        with self.stopwatch.during(Activity.RECORDING):
            checkpoint = self.memory.write_committee(committee)
            with self.store.transaction():
                self.store.choose_reference(reference)
                self.memory.keep_committee(checkpoint)
                self.memory.keep_time(self.stopwatch)
            self.memory.forget_other_checkpoints()
        self._committee = committee

    def _new_committee(self, project: Project, labelled: Sequence[LabelledFrame]) -> "Committee":
        if project.mace is self.project.mace:  # other models have energies of their own, or none
            project = project.labelled_by(self.store.chosen_reference)
        return assembly.build_committee(project, labelled, isolated_atoms_ev=self.free_atoms_ev())

    def existing_committee(self) -> "Committee":
        """The committee of a run that has had its first labels.

        Raises
        ------
        CampaignStopped
            There is none.
        """
        committee = self.committee()
        if committee is None:
            raise CampaignStopped("this run has no labelled structures yet")
        return committee

    def forget_committee(self) -> None:
        """Read it again where it is wanted next, with all points: the store has others now."""
        self._committee = None

    def keep_committee(self, committee: "Committee") -> None:
        """Write the committee, and let it be the one that the run goes on with."""
        with self.stopwatch.during(Activity.RECORDING):
            checkpoint = self.memory.write_committee(committee)
            with self.store.transaction():
                self.memory.keep_committee(checkpoint)
            self.memory.forget_other_checkpoints()


def _run_id(store: RunStore) -> str:
    """A name of this run that no other run has; drawn at its start."""
    run_id = store.get_meta("run_id") or secrets.token_hex(4)
    store.set_meta("run_id", run_id)
    return run_id
