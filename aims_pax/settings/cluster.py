"""CLUSTER: where labels are computed."""

import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Final, Literal, TypeVar

from annotated_types import Ge, Le
from pydantic import BeforeValidator, Field, ValidationError, ValidationInfo

from aims_pax.errors import Problem, SettingsError
from aims_pax.settings.reading import sbatch
from aims_pax.settings.reading.command import COMMAND_KEYS, PLACEHOLDERS, filled
from aims_pax.settings.reading.kinds import (
    Arguments,
    Count,
    CountOrZero,
    Kind,
    ProjectPath,
    Text,
    Whole,
    existing,
    misfit,
    resolved,
)
from aims_pax.settings.section import Contradiction, Section


def _ready_files() -> dict[str, Path]:
    """They are part of an installed package, and stand beside it in a checkout."""
    package = Path(__file__).parents[1]
    folders = (package / "parsl_configs", package.parent / "parsl_configs")
    return {file.stem: file for folder in folders for file in sorted(folder.glob("[a-z]*.py"))}


READY: Final[Mapping[str, Path]] = _ready_files()
"""Parsl configurations that come with the package, by the name that CLUSTER.parsl_config may give."""


def _name_or_file(value: object, info: ValidationInfo) -> str:
    if isinstance(value, str) and re.fullmatch(r"[A-Za-z]\w*", value):
        if value not in READY and find_spec(value) is None:
            close = get_close_matches(value, READY, n=1)
            meant = f"; the nearest is {close[0]}" if close else ""
            raise misfit(f"is {value!r}, which is neither a file nor a ready configuration ({', '.join(READY)}){meant}")
        return value
    path = resolved(value, info)
    if not existing(path).is_file():
        raise misfit(f"names {path}, which is not a file")
    return str(path)


ConfigNameOrFile = Annotated[
    str, BeforeValidator(_name_or_file), Kind("path of a Python file that exists, or the name of a ready configuration")
]


class SystemResources(Section):
    """What the labels of one system need."""

    executor: Text | None = Field(
        None, description="Label of the executor that computes them. The first of the configuration when not given."
    )
    nodes: Count | None = Field(None, description="Machines that a label spans: {nodes} in a command.")
    ranks: Count | None = Field(None, description="MPI ranks of a label, on all nodes together: {ranks} in a command.")
    threads: Count | None = Field(None, description="Threads of each rank: {threads} in a command.")


OVERRIDE: Final = "--parsl-config"
"""The command line's option for another Parsl configuration than CLUSTER's."""

NO_RESOURCES: Final = SystemResources()

SystemIndex = Annotated[int, Ge(0), Le(10**6)]
Systems = Annotated[
    dict[SystemIndex | Text, SystemResources],
    Kind("mapping of names or indices of starting structures to {executor, nodes, ranks, threads}"),
]


class LabelFolders(Section):
    """What every way to compute labels shares."""

    calc_dir: ProjectPath = Field(
        Path("aims_ase_calcs"), description="Folder of the reference calculations. Made when missing."
    )
    clean_dirs: bool = Field(
        True, description="Whether files of successful calculations are removed. Those of failed ones are kept."
    )

    def resources_of(self, index: int, name: str) -> SystemResources:
        """What was written down for the labels of one system."""
        return NO_RESOURCES


class InlineCluster(LabelFolders):
    """Labels one after the other, in the campaign's own process."""

    type: Literal["inline"] = Field("inline", description="In the campaign's own process.")


class WorkerCluster(LabelFolders):
    """What all workers share, wherever they run."""

    systems: Systems = Field(
        default_factory=dict, description="What labels need, where it differs between systems or fills a command."
    )
    max_in_flight: Count | None = Field(
        None,
        description="Labels that workers and queues hold at a time: others wait in the campaign. All when not given; "
        "how many jobs of a batch system there are at a time is said by max_blocks.",
    )

    def resources_of(self, index: int, name: str) -> SystemResources:
        return self.systems.get(name) or self.systems.get(index) or NO_RESOURCES


class LocalCluster(WorkerCluster):
    """Labels side by side, on worker processes of this machine."""

    type: Literal["local"] = Field("local", description="On workers of this machine.")
    max_workers: Annotated[int, Ge(1), Le(10_000), Whole] = Field(4, description="Labels computed at a time.")
    executor: Literal["local"] = Field("local", description="What the workers are. As v0.2 writes it beside the type.")


class ParslCluster(WorkerCluster):
    """Labels on any machine that a Parsl configuration describes."""

    type: Literal["parsl"] = Field("parsl", description="On workers that a Parsl configuration starts.")
    parsl_config: ConfigNameOrFile = Field(
        description="Python file that offers make_config(**options), fresh_config() or config. Relative to the "
        "project's folder; or the name of a ready one, such as local or slurm_packed."
    )
    options: Arguments = Field(default_factory=dict, description="Keyword arguments of make_config.")


class ParslOptions(Section):
    """How blocks, which are jobs of the batch system, come and go."""

    nodes_per_block: Count = Field(1, description="Nodes of each batch job.")
    init_blocks: CountOrZero = Field(1, description="Batch jobs submitted at the start.")
    min_blocks: CountOrZero = Field(1, description="Batch jobs kept while there is nothing to do.")
    max_blocks: Count = Field(1, description="Most batch jobs at a time.")
    label: Text | None = Field(None, description="Name of the executor in messages and of its batch jobs.")
    run_dir: ProjectPath | None = Field(None, description="Folder of Parsl's logs. parsl in log_dir when not given.")
    port: Annotated[int, Ge(1), Le(65535)] | None = Field(
        None, description="Port that workers connect to. A free one when not given."
    )

    def contradictions(self) -> Iterator[Contradiction]:
        for key in ("init_blocks", "min_blocks"):
            if getattr(self, key) > self.max_blocks:
                found = f"{key} is {getattr(self, key)}, and max_blocks is {self.max_blocks}."
                yield Contradiction(key, found, "Raise max_blocks, or lower this.")


