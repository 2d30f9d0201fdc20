"""CLUSTER: v0.2's keys, what labels of each system need, and another Parsl configuration by the command line."""

from pathlib import Path
from typing import Any

import pytest

from aims_pax.errors import SettingsError
from aims_pax.settings import LocalCluster, ParslCluster, SlurmCluster
from aims_pax.settings.cluster import (
    READY,
    SystemResources,
    on_parsl_config,
    unfilled,
    with_resources,
)
from aims_pax.settings.methods.fhi_aims import FhiAimsSettings
from aims_pax.settings.reading.sbatch import cluster_of, contradictions

from .conftest import AL, IDG, MD

V02 = """\
CLUSTER:
  type: slurm
  project_name: aimsPAX_example
  parsl_options:
    nodes_per_block: 1
    init_blocks: 1
    min_blocks: 1
    max_blocks: 4
    label: aimsPAX_example
  slurm_str: |
    #SBATCH --job-name=aimsPAX_example
    #SBATCH --partition=cpu
    #SBATCH --time=48:00:00
  worker_str: |
    module load intel
    ulimit -s unlimited
  calc_dir: calc
"""


def test_the_mapping_of_v02_is_read_as_it_is(folder: Any) -> None:
    cluster = folder.write(IDG + AL + MD + V02).load().settings.cluster
    assert isinstance(cluster, SlurmCluster)
    assert cluster.parsl_options.max_blocks == 4
    assert cluster.slurm_str.splitlines()[1] == "#SBATCH --partition=cpu"
    assert cluster.calc_dir == folder.path / "calc"


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("    #SBATCH --time=48:00:00\n", "", "slurm_str gives no time limit, and jobs would end in 10 minutes"),
        ("    max_blocks: 4\n", "    max_blocks: 4\n    function_dir: f\n", "Workers get functions from the campaign"),
        ("    init_blocks: 1\n", "    init_blocks: 9\n", "init_blocks is 9, and max_blocks is 4"),
        ("  calc_dir: calc\n", "  cores_per_job: 4\n  tasks_per_node: 2\n", "both say how many labels a node takes"),
        ("  calc_dir: calc\n", "  executor: taskvine\n", "htex | workqueue | mpi"),
    ],
)
def test_what_v02_can_not_mean_here_is_said(folder: Any, old: str, new: str, words: str) -> None:
    assert words in folder.write(IDG + AL + MD + V02.replace(old, new)).complaint()


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (
            "#SBATCH --clusters=a,b",
            "slurm_str sends jobs to the clusters a,b, and they are watched and cancelled",
        ),
        ("#SBATCH -Mall", "sends jobs to the clusters all"),
        ("#SBATCH --array=1-4", "holds --array, which would start each job several times"),
        ("#SBATCH -a 1-4 -N 1", "holds --array"),
        ("#SBATCH --parsable", "holds --parsable"),
        ("#SBATCH -W", "holds --wait, which would make each submission last as long as its job"),
    ],
)
def test_lines_by_which_a_job_could_not_be_followed_are_refused(folder: Any, line: str, words: str) -> None:
    text = V02.replace("#SBATCH --partition=cpu", line)
    assert words in folder.write(IDG + AL + MD + text).complaint()


@pytest.mark.parametrize(
    ("line", "cluster"),
    [
        ("#SBATCH --clusters=other", "other"),
        ("#SBATCH --cluster other  # the new one", "other"),
        ("#SBATCH -M other", "other"),
        ("#SBATCH -N 1 -Mother --exclusive", "other"),
        ("#SBATCH --clusters=first\n#SBATCH --clusters=second", "second"),
        ("# #SBATCH --clusters=other", None),
        ("#SBATCH --cluster-constraint=ib -A acct -q high -w node1 --wait-all-nodes=1", None),
    ],
)
def test_the_cluster_of_a_federation_is_read_as_slurm_reads_it(line: str, cluster: str | None) -> None:
    assert cluster_of(line) == cluster
    assert list(contradictions("slurm_str", line)) == []


