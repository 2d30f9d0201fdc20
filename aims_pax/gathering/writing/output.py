"""Everything that a set leaves: the set, what was left out of it, how it was made, a figure."""

import csv
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import aims_pax
from aims_pax.dataset.durable import replacing
from aims_pax.frame import Split
from aims_pax.gathering.gathered import Gathered, Picture
from aims_pax.gathering.writing.formats import Format, name_of_set
from aims_pax.gathering.writing.staging import staged
from aims_pax.gathering.writing.structures import Content
from aims_pax.gathering.writing.writing import write_set

COLUMNS: Final = ("file", "step", "what", "reason", "detail")


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be written.

    Parameters
    ----------
    out : Path
    form : Format
    asked : mapping
        What is told of how the set was asked for.
    draw : callable or None
        Draws the figure; None: there is none.
    """

    out: Path
    form: Format
    asked: Mapping[str, Any]
    draw: Callable[[Path, Picture], None] | None


def write_all(order: Order, content: Content, gathered: Gathered, *, show: Callable[[str], None]) -> tuple[Path, ...]:
    """Write the set, or its parts, and beside it what is to be known of it: all of them, or nothing.

    Raises
    ------
    OSError
        The folder is missing, can't be written to, or is full.
    """
    out, form = order.out, order.form
    home = out.absolute().parent
    splits = list(_splits(content))
    with staged(home) as stage:
        if form.is_folder:
            (stage / out.name).mkdir()
        for split in splits:
            name = name_of_set(out, split, form)
            path = stage / out.name / name if form.is_folder and split is not None else stage / name
            write_set(path, content.only(split), form, show=show)
        with replacing(stage / f"{out.stem}.csv") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(COLUMNS)
            writer.writerows(gathered.rows())
        with replacing(stage / f"{out.stem}.json") as file:
            json.dump(_facts(content, gathered, order.asked), file, indent=1, ensure_ascii=False)
        if order.draw is not None:
            show("drawing")
            order.draw(stage / f"{out.stem}.png", gathered.picture)
        names = [path.name for path in sorted(stage.iterdir())]
    return tuple(out.parent / name for name in names)


def _splits(content: Content) -> Iterator[Split | None]:
    """The sets that have structures; None alone where the set is not divided."""
    present = {kept.split for kept in content.kept}
    yield from (split for split in (None, *Split) if split in present)


def names_of(out: Path, form: Format, *, is_divided: bool) -> list[str]:
    """Everything that may be written for one set."""
    sets = [name_of_set(out, split, form) for split in Split] if is_divided and not form.is_folder else [out.name]
    return [*sets, *(f"{out.stem}.{ending}" for ending in ("csv", "json", "png"))]


def _facts(content: Content, gathered: Gathered, asked: Mapping[str, Any]) -> dict[str, Any]:
    """What is written beside a set, for whoever asks later how it was made."""
    division = gathered.division
    reasons = Counter(str(one.reason) for one in gathered.left_out)
    told = Counter(note.said for note in gathered.notes)
    return {
        "program": f"aims_pax {aims_pax.__version__}",
        "root": str(gathered.root),
        "asked": dict(asked),
        "structures": len(content.kept),
        "units": "energies in eV, forces in eV/Å, stress in eV/Å³ and ASE's sign; energies are absolute",
        "methods": {
            name: dict(facts)
            for name, facts in content.methods.facts(Counter(kept.row.method for kept in content.kept))
        },
        "differences": [str(one) for one in gathered.agreement.differences],
        "remarks": [str(one) for one in gathered.agreement.remarks],
        "compositions": {one.formula: one.n_structures for one in gathered.compositions},
        "free_atoms_ev": dict(gathered.free_atoms_ev),
        "left_out": dict(reasons.most_common()),
        "told": dict(told.most_common()),
        "split": None
        if division is None
        else {
            str(split): {
                "asked_for": division.wanted[split],
                "structures": division.counts[split],
                "groups": division.n_groups[split],
            }
            for split in Split
        },
        "files": {
            account.name: {"steps": account.n_steps, "asked_for": account.n_wanted, "passed": account.n_kept}
            for account in gathered.accounts
        },
    }