class SlurmCluster(WorkerCluster):
    """Labels in batch jobs of Slurm, by the keys of v0.2. A Parsl configuration can say more."""

    type: Literal["slurm"] = Field("slurm", description="In batch jobs of Slurm.")
    slurm_str: Text = Field(
        description="Lines #SBATCH of the batch jobs. A time limit (--time) is needed; --clusters "
        "names a cluster of a federation."
    )
    worker_str: str = Field("", description="Shell lines that run before the workers start, such as module load.")
    executor: Literal["htex", "workqueue", "mpi"] = Field(
        "htex",
        description="How labels share a batch job. htex and workqueue: as many at a time as tasks_per_node or "
        "cores_per_job allow. mpi: one at a time, on all nodes of the job. Parsl's HighThroughputExecutor runs all.",
    )
    parsl_options: ParslOptions = Field(default_factory=ParslOptions, description="How batch jobs come and go.")
    tasks_per_node: Count = Field(
        1, description="Labels at a time in a batch job; for executor mpi, MPI ranks on each node."
    )
    cores_per_job: Count | None = Field(
        None, description="Cores of each label: as many at a time as fit the node. tasks_per_node when not given."
    )
    memory_per_job: Count | None = Field(None, description="Memory of each label, MB: no more at a time than fit.")
    disk_per_job: Count = Field(1000, description="Free disk without which labels are not begun in calc_dir, MB.")
    project_name: Text | None = Field(None, description="Name of the executor when parsl_options.label is not given.")

    def contradictions(self) -> Iterator[Contradiction]:
        if not re.search(r"^\s*#SBATCH\s+(.*\s)?(--time[\s=]|-t)", self.slurm_str, re.MULTILINE):
            advice = "Add a line: #SBATCH --time=24:00:00"
            yield Contradiction("slurm_str", "slurm_str gives no time limit, and jobs would end in 10 minutes.", advice)
        yield from sbatch.contradictions("slurm_str", self.slurm_str)
        if self.cores_per_job is not None and self.is_set("tasks_per_node"):
            found = "cores_per_job and tasks_per_node both say how many labels a node takes."
            yield Contradiction("cores_per_job", found, "Keep one of them.")
        if self.executor == "mpi" and self.cores_per_job is not None:
            found = "cores_per_job is for labels that share a node, and executor is mpi."
            yield Contradiction("cores_per_job", found, "Remove it, or set executor: htex.")


ClusterSettings = InlineCluster | LocalCluster | ParslCluster | SlurmCluster

CLUSTERS: Final[dict[str, type[ClusterSettings]]] = {
    "inline": InlineCluster,
    "local": LocalCluster,
    "parsl": ParslCluster,
    "slurm": SlurmCluster,
}
"""The sections that CLUSTER.type chooses from."""

S = TypeVar("S", bound=Section)


def on_parsl_config(cluster: ClusterSettings, name_or_file: str, folder: Path) -> ParslCluster:
    """The same folders and resources, on the workers of another Parsl configuration.

    Parameters
    ----------
    cluster : ClusterSettings
    name_or_file : str
        As CLUSTER.parsl_config has it.
    folder : Path
        What a file's path is relative to.

    Raises
    ------
    SettingsError
        It is neither a file nor a ready configuration.
    """
    shared = {key: getattr(cluster, key) for key in WorkerCluster.model_fields if hasattr(cluster, key)}
    options = cluster.options if isinstance(cluster, ParslCluster) else {}
    try:
        return ParslCluster.model_validate(
            {**shared, "parsl_config": name_or_file, "options": options}, context={"folder": folder}
        )
    except ValidationError as error:
        found = f"{OVERRIDE} {error.errors()[0]['msg']}."
        raise SettingsError(Problem("", found, f"a Python file, or one of {', '.join(READY)}")) from None


def labels_at_a_time(cluster: ClusterSettings) -> int | None:
    """How many are computed at a time: 0 by the campaign itself; None where only a Parsl configuration knows."""
    match cluster:
        case InlineCluster():
            return 0
        case ParslCluster():
            return None
        case LocalCluster():
            n_labels = cluster.max_workers
        case _:
            blocks, each = cluster.parsl_options.max_blocks, cluster.tasks_per_node
            nodes = cluster.parsl_options.nodes_per_block
            n_labels = blocks if cluster.executor == "mpi" else blocks * nodes * each
    return n_labels if cluster.max_in_flight is None else min(n_labels, cluster.max_in_flight)


def unfilled(settings: Section, resources: SystemResources) -> list[str]:
    """Placeholders in the commands of a reference for which a system says nothing: ``ranks``."""
    written = "".join(_open_commands(settings).values())
    return [name for name in PLACEHOLDERS if f"{{{name}}}" in written and getattr(resources, name) is None]


def with_resources(settings: S, resources: SystemResources) -> S:
    """The settings of a reference with the placeholders of its commands replaced by what a system needs."""
    numbers = {name: getattr(resources, name) or 1 for name in PLACEHOLDERS}
    commands = {key: filled(command, **numbers) for key, command in _open_commands(settings).items()}
    return settings.model_copy(update=commands) if commands else settings


def _open_commands(settings: Section) -> dict[str, str]:
    values = {key: getattr(settings, key, None) for key in COMMAND_KEYS}  # no other text: control.in stays as it is
    return {
        key: value
        for key, value in values.items()
        if isinstance(value, str) and any(f"{{{name}}}" in value for name in PLACEHOLDERS)
    }
