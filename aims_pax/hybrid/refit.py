"""A model for CASTEP from all structures that it has computed by the reference; the only part that imports PyTorch."""

import shutil
import time
from collections.abc import Iterator, Sequence
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from aims_pax.dataset.durable import replacing
from aims_pax.dataset.foreign import is_free_atom, stress_of_virials
from aims_pax.errors import Problem, SettingsError, UserError
from aims_pax.frame import Frame, Label, LabelledFrame, Split
from aims_pax.hybrid import points
from aims_pax.hybrid.wishes import Refit
from aims_pax.settings.committee.mace import MaceSettings
from aims_pax.settings.committee.reading import read_mace
from aims_pax.settings.reading.arguments import mace_arguments
from aims_pax.settings.reading.document import read_document
from aims_pax.settings.stages.fly import RefitSettings
from aims_pax.stages.fly.models import FlownModels
from aims_pax.stages.fly.refitting import own_function

if TYPE_CHECKING:
    from ase import Atoms

    from aims_pax.protocols import Committee

WEIGHTS: Final = "ml-model.pt"
"""What the weights and the optimizer are called after the seed, from which the next training goes on."""


def require_ready(folder: Path, wishes: Refit) -> None:
    """Do nothing where a model can be made once there are structures: told before CASTEP computes the first.

    Raises
    ------
    UserError
        A file is missing or wrong, or free atoms are wanted that nobody has brought.
    """
    mace_settings(folder, wishes, compute_stress=False)
    _e0(wishes)
    if wishes.function:
        own_function(wishes.function)
    _, free_ev = read_points(_previous(folder, wishes))
    if wishes.has_free_atoms and not free_ev:
        found = "e0_method is isolated, and previous_data holds no free atoms."
        raise UserError(Problem("refit.e0_method", found, "", "Add their structures, or say their energies by e0."))


def refit(seed: str, folder: Path, wishes: Refit, *, step: int) -> Iterator[str]:
    """Train, and write the file that CASTEP reads; what was done, in words.

    Raises
    ------
    UserError
        There is nothing to learn from, or mace.yaml is wrong.
    """
    began = time.monotonic()
    labelled, free_ev = read_points([*_previous(folder, wishes), points.path_of(seed, folder)])
    if not labelled:
        raise UserError(Problem(str(points.path_of(seed, folder)), "There are no structures to learn from."))
    has_stress = all(one.label.stress is not None for one in labelled)
    if wishes.function:
        learned = RefitSettings(function_name=wishes.function)
    else:
        n_first, n_later = wishes.first_epochs, wishes.epochs
        learned = RefitSettings(first_epochs=n_first, epochs=n_later, from_scratch=wishes.from_scratch)
    mace = mace_settings(folder, wishes, compute_stress=has_stress)
    models = FlownModels(mace, learned, folder=folder / f"{seed}.refits")
    weights = folder / f"{seed}.{WEIGHTS}"
    if weights.is_file() and not wishes.from_scratch:
        models.resume(weights, [])
    yield f"{len(labelled)} structures are learned{', from random weights' if models.committee is None else ''}"
    known = {**(free_ev if wishes.has_free_atoms else {}), **_e0(wishes)}
    committee = models.learn(labelled, atomic_energies_ev=known)
    _keep_earlier(folder, seed, wishes.model, step=step)
    committee.save(weights)
    write_for_castep(committee, folder / wishes.model)
    yield f"{wishes.model} was written after {time.monotonic() - began:.1f} s"


def _previous(folder: Path, wishes: Refit) -> list[Path]:
    return [folder / name for name in wishes.previous_data]


