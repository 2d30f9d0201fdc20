"""Everything that can fail cheaply, before a core-hour is spent; and what a run would do and cost."""

import os
import shlex
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from aims_pax.atoms import atoms_of
from aims_pax.checking.asked import Asked
from aims_pax.checking.continuation import continuation_facts, continuation_problems, earlier_run
from aims_pax.checking.families import family_facts, family_problems
from aims_pax.checking.remarks import doubts
from aims_pax.committee.hardware import runs_on_cpu, why_no_cueq
from aims_pax.errors import Doubt, Problem, ReferenceUnavailable, RunLocked, UserError
from aims_pax.forecast.amounts import amount_facts, n_probes, outsets_ahead
from aims_pax.forecast.stages.sampling import initial_rules
from aims_pax.frame import Frame, Stage
from aims_pax.protocols import Reference
from aims_pax.reference.by_system import in_charge
from aims_pax.reference.charged import settings_of
from aims_pax.reference.embedded.teacher import made_calculator
from aims_pax.reference.process.leash import NOT_HERE
from aims_pax.reference.registry import build_reference
from aims_pax.settings import (
    ActiveLearningSettings,
    AseCalculatorSettings,
    InitialDatasetSettings,
    InlineCluster,
    MaceSettings,
    ParslCluster,
    Project,
    ReferenceSettings,
    SlurmCluster,
    TeacherSettings,
)
from aims_pax.settings.committee.mace import CueqUse
from aims_pax.settings.reading.document import KeyPath, dotted
from aims_pax.settings.stage import INITIAL
from aims_pax.settings.stages.kinds import KINDS
from aims_pax.stages import assembly
from aims_pax.stages.beginnings.finetuning import as_its_model, finetuning_facts, finetuning_problems
from aims_pax.stages.beginnings.pretrained import model_facts, model_files
from aims_pax.stages.stage import stage_of

MIN_FREE_BYTES = 500 * 2**20
"""Free disk space below which a run is not started. Measured: 6 kB in run.db for a label of 30 atoms with its checks,
and 75 MB for the checkpoint of four members of the default size, of which two exist while one replaces the other."""

BYTES_PER_EDGE, BYTES_PER_EDGE_AND_FEATURE = 20e3, 480.0
"""Memory of a training step for each directed pair, plus that for each pair and message feature (channels times
(L + 1)²), with two layers in float32. Fitted to peak memory on silicon from 16 to 128 channels and L = 0 to 2, which
it gives within 20 %."""


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What is wrong with a project, and what it would do.

    Parameters
    ----------
    problems : tuple of Problem
        Empty when the run can start.
    facts : tuple of str
        Sentences on what a run would do and cost.
    doubts : tuple of Doubt
        What is allowed and hardly meant.
    """

    problems: tuple[Problem, ...]
    facts: tuple[str, ...]
    doubts: tuple[Doubt, ...] = ()


def check_project(project: Project, stages: tuple[Stage, ...]) -> CheckReport:
    """Look at folders, disk, devices, the reference, the driver, the cluster, given data and the run that is there.

    Computes and creates nothing.
    """
    problems = [
        *_folder_problems(project),
        *_device_problems(project),
        *_reference_problems(project),
        *_stress_problems(project),
        *_cluster_problems(project),
        *finetuning_problems(project),
        *(problem for plan in project.plans(stages) for problem in stage_of(plan).problems(project)),
    ]
    facts = list(_facts(project, stages))
    try:
        earlier = earlier_run(project)
        problems += continuation_problems(project, stages, earlier)
        facts += continuation_facts(project, earlier, stages=stages)
        if earlier is None or earlier.progress is None:
            facts += _beginning(project, stages)
            if (n := n_probes(project)) > 0:
                facts.append(
                    f"probe: a new run first asks for {n} labels, which show whether the reference makes sense"
                )
            facts += [fact for _, fact in amount_facts(project, stages)]
            if project.settings_file.is_file() and project.settings.samples and project.mace.architecture.is_mace:
                facts.append(
                    f"time: aims-pax plan {shlex.quote(_from_here(project.folder))} foretells it for this machine"
                )
    except RunLocked as error:
        problems += error.problems
    except UserError:
        pass  # the folder can't be written to, which was said above
    ends = INITIAL in stages and initial_rules(project)[-1] is not None
    learning = [one for one in outsets_ahead(project, stages) if KINDS[one.plan.kind].learns] if ends else []
    n_initial_train = learning[0].sizes.of_each if learning else None
    return CheckReport(tuple(problems), tuple(facts), doubts(Asked(project, stages, n_initial_train)))


def labelling_problems(project: Project) -> Iterator[Problem]:
    """Why structures can't be labelled here, as far as that shows without computing anything."""
    yield from _reference_problems(project)
    yield from _stress_problems(project)
    yield from _cluster_problems(project)


