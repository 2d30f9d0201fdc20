"""A model of DeePMD-kit: a checkpoint that training goes on from, or a frozen one, the file of a model."""

import hashlib
import io
import json
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from ase.data import atomic_numbers

from aims_pax.committee.deepmd.installation import Environment, described, environment_of, shift
from aims_pax.committee.hosted.predictor import HostedModel
from aims_pax.errors import ModelError, Problem

TOLD: Final = "extra/aims_pax.json"
"""Where a frozen model of this program says what it is, within its archive."""


@dataclass(frozen=True, slots=True)
class Weights:
    """One model without the energies of its atoms, which are added elsewhere.

    Parameters
    ----------
    content : bytes
        Of a file of DeePMD-kit: a checkpoint (.pt) or a frozen model (.pth).
    cutoff_ang : float
        Pairs up to this distance matter, Å.
    n_steps : int
        Steps that its optimizer has made; 0 for a frozen model, which has none.
    key : str
        A short text that equal models share, and no others.
    """

    content: bytes = field(repr=False, compare=False)
    cutoff_ang: float
    n_steps: int = 0
    key: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", hashlib.sha256(self.content).hexdigest())

    @property
    def is_frozen(self) -> bool:
        """Whether it is a frozen model."""
        with zipfile.ZipFile(io.BytesIO(self.content)) as archive:
            return any("/code/" in name for name in archive.namelist())


@dataclass(frozen=True, slots=True)
class FrozenModel:
    """What a file of a model holds.

    Parameters
    ----------
    weights : Weights
    type_map : tuple of str
        Elements by type.
    place : str
        Environment that it is evaluated in.
    atomic_energies_ev : mapping of int to float, or None
        Of free atoms, which are part of the model's energies; None where the file does not tell.
    """

    weights: Weights
    type_map: tuple[str, ...]
    place: str
    atomic_energies_ev: Mapping[int, float] | None = None

    @property
    def numbers(self) -> tuple[int, ...]:
        """Atomic numbers of the elements, ascending."""
        return tuple(sorted(atomic_numbers[symbol] for symbol in self.type_map))

    def without_atoms(self, environment: Environment) -> HostedModel[Weights]:
        """The same as energies of free atoms and a rest; where the file does not tell them, all is rest.

        Raises
        ------
        ModelError
            It can't be read in this environment.
        """
        if self.atomic_energies_ev is None:
            return HostedModel(dict.fromkeys(self.numbers, 0.0), self.weights)
        by_type = [-self.atomic_energies_ev[atomic_numbers[symbol]] for symbol in self.type_map]
        with tempfile.TemporaryDirectory(prefix="aims-pax-deepmd-") as folder:
            path = Path(folder) / "model.pth"
            path.write_bytes(self.weights.content)
            shift(environment, path, by_type)
            return HostedModel(self.atomic_energies_ev, replace(self.weights, content=path.read_bytes()))


def told(content: bytes, facts: Mapping[str, Any]) -> bytes:
    """A frozen model that says these things of itself, which DeePMD-kit and LAMMPS do not look at."""
    archive = io.BytesIO(content)
    with zipfile.ZipFile(archive, "a", compression=zipfile.ZIP_STORED) as file:
        root = file.namelist()[0].split("/")[0]
        # The time stands still, so that equal models are equal files.
        file.writestr(zipfile.ZipInfo(f"{root}/{TOLD}"), json.dumps(facts))
    return archive.getvalue()


def read_models(paths: Sequence[Path], *, place: str = "", on_cpu: bool = False) -> list[FrozenModel]:
    """The models in some files.

    Parameters
    ----------
    paths : sequence of Path
    place : str
        Environment of DeePMD-kit; where a model of this program was written, if empty.
    on_cpu : bool
        Whether the CPU is to be used where there is a GPU.

    Raises
    ------
    ModelError
        There are none, or one is missing or no model, or there is no environment to read it in.
    """
    if not paths:
        raise ModelError(Problem(where="models", found="no model file is given", allowed="one file or more"))
    return [_read(Path(path), place=place, on_cpu=on_cpu) for path in paths]


def holds_deepmd(path: Path) -> bool:
    """Whether a file is a frozen model of DeePMD-kit: TorchScript with code of it."""
    try:
        with zipfile.ZipFile(path) as archive:
            return any("/code/__torch__/deepmd/" in name for name in archive.namelist())
    except (OSError, zipfile.BadZipFile):
        return False


def _read(path: Path, *, place: str, on_cpu: bool) -> FrozenModel:
    if not path.is_file():
        raise ModelError(Problem(where=str(path), found="is not a file"))
    if not holds_deepmd(path):
        allowed = "frozen models of DeePMD-kit for PyTorch (dp --pt freeze)"
        raise ModelError(Problem(str(path), "can't be read as a model of DeePMD-kit", allowed))
    content = path.read_bytes()
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        own = [name for name in archive.namelist() if name.endswith(TOLD)]
        facts = json.loads(archive.read(own[0])) if own else {}
    environment = environment_of(place or str(facts.get("environment", "")), on_cpu=on_cpu)
    if not facts:
        type_map, cutoff_ang = described(environment, path)
        return FrozenModel(Weights(content, cutoff_ang), type_map, environment.place)
    energies = {int(z): float(energy) for z, energy in facts["atomic_energies_ev"].items()}
    weights = Weights(content, float(facts["cutoff_ang"]))
    return FrozenModel(weights, tuple(facts["type_map"]), environment.place, energies)
