"""What the tests of several packages share."""

import signal
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from . import profiles
from .costs import COSTLY, astray, cost_of, imported

profiles.load()

pytest.register_assert_rewrite("aims_pax.testing.contracts")

ADVICE = "Import it where it is needed, or say in tests/costs.py what this file costs"

told: list[str] = []
"""Heavy packages that this process has and that were told, so that one import fails one test."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--light",
        action="store_true",
        help="only tests that need neither PyTorch nor processes; importing it fails them",
    )


def pytest_configure() -> None:
    """Shells start background jobs with Ctrl-C ignored, nohup with SIGHUP; programs under test would inherit that."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    if wrong := astray():
        raise pytest.UsageError(f"tests/costs.py has entries that name no file, or no cost: {', '.join(wrong)}")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """With `--light`, what costs more is not even imported."""
    return True if config.getoption("light") and cost_of(collection_path) is not None else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark every test by what it costs."""
    for item in items:
        cost = cost_of(item.path)
        if cost is not None:
            item.add_marker(cost)
        elif "mace_model" in getattr(item, "fixturenames", ()):
            item.add_marker("torch")
        if not any(item.get_closest_marker(marker) for marker in COSTLY):
            item.add_marker("light")
    if config.getoption("light"):
        others = [item for item in items if item.get_closest_marker("light") is None]
        items[:] = [item for item in items if item.get_closest_marker("light") is not None]
        config.hook.pytest_deselected(items=others)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """With `--light`, a file that is not and that nobody has said to be otherwise is an error."""
    report = yield
    if collector.config.getoption("light") and (found := _newly_imported()):
        report.outcome = "failed"
        report.longrepr = f"{collector.nodeid} imports {found}. {ADVICE}"
    return report


@pytest.fixture(autouse=True)
def _stays_light(request: pytest.FixtureRequest) -> Iterator[None]:
    """With `--light`, a test that imports what is heavy fails."""
    yield
    if request.config.getoption("light") and (found := _newly_imported()):
        pytest.fail(f"this test imports {found}. {ADVICE}")


def _newly_imported() -> str:
    found = [name for name in imported() if name not in told]
    told.extend(found)
    return " and ".join(found)


@pytest.fixture(scope="session")
def mace_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """File of a tiny MACE model for H, C and O with random weights and known isolated-atom energies."""
    import numpy as np
    import torch
    from mace.modules import ScaleShiftMACE, interaction_classes  # before e3nn: it lets torch read e3nn's constants
    from mace.tools.torch_tools import default_dtype

    from e3nn import o3  # isort: skip

    torch.set_num_threads(1)
    torch.manual_seed(0)
    residual = interaction_classes["RealAgnosticResidualInteractionBlock"]
    with default_dtype("float64"):
        model = ScaleShiftMACE(
            r_max=4.0,
            num_bessel=4,
            num_polynomial_cutoff=5,
            max_ell=1,
            interaction_cls=residual,
            interaction_cls_first=residual,
            num_interactions=1,
            num_elements=3,
            hidden_irreps=o3.Irreps("4x0e"),
            MLP_irreps=o3.Irreps("4x0e"),
            gate=torch.nn.functional.silu,
            atomic_energies=np.array([-13.6, -1029.0, -2041.0]),
            avg_num_neighbors=4.0,
            atomic_numbers=[1, 6, 8],
            correlation=1,
            radial_type="bessel",
            atomic_inter_scale=1.0,
            atomic_inter_shift=0.0,
        )
    path = tmp_path_factory.mktemp("teacher") / "teacher.model"
    torch.save(model, path)
    return path