def _folder_problems(project: Project) -> Iterator[Problem]:
    places: dict[Path, list[str]] = {}
    for key, folder in (
        ("MISC.output_dir", project.run_folder),
        ("MISC.log_dir", project.log_folder),
        ("CLUSTER.calc_dir", project.label_folder),
    ):
        places.setdefault(_existing(folder), []).append(key)
    for there, keys in places.items():
        where, needed = str(there), f"is needed for {', '.join(keys)}"
        if not there.is_dir():
            yield Problem(where, f"This is a file; a folder {needed}.", "", "Move the file, or name another folder.")
        elif (reason := _reason_not_writable(there)) is not None:
            found = f"No files can be created in this folder ({reason}), which {needed}."
            yield Problem(where, found, "a folder that you may write to", "Change its rights, or name another.")
        elif (free := shutil.disk_usage(there).free) < MIN_FREE_BYTES:
            found = f"Only {free / 2**20:.0f} MiB are free on the disk of this folder, which {needed}."
            yield Problem(where, found, f"at least {MIN_FREE_BYTES // 2**20} MiB", "Make room, or name another folder.")


def _existing(folder: Path) -> Path:
    """The folder, or its nearest parent that exists."""
    return next(path for path in (folder, *folder.parents) if os.path.exists(path))


def _reason_not_writable(folder: Path) -> str | None:
    # Rights alone don't tell: of read-only mounts, of quotas, of what a server refuses to root. The file has no name.
    try:
        with tempfile.TemporaryFile(dir=folder):
            return None
    except OSError as error:
        return error.strerror or type(error).__name__


def _from_here(folder: Path) -> str:
    """A folder as a person in the current one calls it."""
    here = Path.cwd()
    return str(folder.relative_to(here) if folder.is_relative_to(here) else folder)


def _in_models(project: Project, *keys: str) -> str:
    """File and line of a setting of mace.yaml, also of its MISC."""
    return project.documents[1].where(keys) if project.documents else project.mace_file.name


def _device_problems(project: Project) -> Iterator[Problem]:
    misc = project.mace.misc
    if not project.mace.architecture.is_mace:
        yield from family_problems(project)
        return
    on_cpu, uses_cueq = runs_on_cpu(misc.device), misc.cueq is not CueqUse.NOTHING
    if on_cpu and uses_cueq and (problem := why_no_cueq(["cpu"])) is not None:
        yield replace(problem, where=_in_models(project, "MISC", "enable_cueq"))
    if on_cpu and not misc.compile:
        return
    from aims_pax.committee import devices_of, missing_gpus, usable_gpus, why_nothing_compiles

    missing, there = missing_gpus(misc.device), usable_gpus()
    if not missing:
        types = [device.type for device in devices_of(misc.device)]
        if uses_cueq and not on_cpu and (problem := why_no_cueq(types)) is not None:
            yield replace(problem, where=_in_models(project, "MISC", "enable_cueq"))
        if misc.compile and (problem := why_nothing_compiles(devices_of(misc.device)[0])) is not None:
            yield replace(problem, where=_in_models(project, "MISC", "compile"))
        return
    asked, where = ", ".join(missing), _in_models(project, "MISC", "device")
    if not there:
        yield Problem(
            where,
            found=f"MISC.device is {asked}, and PyTorch finds no usable GPU here.",
            allowed="auto | cpu; cuda where there is one",
            advice="Set device: auto, or run where there is a GPU and a PyTorch build for it.",
        )
    else:
        yield Problem(
            where,
            found=f"MISC.device names {asked}, and PyTorch finds {len(there)} here.",
            allowed=f"auto | cpu | cuda | {' | '.join(there)}, or a list of such GPUs",
            advice="Set device: cuda to use all that are visible. CUDA_VISIBLE_DEVICES says which those are.",
        )


