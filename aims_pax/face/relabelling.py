"""Structures of a file, or of a run, labelled by another reference outside of any campaign."""

import hashlib
import json
import logging
import shlex
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from zlib import crc32

from aims_pax.checking.check import labelling_problems
from aims_pax.dataset.durable import replacing
from aims_pax.dataset.entries import Keys
from aims_pax.dataset.extxyz import block_of
from aims_pax.dataset.given import Given, read_given
from aims_pax.dataset.records import JobStatus
from aims_pax.dataset.run_folder import RunFolder
from aims_pax.dataset.store import RunStore
from aims_pax.departure import Departure, Reason
from aims_pax.errors import CampaignStopped, Problem, StructureError, UserError
from aims_pax.face.compositions import by_composition, charge_problems
from aims_pax.frame import Frame, Label, LabelFailure, LabelledFrame, Split
from aims_pax.labelling.desk import LabelDesk
from aims_pax.protocols import LabelDone
from aims_pax.reference.registry import build_reference
from aims_pax.settings import Project, load_project
from aims_pax.settings.labelling import LabellingFiles, labelling_project
from aims_pax.stages import assembly
from aims_pax.stages.beginnings.imported import extxyz_keys

diary = logging.getLogger("aims_pax.labels")

STAGE: Final = "relabel"

MAX_IN_ROW: Final = 10
"""Structures that fail in a row, after which something else than structures is wrong."""


@dataclass(frozen=True, slots=True)
class RelabelWishes:
    """What is to be labelled again, and where to.

    Parameters
    ----------
    data : Path
        Extended XYZ, or the folder of a project that was run: its dataset.
    files : LabellingFiles
    out : Path
    start, end : int, int or None
        Structures of the file from this one, from 0, to before that one; None: to the last.
    want_stress : bool
    """

    data: Path
    files: LabellingFiles
    out: Path
    start: int = 0
    end: int | None = None
    want_stress: bool = False


@dataclass(frozen=True, slots=True)
class Relabelled:
    """What was written.

    Parameters
    ----------
    path : Path
    n_written : int
    reference : str
        Name of what has labelled.
    failures : mapping of int to LabelFailure
        By the place of a structure in the file, from 1.
    """

    path: Path
    n_written: int
    reference: str
    failures: dict[int, LabelFailure] = field(default_factory=dict)

    def lines(self) -> list[str]:
        """What a person reads."""
        by = f"{self.n_written} structures by {self.reference}"
        said = [f"wrote {self.path} ({by}; new labels as REF_..., those before as old_...)"]
        if self.failures:
            said.append(f"left out, because they could not be labelled: {len(self.failures)}")
            said += [
                f"  structure {index}: {failure.reason}: {failure.message}" for index, failure in self.failures.items()
            ]
        return said


def relabel_structures(wishes: RelabelWishes, *, departure: Departure, show: Callable[[str], None]) -> Relabelled:
    """Label all structures, or those that an earlier call has left, and write them in the order of the file.

    Raises
    ------
    UserError
        With everything that is wrong; nothing was computed.
    Departed
        It has left as it was asked to; the same call goes on.
    CampaignStopped
        Too many structures failed in a row.
    """
    _require_out(wishes)
    given = _given(wishes)
    chosen = given[wishes.start : wishes.end]
    if not chosen:
        found = f"From {wishes.start} to {'the end' if wishes.end is None else wishes.end} there is no structure."
        raise UserError(Problem(str(wishes.data), found, f"0 to {len(given)}", "Correct --start and --end."))
    frames, systems = by_composition(chosen, wishes.data)
    project = labelling_project(wishes.files, systems, want_stress=wishes.want_stress)
    problems = [*labelling_problems(project), *charge_problems(chosen, frames, project, wishes.data)]
    if problems:
        raise UserError(problems)
    return _Work(wishes, chosen, frames, project, departure, show).done()


def _require_out(wishes: RelabelWishes) -> None:
    if wishes.out.exists():
        advice = "Remove it, or name another file by --out."
        raise UserError(Problem(f"--out {wishes.out}", "This is there already.", "a new file", advice))


def _given(wishes: RelabelWishes) -> list[Given]:
    """The structures of a file, or of a run."""
    if not wishes.data.is_dir():
        # What the file calls its values is MISC's in the settings; ours where it says nothing.
        keys = extxyz_keys(labelling_project(wishes.files, (), want_stress=False).settings.misc)
        return read_given(wishes.data, keys)
    project = load_project(wishes.data, stages=())
    with RunStore.open_readonly(project.run_folder) as store:
        points = [*store.labelled()]
    if not points:
        raise StructureError(Problem(str(wishes.data), "This run has no dataset yet.", "", "Run it first."))
    return [
        Given(index, one.frame, one.label, {"split": str(one.split)}, one.frame.charge, False)
        for index, one in enumerate(points)
    ]


