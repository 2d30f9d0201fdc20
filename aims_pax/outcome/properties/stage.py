"""`validate` in STAGES: properties by the model that a campaign hands over, beside those by its reference."""

import logging
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ase.data import atomic_numbers

from aims_pax.errors import Problem, StructureError
from aims_pax.evaluation.properties import PROPERTIES, USUAL, Property
from aims_pax.evaluation.properties.effort import Effort, efforts_of
from aims_pax.evaluation.properties.shape import solid_axes
from aims_pax.outcome.properties.asked import plain, structures_given
from aims_pax.reference.process.leash import NOT_HERE
from aims_pax.reference.registry import build_reference
from aims_pax.settings import InlineCluster, LocalCluster, Project
from aims_pax.settings.methods.reference import ReferencesBySystem, ReferenceSettings
from aims_pax.settings.stages.kinds import KINDS
from aims_pax.settings.stages.plan import StagePlan
from aims_pax.settings.stages.validate import ValidateSettings
from aims_pax.stages.activities import Activity
from aims_pax.stages.bench import ERRANDS, Bench

if TYPE_CHECKING:
    from ase import Atoms

    from aims_pax.outcome.properties.findings import PropertyFindings
    from aims_pax.outcome.properties.validate import Inquiry

diary = logging.getLogger("aims_pax.run")

WRITTEN_FOR_ELEMENTS: Final = frozenset({"fhi-aims", "asi"})
"""References whose input is written for the elements of a starting structure."""

SUMMARY_KEY: Final = "properties"
"""Of summary.json."""


def properties_of(settings: ValidateSettings) -> tuple[Property, ...]:
    """What is to be computed, with the settings that it has there."""
    named = settings.named
    return tuple(
        replace(one, **{key: getattr(named[name], key) for key in type(named[name]).model_fields})  # type: ignore[type-var]
        if name in named
        else one
        for name, one in PROPERTIES.items()
        if (name in named if named else name in USUAL)
    )


def structures_to_validate(project: Project, settings: ValidateSettings) -> "dict[str, Atoms]":
    """The structures that are named, or the starting structures.

    Raises
    ------
    StructureError
        A file can't be read.
    """
    if settings.structures is not None:
        return _read(settings.structures)
    from aims_pax.atoms import telling_atoms

    return {system.name: plain(telling_atoms(system.frame)) for system in project.systems}


@lru_cache(maxsize=4)
def _read(files: tuple[Path, ...]) -> "dict[str, Atoms]":
    return structures_given(list(files))


def labelled_for(project: Project, plan: StagePlan) -> ReferenceSettings | ReferencesBySystem:
    """What labels where the stage begins: the reference of the last `relabel` before it, or REFERENCE."""
    stages = project.settings.stages
    names = [one.name for one in stages]
    before = stages[: names.index(plan.name)] if plan.name in names else stages
    relabels = [one.name for one in before if KINDS[one.kind].relabels]
    return project.labelled_by(relabels[-1] if relabels else "").reference