def _reference_problems(project: Project) -> Iterator[Problem]:
    systems_by_problem: dict[tuple[str, KeyPath, str], list[str]] = {}
    types: dict[KeyPath, str] = {}
    home, elsewhere = project.reference_keys, isinstance(project.settings.cluster, ParslCluster | SlurmCluster)
    reference = build_reference(project.reference)
    for system in project.systems:
        numbers = [int(number) for number in system.frame.numbers]
        try:
            own = _told(in_charge(reference, system.frame), project.reference_for(system), system.frame)
            problems = own.problems(numbers, periodic=bool(system.frame.pbc.any()))
        except ValueError as error:  # its charge or spin can't be told
            problems = [str(error)]
        for problem in problems:
            if elsewhere and NOT_HERE in problem:
                continue  # it need not be here; the first task on the workers looks for it there
            settings = project.reference_for(system)
            keys = project.place_of(system, "REFERENCE", "type")[:-1] if project.settings.systems else home
            said = (problem, keys, _reference_advice(settings, dotted(keys)))
            systems_by_problem.setdefault(said, []).append(system.name)
            types[keys] = settings.type
    for (problem, keys, usual), systems in systems_by_problem.items():
        more = f" and {len(systems) - 5} more" if len(systems) > 5 else ""
        plural = "s" if len(systems) > 1 else ""
        where = f"{project.where(*keys)}: {dotted(keys)} ({types[keys]}) for structure{plural}"
        found, _, advice = problem.partition("; ")
        yield Problem(f"{where} {', '.join(systems[:5])}{more}", f"{found}.", "", _sentence(advice or usual))


def _told(reference: Reference, settings: ReferenceSettings, frame: Frame) -> Reference:
    """The same reference as a structure is labelled that has a charge or a spin of its own.

    Raises
    ------
    ValueError
        These can't be told.
    """
    return reference if (frame.charge, frame.spin) == (None, None) else build_reference(settings_of(settings, frame))


def _stress_problems(project: Project) -> Iterator[Problem]:
    """Calculators that say of themselves that they have no stress, where one is needed; programs are known by type."""
    if not assembly.wants_stress(project):
        return
    asked = set[str]()
    for system in project.systems:
        reference = project.reference_for(system)
        if not isinstance(reference, AseCalculatorSettings) or not system.frame.pbc.all():
            continue
        if reference.identity in asked:
            continue
        asked.add(reference.identity)
        keys = (
            project.place_of(system, "REFERENCE", "calculator") if project.settings.systems else project.reference_keys
        )
        learned = "GENERAL.compute_stress is true" if project.mace.general.compute_stress else "it drives cells in npt"
        try:
            made_calculator(reference.calculator, reference.arguments, key=dotted(keys), wanted=("stress",))
        except ReferenceUnavailable as error:
            yield from (replace(one, found=f"{one.found}, and {learned}.") for one in error.problems)


def _reference_advice(settings: ReferenceSettings, home: str) -> str:
    if isinstance(settings, TeacherSettings) and settings.model_path is None:
        return (
            "a published model is downloaded when first used; without a network, fetch its file elsewhere and name "
            "it by mace_model"
        )
    return f"correct {home}, or choose another reference"


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith('.') else '.'}"


def _cluster_problems(project: Project) -> Iterator[Problem]:
    """The configuration must be one, be safe, and have the executors that systems name. Nothing is started."""
    cluster = project.settings.cluster
    if isinstance(cluster, InlineCluster):
        return
    from aims_pax.labelling.workers.blocks import cancel_command
    from aims_pax.labelling.workers.cluster import cluster_config, placed, require_order
    from aims_pax.labelling.workers.configuration import guard

    try:
        config = cluster_config(cluster, n_cores=assembly.n_cores())
        placed(config, assembly.wanted_executors(project), written=assembly.executor_places(project))
        require_order(config, assembly.priorities_of(project))
        guard(config, assembly.parsl_folder(project).resolve())
        for executor in config.executors:
            command = cancel_command(getattr(executor, "provider", None))
            if command is not None and shutil.which(command[0]) is None:
                found = f"The executor {executor.label} needs a batch system, and {command[0]} is {NOT_HERE}."
                yield Problem("CLUSTER", found, "", "Start the run where jobs are submitted, such as a login node.")
    except UserError as error:
        yield from error.problems
    except SystemExit as ended:
        found = f"The Parsl configuration ends the program by itself (exit code {ended.code})."
        yield Problem("CLUSTER.parsl_config", found, "", "Remove the call of exit from that file.")


