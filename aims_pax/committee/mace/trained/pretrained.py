"""Trained models that a committee goes on from: whether it can, and their constants."""

import contextlib
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import torch

from aims_pax.committee.footprint import made_up_input
from aims_pax.committee.mace.backend import MaceModel, o3
from aims_pax.committee.mace.build import build_model, set_atomic_energies
from aims_pax.committee.mace.elements import Elements
from aims_pax.committee.mace.embedding import SPECS
from aims_pax.committee.mace.model import atomic_energies, frame_of, given_energies, has_interaction_energy, run_model
from aims_pax.committee.mace.modelfile import read_model
from aims_pax.committee.mace.trained.network import statistics_of
from aims_pax.errors import ModelError, Problem
from aims_pax.settings.committee.mace import ArchitectureSettings

_SAME: Final = 1e-4
"""How far a model and its copy may be apart, of the largest value and in eV: a file of single precision holds rounded
constants. Another network differs by more than a tenth."""

_SAME_E0_EV: Final = 0.01
"""Two energies of a free atom that are nearer are one, written with fewer digits."""

_REFUSED: Final = (RuntimeError, KeyError, TypeError, ValueError, IndexError)
"""What a network of another kind trips over."""


def read_committee(paths: Sequence[Path], architecture: ArchitectureSettings) -> list[MaceModel]:
    """Trained models as such that were built here, which know the same elements.

    Raises
    ------
    ModelError
        With all problems of all files.
    """
    models: list[MaceModel] = []
    problems: list[Problem] = []
    for path in paths:
        try:
            models.append(read_pretrained(path, architecture))
        except ModelError as error:
            problems += error.problems
    for path, model in zip(paths, models, strict=False):
        known, first = frame_of(model).elements, frame_of(models[0]).elements
        if not problems and known != first:
            found = f"knows the elements {known.symbols()}, and {paths[0].name} knows {first.symbols()}."
            problems.append(Problem(str(path), found, "", "Give models of one committee."))
    if problems:
        raise ModelError(problems)
    return models


def read_pretrained(path: Path, architecture: ArchitectureSettings) -> MaceModel:
    """A trained model as one that was built here, in double precision: its constants and its weights.

    Raises
    ------
    ModelError
        The file can't be read, or holds another network than the settings describe; with all differences.
    """
    model = read_model(path, torch.device("cpu")).double().eval()
    if hasattr(model, "embedding_readout"):
        found = "has an energy of charge and spin themselves (use_embedding_readout), which can't be trained here."
        raise ModelError(Problem(str(path), found, "models without it", "It can label: REFERENCE.type teacher."))
    if not has_interaction_energy(model):
        found = f"holds a {type(model).__name__}, which can't be trained in this version."
        raise ModelError(Problem(str(path), found, "ScaleShiftMACE", "Give models of MACE."))
    if len(getattr(model, "heads", None) or [""]) > 1:
        found = f"has the heads {', '.join(model.heads)}; such models can't be trained in this version."
        raise ModelError(Problem(str(path), found, "models with one head", "Extract one with mace_select_head."))
    if problems := list(_differences(model, architecture, str(path))):
        raise ModelError(problems)
    return _copied(model, architecture, str(path))


def pretrained_elements(paths: Sequence[Path], architecture: ArchitectureSettings) -> tuple[int, ...]:
    """Atomic numbers that trained models know.

    Raises
    ------
    ModelError
        A committee can't go on from them; with all problems of all files.
    """
    return frame_of(read_committee(paths, architecture)[0]).elements.numbers


def _copied(model: MaceModel, architecture: ArchitectureSettings, source: str) -> MaceModel:
    """The same model, of which nothing is left that the settings do not describe."""
    elements = Elements(tuple(int(number) for number in model.atomic_numbers))
    copy = build_model(architecture, elements, statistics_of(model), dtype=torch.float64, seed=0)
    try:
        learnt = {name: value for name, value in model.state_dict().items() if name in dict(copy.named_parameters())}
        missing, _ = copy.load_state_dict(learnt, strict=False)
        is_complete = not set(missing) & set(dict(copy.named_parameters()))
        is_same = is_complete and _predict_alike(model, copy)
    except _REFUSED:
        is_same = False
    if not is_same:
        found = "holds a network that MACE would not build from ARCHITECTURE."
        advice = "Give models that were trained with these settings, and with no other options of MACE."
        raise ModelError(Problem(source, found, "models of this ARCHITECTURE", advice))
    set_atomic_energies(copy, atomic_energies(model), given_ev=given_energies(model))
    return copy


def _predict_alike(model: MaceModel, copy: MaceModel) -> bool:
    data = made_up_input(frame_of(copy), n_structures=2, n_atoms=16, n_edges=96)
    said, again = (run_model(one, data, training=False, want_virials=False) for one in (model, copy))
    return said.is_like(again, _SAME)


def _differences(model: MaceModel, architecture: ArchitectureSettings, source: str) -> Iterator[Problem]:
    """Settings that say something else than the model is."""
    for key, value in architecture_of(model).items():
        wanted = getattr(architecture, key)
        if isinstance(wanted, tuple):
            wanted = [one for one in SPECS if one in wanted] if key == "embed" else list(wanted)
        if value != wanted:
            found = f"ARCHITECTURE.{key} is {wanted}, and the model has {value}."
            yield Problem(source, found, "", f"Write {key}: {value}, or give other models.")
    for number, energy in zip(frame_of(model).elements.numbers, given_energies(model), strict=True):
        given = (architecture.atomic_energies or {}).get(number, energy)
        if abs(given - energy) > _SAME_E0_EV:
            found = (
                f"ARCHITECTURE.atomic_energies has {given:.3f} eV for Z = {number}, and the model has {energy:.3f} eV."
            )
            yield Problem(source, found, "", "Remove atomic_energies: those of the models are used.")


def architecture_of(model: MaceModel) -> dict[str, Any]:
    """The settings that a model shows in itself; what they leave open shows in what it predicts."""
    with contextlib.redirect_stdout(io.StringIO()):
        from mace.tools.scripts_utils import extract_config_mace_model

        found = extract_config_mace_model(model)
    hidden = o3.Irreps(found["hidden_irreps"])
    return {
        "r_max": round(float(found["r_max"]), 6),
        "num_channels": hidden.count("0e"),
        "max_L": hidden.lmax,
        "max_ell": int(found["max_ell"]),
        "correlation": int(found["correlation"]),
        "num_interactions": int(found["num_interactions"]),
        "num_radial_basis": int(found["num_bessel"]),
        "num_cutoff_basis": int(found["num_polynomial_cutoff"]),
        "radial_MLP": [int(width) for width in found["radial_MLP"]],
        "radial_type": found["radial_type"],
        "interaction": found["interaction_cls"].__name__,
        "interaction_first": found["interaction_cls_first"].__name__,
        "embed": list(frame_of(model).embeds),
    }
