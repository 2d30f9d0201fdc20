"""What the tests of several packages share."""

import signal
import sys
from pathlib import Path

import pytest

from . import profiles
from .costs import COSTLY, Refusal, astray, cost_of, is_dear

profiles.load()

pytest.register_assert_rewrite("aims_pax.testing.contracts")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--light",
        action="store_true",
        help="only tests that need neither PyTorch nor processes of their own; those that import it fail",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Shells start background jobs with Ctrl-C ignored, nohup with SIGHUP; programs under test would inherit that."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    if wrong := astray():
        raise pytest.UsageError(f"tests/costs.py has entries that name no file, or no cost: {', '.join(wrong)}")
    if config.getoption("light"):
        sys.meta_path.insert(0, Refusal())


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
        if is_dear(item.path, getattr(item, "originalname", item.name)):
            item.add_marker("dear")
        if not any(item.get_closest_marker(marker) for marker in COSTLY):
            item.add_marker("light")
    if config.getoption("light"):
        others = [item for item in items if item.get_closest_marker("light") is None]
        items[:] = [item for item in items if item.get_closest_marker("light") is not None]
        config.hook.pytest_deselected(items=others)


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
