"""Parsl configurations by name, by file and by module."""

from pathlib import Path

import pytest
from parsl.config import Config
from parsl.executors import HighThroughputExecutor

from aims_pax.errors import SettingsError
from aims_pax.labelling.workers.config_file import load_config
from aims_pax.labelling.workers.configuration import GuardedExecutor, guard, local_config

REPOSITORY = Path(__file__).parents[4]
HEADER = "from parsl.config import Config\nfrom parsl.executors import ThreadPoolExecutor\n"
THREADS = "Config(executors=[ThreadPoolExecutor(label='threads', max_threads=n)])"


def written(folder: Path, text: str) -> Path:
    path = folder / "cluster.py"
    path.write_text(HEADER + text, encoding="utf-8")
    return path


def test_the_local_configuration_needs_no_file() -> None:
    config = load_config("local", max_workers=3)
    assert config.executors[0].max_workers_per_node == 3


def test_the_local_configuration_of_the_repository_is_the_built_in_one() -> None:
    config = load_config(REPOSITORY / "parsl_configs" / "local.py", max_workers=3, threads_per_worker=2)
    (executor,) = config.executors
    assert executor.max_workers_per_node == 3
    assert "OMP_NUM_THREADS=2" in executor.provider.worker_init


@pytest.mark.parametrize(
    ("text", "options"),
    [
        (f"def make_config(n=1):\n    return {THREADS}\n", {"n": 3}),
        (f"def make_config(**options):\n    n = options['n']\n    return {THREADS}\n", {"n": 3}),
        (f"def fresh_config(n=3):\n    return {THREADS}\n", {}),
        (f"n = 3\nconfig = {THREADS}\n", {}),
    ],
    ids=["make_config", "options", "fresh_config", "config"],
)
def test_every_accepted_form_gives_a_configuration(text: str, options: dict[str, int], tmp_path: Path) -> None:
    assert load_config(written(tmp_path, text), **options).executors[0].max_threads == 3


def test_a_function_gives_a_new_configuration_every_time(tmp_path: Path) -> None:
    path = written(tmp_path, f"def make_config(n=1):\n    return {THREADS}\n")
    assert load_config(path) is not load_config(path)


@pytest.mark.parametrize(
    ("text", "options", "words"),
    [
        ("x = 1\n", {}, "offers no Parsl configuration"),
        ("config = 5\n", {}, "is a int, not a Parsl configuration"),
        (f"n = 3\nconfig = {THREADS}\n", {"n": 4}, "takes no options"),
        (f"def make_config(n=1):\n    return {THREADS}\n", {"m": 4}, "unexpected keyword argument 'm'"),
        ("def make_config(:\n", {}, "line 3: SyntaxError"),
        ("import no_such_package\n", {}, "line 3: ModuleNotFoundError"),
        ("def make_config():\n    return undefined\n", {}, "line 4: NameError"),
        ("def make_config(n=1):\n    return Config(executors=n)\n", {"n": 4}, "line 4: TypeCheckError"),
        ("import subprocess\nsubprocess.run(['false'], check=True)\n", {}, "line 4: CalledProcessError"),
        (f"import parsl\nn = 1\nparsl.dfk()\nconfig = {THREADS}\n", {}, "line 5: NoDataFlowKernelError"),
    ],
)
def test_a_wrong_file_is_named_with_its_line(text: str, options: dict[str, int], words: str, tmp_path: Path) -> None:
    path = written(tmp_path, text)
    with pytest.raises(SettingsError, match=words) as raised:
        load_config(path, **options)
    assert str(path) in str(raised.value)


@pytest.mark.parametrize("name", ["nowhere.py", "no_such_configuration"])
def test_a_missing_configuration_is_a_settings_error(name: str) -> None:
    with pytest.raises(SettingsError, match=name):
        load_config(name)


def test_a_plain_configuration_gets_the_guards_of_a_campaign(tmp_path: Path) -> None:
    plain = Config(executors=[HighThroughputExecutor(label="plain")], retries=1)
    config = guard(plain, tmp_path / "parsl")
    assert config.run_dir == str(tmp_path / "parsl")
    assert "aims_pax.labelling.workers.interchange" in config.executors[0].interchange_launch_cmd
    assert config.retry_handler is not None
    assert config.retries == 1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"min_blocks": 3, "max_blocks": 2}, "min_blocks=3, init_blocks=0, max_blocks=2"),
        ({"max_blocks": 0}, "max_blocks=0"),
        ({"walltime": "12h"}, "walltime='12h'"),
        ({"walltime": "1-00:00:00"}, "walltime='1-00:00:00'"),
    ],
)
def test_blocks_that_parsl_would_take_and_never_give_are_refused(
    options: dict[str, object], words: str, tmp_path: Path
) -> None:
    with pytest.raises(SettingsError, match=f"The executor slurm has .*{words}"):
        guard(load_config("slurm_packed", **options), tmp_path)


@pytest.mark.parametrize("name", ["my project", "a/b", "{x}"])
def test_names_that_parsl_would_put_unquoted_into_commands_are_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="There is an executor with the label"):
        guard(Config(executors=[HighThroughputExecutor(label=name)]), tmp_path)


@pytest.mark.parametrize("name", ["my project", "a;b", "{x}"])
def test_a_folder_that_parsl_can_not_start_workers_from_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"(?s)can't start workers from such a path.*without blanks"):
        guard(local_config(1), tmp_path / name)


@pytest.mark.parametrize("counted", [{}, {"max_workers_per_node": 0}])
def test_workers_that_nobody_counts_are_no_more_than_cores(counted: dict[str, int]) -> None:
    assert GuardedExecutor(label="own", **counted).cores_per_worker == 1.0


def test_asking_for_no_blocks_back_gives_none_back() -> None:
    # Parsl's own scale_in(0, ...) asks its interchange which blocks are idle and cancels them all.
    executor = GuardedExecutor(label="never-started")
    assert executor.scale_in(0, 10.0) == []


def test_local_workers_have_the_threads_that_were_asked_for() -> None:
    (executor,) = local_config(2, threads_per_worker=3, worker_init="ulimit -s unlimited").executors
    lines = executor.provider.worker_init.splitlines()
    assert "export OMP_NUM_THREADS=3 MKL_NUM_THREADS=3 OPENBLAS_NUM_THREADS=3 NUMEXPR_NUM_THREADS=3" in lines
    assert lines[-1] == "ulimit -s unlimited"