def test_a_short_form_of_the_time_limit_is_one(folder: Any) -> None:
    text = V02.replace("--time=48:00:00", "-t 10:00:00")
    assert isinstance(folder.write(IDG + AL + MD + text).load().settings.cluster, SlurmCluster)


@pytest.mark.parametrize("key", ["water", "0"])
def test_what_a_system_needs_is_found_by_its_name_and_by_its_index(folder: Any, key: str) -> None:
    text = f"CLUSTER: {{type: local, systems: {{{key}: {{executor: labels, ranks: 4}}}}}}\n"
    cluster = folder.write(IDG + AL + MD + text).load().settings.cluster
    assert cluster.resources_of(0, "water") == SystemResources(executor="labels", ranks=4)
    assert cluster.resources_of(1, "slab") == SystemResources()


@pytest.mark.parametrize(
    ("systems", "words"),
    [
        ("{slab: {ranks: 4}}", ("CLUSTER.systems.slab is none of the starting structures", "0: water")),
        ("{3: {ranks: 4}}", ("CLUSTER.systems.3 is none of the starting structures", "0: water")),
        ("{0: {ranks: 4}, water: {ranks: 2}}", ("are the same structure", "Keep one of them")),
        ("{water: {cores: 4}}", ("cores", "executor, nodes, ranks, threads")),
    ],
)
def test_resources_of_a_wrong_system_are_refused(folder: Any, systems: str, words: tuple[str, ...]) -> None:
    message = folder.write(IDG + AL + MD + f"CLUSTER: {{type: local, systems: {systems}}}\n").complaint()
    for word in words:
        assert word in message


def test_misspelt_ready_configuration_is_answered_by_the_nearest(folder: Any) -> None:
    message = folder.write(IDG + AL + MD + "CLUSTER: {parsl_config: slurm_node_per_lable}\n").complaint()
    assert "the nearest is slurm_node_per_label." in message


AIMS = "REFERENCE: {type: fhi-aims, command: 'srun -N {nodes} -n {ranks} aims.x', species_dir: .}\n"


def test_a_command_that_nothing_fills_is_refused(folder: Any) -> None:
    folder.file("control.in", "xc pbe\nrelativistic none\n")
    text = "CLUSTER: {parsl_config: slurm_multi_node, systems: {water: {nodes: 2}}}\n"
    message = folder.write(IDG + AL + MD + AIMS + text).complaint()
    assert "REFERENCE.command holds {ranks}, and nothing says how many water needs." in message


def test_commands_are_filled_with_what_a_system_needs() -> None:
    settings = FhiAimsSettings(command="srun -N {nodes} -n {ranks} aims.x")
    assert unfilled(settings, SystemResources(nodes=2)) == ["ranks"]
    filled = with_resources(settings, SystemResources(nodes=2, ranks=8))
    assert filled.command == "srun -N 2 -n 8 aims.x"
    plain = FhiAimsSettings(command="aims.x")
    assert with_resources(plain, SystemResources(nodes=2)) is plain


def test_another_configuration_keeps_folders_and_resources(tmp_path: Path) -> None:
    systems = {"water": SystemResources(ranks=2)}
    cluster = LocalCluster(max_workers=2, calc_dir=tmp_path / "calc", clean_dirs=False, systems=systems)
    file = tmp_path / "mine.py"
    file.touch()
    assert on_parsl_config(cluster, "mine.py", tmp_path) == ParslCluster(
        parsl_config=str(file), calc_dir=tmp_path / "calc", clean_dirs=False, systems=systems
    )
    assert on_parsl_config(cluster, "slurm_packed", tmp_path).parsl_config == "slurm_packed"


def test_another_configuration_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"(?s)--parsl-config names .*nowhere.py, which can't be opened") as raised:
        on_parsl_config(LocalCluster(), "nowhere.py", tmp_path)
    assert all(name in str(raised.value) for name in READY)
