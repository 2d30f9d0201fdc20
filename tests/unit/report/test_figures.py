from collections.abc import Callable
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.image import imread
from numpy.typing import NDArray

from aims_pax.dataset.records import EPOCH_DTYPE, SCORE_DTYPE
from aims_pax.report.figures import (
    DENSE,
    Parity,
    draw_learning_curve,
    draw_parity,
    draw_run,
    draw_scores,
    draw_time,
)
from aims_pax.settings.stages.uncertainty import kind_named


def _epochs(n_epochs: int, *, n_converged: int = 0) -> NDArray[np.void]:
    """Four members over `n_epochs`, then one of them alone over `n_converged` more."""
    epochs = np.zeros(4 * n_epochs + n_converged, dtype=EPOCH_DTYPE)
    alone = np.arange(n_converged)
    epochs["epoch"] = 1 + np.append(np.arange(4 * n_epochs) // 4, n_epochs + alone)
    epochs["member"] = np.append(np.arange(4 * n_epochs) % 4, 0 * alone)
    epochs["n_train"] = 10 + np.minimum(epochs["epoch"], n_epochs) // 5
    epochs["force_mae_ev_per_ang"] = 0.5 / np.sqrt(epochs["epoch"]) + 0.01 * epochs["member"]
    return epochs


def _scores(n: int, *, n_without_threshold: int) -> NDArray[np.void]:
    scores = np.zeros(n, dtype=SCORE_DTYPE)
    scores["score"] = np.linspace(0.3, 0.1, n)
    scores["threshold"] = np.where(np.arange(n) < n_without_threshold, np.inf, 0.2)
    scores["picked"] = scores["score"] > scores["threshold"]
    return scores


def _two_series() -> NDArray[np.void]:
    first, second = _scores(50, n_without_threshold=10), _scores(50, n_without_threshold=0)
    first["series"], second["series"] = 1, 2
    return np.concatenate([first, second])


def _parity(n_structures: int, n_components: int) -> Parity:
    rng = np.random.default_rng(0)
    energy, force = rng.normal(-155.0, 0.02, n_structures), rng.normal(0.0, 1.0, n_components)
    return Parity("committee mean", np.stack([energy, energy + 0.001]), np.stack([force, force + 0.05]))


def _crystal_parity(n_structures: int) -> Parity:
    molecule, rng = _parity(n_structures, 24 * n_structures), np.random.default_rng(1)
    stress = rng.normal(0.0, 0.02, 6 * n_structures)
    return Parity("committee mean", molecule.energy_per_atom, molecule.forces, np.stack([stress, 0.98 * stress]))


DRAWINGS: dict[str, Callable[[Path], None]] = {
    "learning curve": lambda path: draw_learning_curve(_epochs(100), path),
    "learning curve of one epoch": lambda path: draw_learning_curve(_epochs(1), path),
    "learning curve with a convergence": lambda path: draw_learning_curve(_epochs(50, n_converged=30), path),
    "learning curve with a product": lambda path: draw_learning_curve(_epochs(50), path, product=("run_43", 1)),
    "scores": lambda path: draw_scores(_scores(50, n_without_threshold=10), path),
    "scores of two kinds": lambda path: draw_scores(_two_series(), path, kinds={1: "energy_sd", 2: "molecular_sd"}),
    "scores that never had a threshold": lambda path: draw_scores(_scores(5, n_without_threshold=5), path),
    "parity of one structure": lambda path: draw_parity(_parity(1, 27), path),
    "dense parity": lambda path: draw_parity(_parity(200, DENSE + 1), path),
    "parity with stress": lambda path: draw_parity(_crystal_parity(10), path),
    "time": lambda path: draw_time({"training": 1400.0, "labelling": 3.0}, 1600.0, path),
    "time with an idle activity": lambda path: draw_time({"training": 2.0, "converging": 0.0}, 2.5, path),
}


@pytest.mark.parametrize("drawing", DRAWINGS)
def test_figure_is_a_legible_png_with_ink_on_it(drawing: str, tmp_path: Path) -> None:
    path = tmp_path / "results" / "figure.png"
    DRAWINGS[drawing](path)
    image = imread(path)
    height, width = image.shape[:2]
    assert width >= 1000, "readable when printed over a column"
    assert height >= 250
    dark = (image[..., :3].mean(axis=-1) < 0.6).mean()
    assert 0.002 < dark < 0.5


def test_what_is_measured_otherwise_has_a_panel_and_a_unit_of_its_own(tmp_path: Path) -> None:
    draw_scores(_scores(50, n_without_threshold=10), tmp_path / "one.png")
    draw_scores(_two_series(), tmp_path / "two.png", kinds={1: "energy_sd", 2: "molecular_sd"})
    one, two = (imread(tmp_path / f"{name}.png").shape[1] for name in ("one", "two"))
    assert two == pytest.approx(2 * one, rel=0.05)
    assert kind_named("energy_sd").axis == "energy deviation (eV/atom)"
    assert kind_named("max_relative_sd").axis == "largest relative force deviation"
    assert kind_named("").unit == "eV/Å", "those of older runs"


def test_drawing_leaves_matplotlib_as_it_was(tmp_path: Path) -> None:
    keys = [key for key in mpl.rcParams if key.split(".")[0] in ("axes", "figure", "font", "grid", "savefig")]
    before = {key: mpl.rcParams[key] for key in keys}
    draw_scores(_scores(50, n_without_threshold=0), tmp_path / "scores.png")
    assert {key: mpl.rcParams[key] for key in keys} == before


def test_run_without_checks_or_measured_errors_draws_only_what_it_has(tmp_path: Path) -> None:
    epochs = _epochs(3)
    epochs["force_mae_ev_per_ang"] = np.nan
    none = np.zeros(0, dtype=SCORE_DTYPE)
    drawn = draw_run(tmp_path, epochs=epochs, scores=none, busy_s={"training": 1.0}, wall_s=1.5)
    assert [path.name for path in drawn] == ["time.png"]


def test_run_draws_all_its_figures(tmp_path: Path) -> None:
    scores = _scores(30, n_without_threshold=10)
    drawn = draw_run(tmp_path, epochs=_epochs(3), scores=scores, busy_s={"training": 1.0}, wall_s=1.5)
    assert {path.name for path in drawn} == {"learning_curve.png", "uncertainty.png", "time.png"}
    assert all(path.is_file() for path in drawn)