class Validate:
    """Looks at what was handed over; neither models nor dataset are other ones after it."""

    def __init__(self, plan: StagePlan) -> None:
        self.plan, self.name, self._settings = plan, plan.name, plan.read_as(ValidateSettings)

    def efforts(self, project: Project) -> list[Effort]:
        """What the reference is asked for, by property and structure; nothing where structures can't be read."""
        try:
            structures = structures_to_validate(project, self._settings)
        except StructureError:
            return []
        return efforts_of(properties_of(self._settings), structures.values())

    def problems(self, project: Project) -> Iterator[Problem]:
        """Files, packages, elements, or a reference that can't compute the structures."""
        where = project.where(*self.plan.keys)
        for one in properties_of(self._settings):
            yield from (replace(found, where=f"{where}: {found.where}") for found in one.problems())
        try:
            structures = structures_to_validate(project, self._settings)
        except StructureError as error:
            yield from (replace(one, where=f"{where}: {one.where}") for one in error.problems)
            return
        reasons = [one.unfit(atoms) for one in properties_of(self._settings) for atoms in structures.values()]
        if None not in reasons:
            said = "; ".join(dict.fromkeys(reason for reason in reasons if reason))
            allowed = "properties that one of the structures has: of molecules cohesive"
            yield Problem(where, f"There is nothing to measure: {said}.", allowed, "Name structures, or leave it out.")
        known = set(project.elements)
        for name, atoms in structures.items():
            if unknown := sorted({str(one.symbol) for one in atoms if one.number not in known}):
                found = f"{name} holds {', '.join(unknown)}, which no starting structure has: models will not know it."
                yield Problem(f"{where}: structures", found, "structures of the elements that the models learn")
        for one in properties_of(self._settings):
            put = [symbol for symbol in getattr(one, "elements", ()) if atomic_numbers[symbol] not in known]
            if put:
                found = f"elements names {', '.join(put)}, which no starting structure has: models will not know it."
                yield Problem(f"{where}: {one.NAME}", found, "elements that the models learn")
        yield from self._reference_problems(project, structures, where)

    def _reference_problems(self, project: Project, structures: "dict[str, Atoms]", where: str) -> Iterator[Problem]:
        settings = labelled_for(project, self.plan)
        if isinstance(settings, ReferencesBySystem):
            found = "The systems of this project have references of their own."
            yield Problem(
                where, found, "a project with one reference for all", "Use aims-pax validate, with --against."
            )
            return
        is_here = isinstance(project.settings.cluster, InlineCluster | LocalCluster)
        reference, said = build_reference(settings), dict[str, list[str]]()
        for name, atoms in structures.items():
            for problem in reference.problems(atoms.numbers.tolist(), periodic=bool(atoms.pbc.any())):
                if is_here or NOT_HERE not in problem:
                    said.setdefault(problem, []).append(name)
        for problem, names in said.items():
            found, _, advice = problem.partition("; ")
            yield Problem(f"{where}: {reference.name} for {', '.join(names)}", f"{found}.", "", advice)
        solid = [name for name, atoms in structures.items() if any(solid_axes(atoms))]
        if solid and not settings.STRESS:
            found = f"{reference.name} gives no stress, by which the cells of {', '.join(solid)} are relaxed."
            yield Problem(where, found, "molecules, or another reference", "Use aims-pax validate, with --against.")
        own = set(project.systems[0].frame.numbers.tolist()) if project.systems else set()
        if settings.type in WRITTEN_FOR_ELEMENTS and any(set(a.numbers.tolist()) - own for a in structures.values()):
            found = f"Input for {settings.type} has the elements of {project.systems[0].name}, and no others."
            yield Problem(f"{where}: structures", found, f"structures of the elements of {project.systems[0].name}")

    def facts(self, project: Project) -> Iterator[str]:
        """What is computed by whom, and what that costs at most."""
        try:
            structures = structures_to_validate(project, self._settings)
        except StructureError:
            return
        wanted, several = properties_of(self._settings), list(structures.items())
        fit = [one.TITLE for one in wanted if any(one.unfit(atoms) is None for _, atoms in several)]
        names = ", ".join(name for name, _ in several[:5]) + (f" and {len(several) - 5} more" if several[5:] else "")
        reference = build_reference(labelled_for(project, self.plan)).name
        if fit:
            yield f"{self.name}: {', '.join(fit)} of {names}, by the final model and by {reference}"
        efforts = self.efforts(project)
        if efforts:
            at_most, usual = sum(one.at_most for one in efforts), sum(one.usual for one in efforts)
            largest = max(one.n_atoms for one in efforts)
            yield (
                f"{self.name}: at most {at_most} calculations by {reference}, of up to {largest} atoms each; with "
                f"relaxations of usual length some {usual}. They are in no set, and are kept"
            )
        for one in wanted:
            unfit = [f"{name} ({reason})" for name, atoms in several if (reason := one.unfit(atoms)) is not None]
            if unfit:
                yield f"{self.name}: no {one.TITLE} of {', '.join(unfit)}"

    def run(self, bench: Bench) -> None:
        """All numbers; what the reference has computed is kept, and found when the stage goes on.

        Raises
        ------
        Departed
            The campaign was asked to leave; the same call goes on.
        CampaignStopped
            Something is wrong with the workers.
        """
        from aims_pax.outcome.properties.reference import n_computed, reference_of
        from aims_pax.outcome.properties.validate import Validation

        project = bench.project.labelled_by(bench.store.chosen_reference)
        bench.close()  # its workers were not asked for stress where no model learns it
        inquiry, show = self._inquiry(bench), _Showing(bench, self.name)
        is_periodic = any(atoms.pbc.all() for atoms in inquiry.structures.values())
        diary.info("%s: %s", self.name, ", ".join(one.TITLE for one in inquiry.properties))
        try:
            with (
                bench.stopwatch.during(Activity.LABELLING),
                reference_of(project, is_periodic=is_periodic, departure=bench.departure, show=show) as reference,
                bench.departure.cooperating(),
            ):
                findings = Validation(replace(inquiry, reference=reference), bench.departure, show).carry_out()
        finally:
            with bench.store.unflushed_transaction():
                bench.memory.keep_json(ERRANDS, n_computed(project))
                bench.memory.keep_time(bench.stopwatch)
        self._tell(bench, findings)

    def _inquiry(self, bench: Bench) -> "Inquiry":
        from aims_pax.committee import devices_of, load_models
        from aims_pax.outcome.properties.methods import PRECISION, by_models
        from aims_pax.outcome.properties.validate import Inquiry
        from aims_pax.outcome.provenance import product_of

        product = product_of(bench.project)[0]
        with bench.stopwatch.during(Activity.STARTING):
            models = load_models([product], device=devices_of(bench.project.mace.misc.device), dtype=PRECISION)
        structures = structures_to_validate(bench.project, self._settings)
        return Inquiry(structures, properties_of(self._settings), (by_models(product.name, models),))

    def _tell(self, bench: Bench, findings: "PropertyFindings") -> None:
        """Files, summary.json and the diary."""
        from aims_pax.outcome.results import Summary, read_summary

        with bench.stopwatch.during(Activity.RECORDING):
            findings.write(bench.folder.results / self.name)
            summary = read_summary(bench.folder.results)
            told = {**summary.content.get(SUMMARY_KEY, {}), self.name: findings.compared()}
            Summary(summary.folder, {**summary.content, SUMMARY_KEY: told}).write()
        for one in findings.sentences():
            diary.info("%s: %s", self.name, one)


class _Showing:
    """Tells whoever looks on what is being computed."""

    def __init__(self, bench: Bench, stage: str) -> None:
        from aims_pax.stages.epochs import epochs_trained

        self._bench, self._stage, self._n_epochs = bench, stage, epochs_trained(bench)

    def __call__(self, words: str) -> None:
        from aims_pax.stages.loop.status import convergence_status

        bench = self._bench
        committee = bench.existing_committee()
        status = convergence_status(
            bench.store.counts(), committee, n_epochs=self._n_epochs, force_mae=None, activity=words
        )
        bench.observer.show(replace(status, stage=self._stage))
