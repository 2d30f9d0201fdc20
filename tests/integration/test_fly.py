"""`aims_pax.fly` with real models and GFN2-xTB: MD and relaxation by ASE, the protocol of i-PI, and mistakes."""

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase import units
from ase.build import bulk, molecule
from ase.calculators.socketio import SocketClient, SocketIOCalculator
from ase.md.verlet import VelocityVerlet
from ase.optimize import BFGS

import aims_pax as ap
from aims_pax.dataset.extxyz import read_extxyz
from aims_pax.errors import CampaignStopped, UserError

from .flights import LOOSE, SMALL, trained_for_an_epoch, water


def test_md_is_flown_looked_at_and_gone_on_with(tmp_path: Path) -> None:
    atoms, arguments = water(), {"folder": tmp_path / "flight", "mace": SMALL, **LOOSE}
    with ap.fly(atoms, **arguments) as flying:  # type: ignore[arg-type]
        VelocityVerlet(atoms, 0.5 * units.fs).run(20)
        found = flying.record()
        assert (found["n_steps"], found["n_checks"]) == (21, 3)
        assert found["n_reference"] == 7 + 3
        assert all(seconds > 0 for seconds in found["seconds"].values())
        assert "21 steps, 10 calls of the reference" in flying.report()
        assert flying.draw(tmp_path / "flight.png").stat().st_size > 10_000
        models = flying.export(tmp_path / "out")
    assert (tmp_path / "out" / "labels.xyz").read_text(encoding="utf-8").startswith("3\n")
    said = atoms.get_forces()
    alone = atoms.copy()
    alone.calc = ap.calculator(models, device="cpu")
    np.testing.assert_allclose(alone.get_forces(), said, atol=1e-5)  # single precision, summed in another order

    again = atoms.copy()
    with ap.fly(again, **arguments) as flying:  # type: ignore[arg-type]
        np.testing.assert_allclose(again.get_forces(), said, atol=1e-9)
        VelocityVerlet(again, 0.5 * units.fs).run(3)
        assert len(flying.checks) == 4
    again.rattle(0.01)
    with pytest.raises(UserError, match="was closed"):
        again.get_forces()


CALLS: list[tuple[int, list[str]]] = []
"""Labels and names of models that a training function of the user's own was given."""


def train(labels: Path, models: Sequence[Path], folder: Path) -> list[Path]:
    """It fails at its third call."""
    CALLS.append((len(read_extxyz(labels)), [path.name for path in models]))
    if len(CALLS) == 3:
        raise MemoryError("the GPU is full")
    return trained_for_an_epoch(labels, models, folder, mace=SMALL, seeds=(42,))


def test_a_function_of_the_users_own_trains(tmp_path: Path) -> None:
    CALLS.clear()
    own = {"refit": {"function_name": f"{__name__}:train"}, "tolerances": {"frmse": 1e-6}}
    arguments: dict[str, Any] = {"folder": tmp_path / "flight", "mace": SMALL, **LOOSE, **own}
    atoms = water()
    with ap.fly(atoms, **arguments) as flying:
        VelocityVerlet(atoms, 0.5 * units.fs).run(10)
        assert [check.step for check in flying.checks] == [10]
        with pytest.raises(CampaignStopped, match=r"labels\.xyz: MemoryError: the GPU is full\. Mend it"):
            VelocityVerlet(atoms, 0.5 * units.fs).run(4)
    assert CALLS == [(7, []), (8, ["before_42.model"]), (9, ["before_42.model"])]


def test_an_optimiser_is_flown(tmp_path: Path) -> None:
    atoms, settings = molecule("CH3OH"), {**LOOSE, "num_initial_steps": 4}
    atoms.rattle(0.1, seed=2)
    with ap.fly(atoms, folder=tmp_path, mace=SMALL, **settings) as flying:  # type: ignore[arg-type]
        BFGS(atoms, logfile=None).run(fmax=0.1, steps=30)
        n_reference, n_steps = flying.n_reference, flying.n_steps
    assert n_reference < n_steps
    exact = ap.label(atoms, "tblite")
    assert np.abs(exact.forces).max() < 1.5  # type: ignore[union-attr]


def test_i_pi_is_served(tmp_path: Path) -> None:
    """A driver of the i-PI protocol moves atoms, and asks for forces through a socket."""
    flown, moved, name = water(), water(), f"aims-pax-{tmp_path.name}"

    def drive() -> None:
        with SocketIOCalculator(unixsocket=name, timeout=60) as server:
            moved.calc = server
            VelocityVerlet(moved, 0.5 * units.fs).run(12)

    driver = threading.Thread(target=drive)
    driver.start()
    with ap.fly(flown, folder=tmp_path, mace=SMALL, **LOOSE) as flying:  # type: ignore[arg-type]
        SocketClient(unixsocket=name, timeout=60).run(flown, use_stress=False)
        driver.join(timeout=60)
        assert flying.n_steps >= 13
        assert len(flying.checks) >= 1
    assert not driver.is_alive()


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"tolerances": {}}, "no tolerance is set"),
        ({"tolerances": {"edif": 0.1}}, "edif"),
        ({"adaptive_method_parameters": {"n_min": 5, "n_max": 4, "factor": 2}}, "not above n_min"),
        ({"early_check": 0.1}, "a single model has no deviation"),
        ({"tolerances": {"vmax": 0.1}}, "the models learn no stress"),
        ({"num_initial_steps": 0}, "there are no models to begin with"),
        ({"models": ["nowhere.model"]}, "nowhere.model"),
        ({"models": ["a.model", "b.model"]}, "2 models are given, and ensemble_size is 1"),
        ({"reference": "tblit"}, "tblit"),
        ({"refit": {"function_name": "nowhere:train"}}, "nowhere can't be imported"),
        ({"refit": {"function_name": "shutil:copy", "epochs": 3}}, "epochs is given, and function_name trains"),
    ],
)
def test_mistakes_are_told_before_anything_is_computed(tmp_path: Path, changed: dict[str, Any], words: str) -> None:
    arguments: dict[str, Any] = {**LOOSE, "mace": SMALL, **changed}
    with pytest.raises(UserError, match=words):
        ap.fly(molecule("H2O"), folder=tmp_path / "flight", **arguments)


def test_a_stress_that_the_reference_does_not_give_is_told(tmp_path: Path) -> None:
    learns = {**SMALL, "GENERAL": {"compute_stress": True}}
    reference = {"type": "pyscf", "xc": "pbe", "basis": "sto-3g"}
    with pytest.raises(UserError, match="the reference pyscf gives no stress"):
        ap.fly(bulk("NaCl", "rocksalt", a=5.6), reference, folder=tmp_path / "flight", mace=learns, **LOOSE)  # type: ignore[arg-type]


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    ap.fly(molecule("H2O"), folder=tmp_path, mace=SMALL, **LOOSE).close()  # type: ignore[arg-type]
    with pytest.raises(UserError, match="begun with other atoms"):
        ap.fly(molecule("NH3"), folder=tmp_path, mace=SMALL, **LOOSE)  # type: ignore[arg-type]