class _Work:
    """Labels that are being computed, with books beside the file that is to be written."""

    def __init__(
        self,
        wishes: RelabelWishes,
        given: Sequence[Given],
        frames: Sequence[Frame],
        project: Project,
        departure: Departure,
        show: Callable[[str], None],
    ) -> None:
        self._wishes, self._given, self._frames, self._project = wishes, given, frames, project
        self._departure, self._show = departure, show
        self._books = wishes.out.with_name(f"{wishes.out.name}.labels")
        self._calculations = project.label_folder / f"relabel-{crc32(str(wishes.out.resolve()).encode()):08x}"
        self._reference_name = build_reference(project.reference).name
        self._failed_in_row: list[int] = []

    def done(self) -> Relabelled:
        """All labels, written."""
        with RunStore.open(self._books) as store:
            self._claim(store)
            self._label(store)
            written = self._write(store)
        shutil.rmtree(self._books, ignore_errors=True)
        if self._calculations.is_dir() and not any(path.is_file() for path in self._calculations.rglob("*")):
            shutil.rmtree(self._calculations, ignore_errors=True)
        return written

    def _claim(self, store: RunStore) -> None:
        """Note what is labelled by what; labels of another reference or of other structures are not gone on from."""
        digest = hashlib.sha256()
        for frame in self._frames:
            digest.update(frame.numbers.tobytes() + frame.positions.tobytes() + frame.cell.tobytes())
        made = {
            "structures": digest.hexdigest()[:16],
            "reference": repr(self._project.reference),
            "stress": self._wishes.want_stress,
        }
        before = json.loads(store.get_meta("begun") or "{}")
        if others := [key for key in made if before and before.get(key) != made[key]]:
            advice = f"Name another file by --out, or begin anew: rm -r {shlex.quote(str(self._books))}"
            found = f"holds labels for the same file that were begun otherwise (another {' and '.join(others)})."
            raise UserError(Problem(str(self._books), found, "the same call, which goes on with them", advice))
        store.set_meta("begun", json.dumps(made))

    def _label(self, store: RunStore) -> None:
        asked = {job.frame.md_step for job in store.jobs()}
        left = [frame for frame in self._frames if frame.md_step not in asked]
        if not left and not any(True for _ in store.jobs(JobStatus.SUBMITTED)):
            return
        misc = self._project.settings.misc
        self._show(f"starting what computes labels: {self._reference_name}")
        pool = assembly.build_pool(self._project, want_stress=self._wishes.want_stress)
        self._departure.listeners.append(pool.wake)
        try:
            desk = LabelDesk(
                store,
                pool,
                RunFolder(self._books, self._calculations),
                STAGE,
                keeps_folders=not self._project.settings.cluster.clean_dirs,
                departure=self._departure,
                no_progress_s=misc.no_progress_s,
            )
            with self._departure.cooperating():
                self._keep(store, desk, desk.resume())
                for frame in left:
                    with store.unflushed_transaction():
                        label_id = desk.request(frame)
                    desk.send(label_id)
                    self._keep(store, desk, desk.collect(timeout_s=0.0))
                while desk.n_in_flight:
                    self._keep(store, desk, desk.collect(timeout_s=None))
                    if desk.only_held:
                        self._departure.ask(Reason.WALLTIME)
                        self._departure.leave()
        finally:
            self._departure.listeners.remove(pool.wake)
            pool.close()

    def _keep(self, store: RunStore, desk: LabelDesk, arrived: Sequence[LabelDone]) -> None:
        for done in arrived:
            with store.transaction():
                answer = desk.record(done)
            desk.tidy(answer)
            if isinstance(answer.result, Label):
                self._failed_in_row.clear()
                continue
            self._failed_in_row.append(answer.label_id)
            diary.warning("structure %d  %s: %s", answer.frame.md_step, answer.result.reason, answer.result.message)
            if len(self._failed_in_row) >= MAX_IN_ROW:
                self._stop(store, answer.result)
        if arrived:
            counts = store.counts()
            failed = f", {counts.n_failed} failed" if counts.n_failed else ""
            self._show(f"labels: {counts.n_received} of {len(self._frames)}{failed}")
        if self._departure.reason is not None:
            self._departure.leave()

    def _stop(self, store: RunStore, failure: LabelFailure) -> None:
        with store.transaction():
            for label_id in self._failed_in_row:
                store.resubmit(label_id)
        raise CampaignStopped(
            f"{len(self._failed_in_row)} structures in a row could not be labelled, the last one: {failure.message}. "
            f"What the calculations said is in {self._calculations}. Mend it, then the same command tries them again"
        )

    def _write(self, store: RunStore) -> Relabelled:
        """The file, in the order of the structures that were given."""
        keys, failures, n_written = extxyz_keys(self._project.settings.misc), dict[int, LabelFailure](), 0
        jobs = {job.frame.md_step: job.label_id for job in store.jobs()}
        with replacing(self._wishes.out) as file:
            for one in self._given:
                label_id = jobs[one.index + 1]
                label = store.label_of(label_id)
                if label is None:
                    failures[one.index + 1] = store.failures_of(label_id)[-1]
                    continue
                file.write(_text(one, label, keys))
                n_written += 1
        return Relabelled(self._wishes.out, n_written, self._reference_name, failures)


def _text(one: Given, label: Label, keys: Keys) -> str:
    facts = {**one.facts, "config_type": "IsolatedAtom"} if one.is_free_atom else one.facts
    labelled = LabelledFrame(one.index + 1, one.frame, label, Split.TRAINING)
    return block_of(labelled, keys, earlier=one.label, facts_besides=facts)