# -- what a run would do --------------------------------------------------------------------------------------


def _facts(project: Project, stages: tuple[Stage, ...]) -> Iterator[str]:
    if project.settings.samples:
        yield f"labels: {build_reference(project.reference).name}, {_where_labelled(project)}"
    for plan in project.plans(stages):
        yield from stage_of(plan).facts(project)
    yield from finetuning_facts(project)
    if project.mace.architecture.is_mace:
        yield _model_fact(as_its_model(project))
    else:
        yield from family_facts(project)
    for key, path in _pickles(project, stages):
        yield f"trust: {key} ({path}) is a Python pickle, and loading it runs what is in it; know where it comes from"


def _beginning(project: Project, stages: tuple[Stage, ...]) -> Iterator[str]:
    """What active learning begins with where the user brings a dataset, or models to be judged."""
    brings = INITIAL not in stages and project.settings.bringing is not None
    if brings or project.settings.judging is not None:
        yield from model_facts(project)
        for path in model_files(project) if project.mace.architecture.is_mace else ():
            yield f"trust: {path} is a Python pickle, and loading it runs what is in it; know where it comes from"


def _pickles(project: Project, stages: tuple[Stage, ...]) -> Iterator[tuple[str, Path]]:
    """Key and path of the model files that a run loads and did not write itself."""
    named = [
        ("the model that labels", one.model) for one in project.settings.references if isinstance(one, TeacherSettings)
    ]
    for plan in project.plans(stages):
        if isinstance(plan.settings, InitialDatasetSettings | ActiveLearningSettings):
            choice = plan.settings.driving
            if choice is not None and choice.is_mace:
                named.append((plan.said("foundational_model_settings"), choice.model))
    if project.mace.training.pretrained_model is not None:
        file = (project.folder / project.mace.training.pretrained_model).resolve()
        named.append(("the model that members begin as", str(file)))
    for key, model in named:
        if Path(model).is_file():
            yield key, Path(model)


def _where_labelled(project: Project) -> str:
    cluster = project.settings.cluster
    match cluster.type:
        case "inline":
            return "one after the other in the campaign's own process"
        case "local":
            return f"up to {cluster.max_workers} at a time on this machine"
        case "slurm":
            return f"in batch jobs of Slurm, up to {cluster.parsl_options.max_blocks} at a time"
    return f"on the workers of the Parsl configuration {cluster.parsl_config}"


def _model_fact(project: Project) -> str:
    settings, n_members = project.mace, len(assembly.seeds_of(project))
    memory = max((_training_bytes(settings, system.frame) for system in project.systems), default=0.0) / 2**30
    devices = _device_types(settings.misc.device)
    on_gpu = devices[0] == "cuda"
    at_a_time = 1 if on_gpu else min(n_members, assembly.n_cores())
    device, each = (f"{len(devices)} GPUs", " on each") if len(devices) > 1 else (devices[0], "")
    compiled = ", compiled" if settings.misc.compile else ""
    return (
        f"committee: {n_members} MACE models, {settings.architecture.num_channels} channels, "
        f"L = {settings.architecture.max_L}, {settings.general.default_dtype}, on {device}{compiled}; "
        f"training needs about {max(memory * at_a_time, 0.1):.1f} GiB of memory{each} besides 1 GiB for the program"
    )


def _device_types(setting: str | Sequence[str]) -> list[str]:
    """``cpu``, or ``cuda`` for each GPU."""
    if runs_on_cpu(setting):
        return ["cpu"]
    from aims_pax.committee import devices_of

    return [device.type for device in devices_of(setting)]


def _training_bytes(settings: MaceSettings, frame: Frame) -> float:
    """Memory of a training step on structures like this one."""
    from ase.neighborlist import neighbor_list

    architecture = settings.architecture
    n_edges = len(neighbor_list("i", atoms_of(frame), architecture.r_max))  # vesin, elsewhere, imports PyTorch
    features = architecture.num_channels * (architecture.max_L + 1) ** 2
    bytes_per_edge = BYTES_PER_EDGE + BYTES_PER_EDGE_AND_FEATURE * features
    width = 1 if settings.general.default_dtype == "float32" else 2
    layers = architecture.num_interactions / 2
    return float(n_edges * settings.training.batch_size * bytes_per_edge * width * layers)