def read_points(files: Sequence[Path]) -> tuple[list[LabelledFrame], dict[int, float]]:
    """Structures with what QM says of them, and energies of the free atoms among them (eV) by atomic number.

    Raises
    ------
    UserError
        A file is missing, or holds structures without labels.
    """
    from ase.io import iread

    found, free_ev = list[LabelledFrame](), dict[int, float]()
    for file in files:
        if not file.is_file():
            raise UserError(Problem(str(file), "This file of structures does not exist."))
        for index, atoms in enumerate(iread(file, ":", format="extxyz")):
            frame, label = _labelled(atoms, file, index)
            if is_free_atom(frame, atoms.info):
                free_ev[int(frame.numbers[0])] = label.energy
            else:
                found.append(LabelledFrame(len(found) + 1, frame, label, Split.TRAINING))
    return found, free_ev


def _labelled(atoms: "Atoms", file: Path, index: int) -> tuple[Frame, Label]:
    from aims_pax.atoms import frame_of

    frame = frame_of(atoms, system="md", md_step=index)
    try:
        energy, forces = float(atoms.info["QM_energy"]), np.array(atoms.arrays["QM_forces"], dtype=float)
    except KeyError as missing:
        words = f"Structure {index + 1} has no {missing.args[0]}."
        raise UserError(Problem(str(file), words, "QM_energy, QM_forces and, for cells that move, QM_virial")) from None
    stress = None
    if "QM_virial" in atoms.info and frame.pbc.all():
        virial = np.array(atoms.info["QM_virial"], dtype=float).reshape(3, 3)
        matrix = stress_of_virials(virial, frame.cell)
        stress = matrix[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]]
    return frame, Label(energy, forces, stress, "QM", 0.0)


def mace_settings(folder: Path, wishes: Refit, *, compute_stress: bool) -> MaceSettings:
    """mace.yaml of the user's, or the defaults; stress is learned where all structures tell one.

    Raises
    ------
    UserError
        The file is missing or wrong.
    """
    path = folder / wishes.mace
    if wishes.mace and not path.is_file():
        raise UserError(Problem(str(path), "refit.mace names this file, which does not exist."))
    document = read_document(path) if wishes.mace else mace_arguments(None)
    settings, reading = read_mace(document, folder)
    if settings is None or document.problems:
        raise SettingsError([*document.problems, *reading.problems])
    if not settings.architecture.is_mace:
        found = "ARCHITECTURE.model_choice names another family, and the hybrid MD of CASTEP takes MACE models."
        raise SettingsError([Problem(document.where(("ARCHITECTURE", "model_choice")), found, "mace")])
    general = settings.general.model_copy(update={"compute_stress": compute_stress})
    return settings.model_copy(update={"general": general})


def write_for_castep(committee: "Committee", target: Path) -> None:
    """The model as TorchScript with the interface that MACE gives to MD programs; the file appears whole or not."""
    from e3nn.util import jit
    from mace.calculators import LAMMPS_MACE

    from aims_pax.committee.committee import Committee as MaceCommittee

    assert isinstance(committee, MaceCommittee), "the hybrid MD of CASTEP takes MACE models"
    [model] = committee.models
    scripted = jit.compile(LAMMPS_MACE(deepcopy(model).to("cpu").double()))
    aside = target.with_suffix(".part")
    scripted.save(str(aside))
    aside.replace(target)


def _e0(wishes: Refit) -> dict[int, float]:
    from ase.data import atomic_numbers

    if unknown := [symbol for symbol in wishes.e0_ev if symbol not in atomic_numbers]:
        raise UserError(Problem("refit.e0", f"{unknown[0]} is no element."))
    return {atomic_numbers[symbol]: energy for symbol, energy in wishes.e0_ev.items()}


def _keep_earlier(folder: Path, seed: str, model: str, *, step: int) -> None:
    """The model that is replaced, with what it had learned from at least."""
    if not (folder / model).is_file():
        return
    aside = folder / f"ML-model-step{step:06d}-at-{time.strftime('%Y%m%d-%H%M%S')}"
    aside.mkdir(exist_ok=True)
    shutil.copy2(folder / model, aside / model)
    with replacing(aside / "train.xyz") as file:
        file.write(points.path_of(seed, folder).read_text(encoding="utf-8"))
