"""The model that a run hands over, and the committee that it is the best member of."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aims_pax.dataset.durable import replacing, replacing_bytes
from aims_pax.dataset.records import ModelRow
from aims_pax.dataset.store import RunStore
from aims_pax.protocols import Committee

COMMITTEE_FOLDER: Final = "committee"
README: Final = "README.txt"


@dataclass(frozen=True, slots=True)
class Product:
    """One model with one name, and all members beside it.

    Parameters
    ----------
    model : Path
        ``{name_exp}.model``: the best member.
    member : str
        Which one that is: ``{name_exp}_{seed}``.
    committee : tuple of Path
        The files of all members, in their order.
    """

    model: Path
    member: str
    committee: tuple[Path, ...]


def write_committee(committee: Committee, folder: Path, name: str, *, trained_to_the_end: Sequence[int]) -> list[Path]:
    """Write the files of all members into ``committee/``, and a note there if not all of them are worth using.

    Parameters
    ----------
    folder : Path
        The results; made when missing.
    name : str
        GENERAL.name_exp.
    trained_to_the_end : sequence of int
        The members that took part in the final convergence; none where there was no such.
    """
    members = folder / COMMITTEE_FOLDER
    members.mkdir(parents=True, exist_ok=True)
    paths = committee.export(members, name)
    ended = [committee.names[member] for member in trained_to_the_end]
    (members / README).unlink(missing_ok=True)
    if 0 < len(ended) < committee.n_members:
        with replacing(members / README) as file:
            file.write(_note(ended, name))
    return paths


def write_product(paths: Sequence[Path], folder: Path, name: str, *, best: int) -> Product:
    """Write ``{name}.model``, a copy of the best member's file."""
    model = folder / f"{name}.model"
    with replacing_bytes(model) as file:
        file.write(paths[best].read_bytes())
    return Product(model, paths[best].stem, tuple(paths))


def note_models(store: RunStore, committee: Committee, paths: Sequence[Path]) -> None:
    """Note the files of all members in the store of their run, unless that is only looked at."""
    if not store.is_readonly:
        digests = [hashlib.sha256(path.read_bytes()).hexdigest() for path in paths]
        store.add_models(
            ModelRow(path.name, digest, member, committee.generation)
            for member, (path, digest) in enumerate(zip(paths, digests, strict=True))
        )


def best_of(force_maes: Sequence[float | None], candidates: Sequence[int]) -> int:
    """The candidate of the lowest force MAE; the first one where nothing was measured."""
    return min(candidates, key=lambda member: float("inf") if (mae := force_maes[member]) is None else mae)


def _note(ended: Sequence[str], name: str) -> str:
    return (
        f"Only {', '.join(ended)} was trained to the end (ACTIVE_LEARNING.converge_best: true); it is ../{name}.model\n"
        "under another name.\n"
        "The others are as active learning left them: worse, by a factor of two or more. Their disagreement is no\n"
        f"estimate of the error of {name}.model. With converge_best: false all members are trained to the end.\n"
    )
