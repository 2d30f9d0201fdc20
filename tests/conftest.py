"""What the tests of several packages share."""

import signal
from pathlib import Path

import pytest

pytest.register_assert_rewrite("aims_pax.testing.contracts")


def pytest_configure() -> None:
    """Shells start background jobs with Ctrl-C ignored, nohup with SIGHUP; programs under test would inherit that."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


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
