"""All structures that `augment` asks for."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from aims_pax.atoms import atoms_of
from aims_pax.errors import Problem, StructureError
from aims_pax.frame import Frame
from aims_pax.settings.augmentation.augment import AugmentSettings
from aims_pax.settings.augmentation.sources import AlloySettings
from aims_pax.structures.augmentation.drafts import Augmentation, Begins, Draft, Drawing
from aims_pax.structures.augmentation.registry import EXCHANGED, SOURCES
from aims_pax.structures.augmentation.supercells import Supercells, shortest_image
from aims_pax.structures.spacing import has_overlaps

if TYPE_CHECKING:
    from ase import Atoms

HEADER: Final = ("source", "asked", "made", "rejected", "atoms")

GIVEN: Final = "given"
"""Source of structures that nobody has made: they are labelled as they are."""

MAX_TOLD: Final = 5
"""Structures that are named one by one."""

WHOLE: Final = 0.005
"""How far fractions may be from 1 in all, as rounded ones are: 0.333, 0.333 and 0.333."""

_CENTRED: Final = {"FCC": "face-centred", "BCC": "body-centred"}
"""Lattices whose primitive vectors are not those that faces are named by, by ASE's names."""


@dataclass(frozen=True, slots=True)
class Made:
    """What one source has made.

    Parameters
    ----------
    key : str
        What `augment` calls it.
    frames : tuple of Frame
        Numbered from 1.
    n_asked : int
    n_rejected : int
        Draws in which atoms were too near to each other.
    remarks : tuple of Problem
        What is missing, and what is not as it was asked for.
    names : tuple of str
        Of the structures, where the source has such: ``strain_XX_0.0100/...``; empty where it has none.
    """

    key: str
    frames: tuple[Frame, ...]
    n_asked: int
    n_rejected: int
    remarks: tuple[Problem, ...] = ()
    names: tuple[str, ...] = ()

    @property
    def row(self) -> tuple[str, ...]:
        """Its line of the table."""
        sizes = [frame.n_atoms for frame in self.frames]
        atoms = "" if not sizes else f"{min(sizes)}" if min(sizes) == max(sizes) else f"{min(sizes)} to {max(sizes)}"
        return self.key, str(self.n_asked), str(len(self.frames)), str(self.n_rejected), atoms


@dataclass(frozen=True, slots=True)
class Collected:
    """All structures that were made. Printed it is their table, and what is to be said of them.

    Parameters
    ----------
    made : tuple of Made
        By source, in the order in which they ran.
    remarks : tuple of Problem
        What concerns no source, or one that could make nothing.
    """

    made: tuple[Made, ...]
    remarks: tuple[Problem, ...] = field(default=())

    @property
    def frames(self) -> tuple[Frame, ...]:
        """All structures, those of a source together."""
        return tuple(frame for one in self.made for frame in one.frames)

    @property
    def told(self) -> tuple[Problem, ...]:
        """All remarks."""
        return (*self.remarks, *(remark for one in self.made for remark in one.remarks))

    def sourced(self) -> Iterator[tuple[str, Frame]]:
        """Each structure behind its source."""
        for one in self.made:
            for frame in one.frames:
                yield one.key, frame

    def told_frames(self) -> Iterator[tuple[Frame, dict[str, str | int]]]:
        """Each structure with what it tells of its origin: `source`, `system`, `number`, and a `name` if it has one."""
        for one in self.made:
            for frame, name in zip(one.frames, one.names or ("",) * len(one.frames), strict=True):
                facts: dict[str, str | int] = {"source": one.key, "system": frame.system, "number": frame.md_step}
                yield frame, facts | ({"name": name} if name else {})

    def atoms(self) -> "list[Atoms]":
        """The structures as ASE's; `info` tells `source`, `system`, `number` and `config_type` as a file does."""
        found = []
        for frame, facts in self.told_frames():
            atoms = atoms_of(frame)
            optional = {"charge": frame.charge, "multiplicity": frame.spin, "config_type": frame.config_type}
            atoms.info |= facts | {name: value for name, value in optional.items() if value not in (None, "")}
            found.append(atoms)
        return found

    def text(self) -> str:
        """The table of sources, and all remarks."""
        rows = [HEADER, *(one.row for one in self.made)]
        n_asked, n_rejected = sum(one.n_asked for one in self.made), sum(one.n_rejected for one in self.made)
        n_atoms = sum(frame.n_atoms for frame in self.frames)
        rows.append(("all", str(n_asked), str(len(self.frames)), str(n_rejected), f"{n_atoms} in all"))
        widths = [max(len(row[column]) for row in rows) for column in range(len(HEADER))]
        lines = [
            "  ".join([row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True))])
            for row in rows
        ]
        return "\n".join([*lines, *(f"\n{remark}" for remark in self.told)])

    def __str__(self) -> str:
        return self.text()


def collect(starts: Sequence[Frame], settings: AugmentSettings) -> Collected:
    """Make all structures that are asked for.

    Parameters
    ----------
    starts : sequence of Frame
        Each with a name of its own.
    settings : AugmentSettings

    Raises
    ------
    StructureError
        No source can make anything of these, with the reasons of all.
    """
    drawing = Drawing.by(settings)
    given = [replace(start, config_type="") for start in starts]
    prepared = given
    if settings.supercell is not None:
        prepared = list(Supercells(given, settings.supercell, drawing).frames())
    made: dict[str, Made] = {}
    without: list[Problem] = []
    for source in (one for one in SOURCES if one.key in settings.named):
        before = [frame for key in EXCHANGED if key in made for frame in made[key].frames]
        begins = {Begins.GIVEN: given, Begins.PREPARED: prepared, Begins.MADE: before}[source.begins]
        running = source(begins, getattr(settings, source.key), drawing)
        problems = running.problems()
        without += problems
        made[source.key] = Made(source.key, (), 0, 0) if problems else _run(running)
    if len(without) == len(made) and not any(one.frames for one in made.values()):
        raise StructureError(without)
    return Collected(tuple(made.values()), (*_doubts(given, settings), *_near_images(prepared, settings), *without))


def _run(source: Augmentation[Any]) -> Made:
    drafts = list(source.drafts())
    frames = (draft.frame for draft in drafts if draft.frame is not None)
    numbered = tuple(replace(frame, md_step=number) for number, frame in enumerate(frames, start=1))
    names = tuple(draft.name for draft in drafts if draft.frame is not None)
    return Made(
        source.key,
        numbered,
        len(drafts),
        sum(draft.n_rejected for draft in drafts),
        tuple(_shortfalls(source, drafts)),
        names if any(names) else (),
    )


def _shortfalls(source: Augmentation[Any], drafts: Sequence[Draft]) -> Iterator[Problem]:
    """What is missing or not as it was asked for, each reason once."""
    where, n_missing = f"augment.{source.key}", sum(draft.frame is None for draft in drafts)
    reasons = Counter(draft.why for draft in drafts if draft.frame is None)
    if n_missing:
        why = "; ".join(f"{reason} ({n})" if len(reasons) > 1 else reason for reason, n in reasons.most_common())
        found = f"{n_missing} of {len(drafts)} structures are missing: {why}."
        advice = dict.fromkeys(draft.advice for draft in drafts if draft.frame is None)
        yield Problem(where, found, "", " ".join(advice))
    for draft in drafts:
        if draft.frame is not None and draft.why:
            yield Problem(where, f"{draft.frame.system}: {draft.why}.", "", draft.advice)


def _doubts(given: Sequence[Frame], settings: AugmentSettings) -> Iterator[Problem]:
    """What of the structures themselves may not be meant."""
    for start in given:
        if has_overlaps(start, settings.overlap):
            found = f"Two of its atoms are nearer than {settings.overlap:g} sums of their covalent radii."
            advice = "What is made of it may be missing. Correct it, or lower augment.overlap."
            yield Problem(start.system, found, "", advice)
        if settings.slabs is not None and start.pbc.all() and (lattice := _centred(start)):
            found = f"Its cell is the primitive one of a {lattice} lattice, and Miller indices count along its vectors."
            yield Problem(start.system, found, "", "Give the conventional cell for faces as they are usually named.")
    if settings.alloys is not None:
        yield from _doubts_of_alloys(given, settings.alloys)


def _doubts_of_alloys(given: Sequence[Frame], settings: AlloySettings) -> Iterator[Problem]:
    """Sites that were to stay and are not there, and fractions that were hardly meant as they are."""
    here = {symbol for start in given for symbol in atoms_of(start).symbols}
    if absent := [one for one in settings.fixed if one not in here]:
        found = f"fixed names {', '.join(absent)}, which no structure holds."
        yield Problem("augment.alloys", found, "", "Sites of all other elements get species. Correct it.")
    shares = settings.fractions or {}
    total = sum(shares.values())
    if any(not float(one).is_integer() for one in shares.values()) and abs(total - 1) > WHOLE:
        each = ", ".join(f"{100 * share / total:.3g} % {name}" for name, share in shares.items())
        found = f"fractions add up to {total:.4g}, and are divided by that: {each}."
        yield Problem("augment.alloys", found, "", "Let them add up to 1, or give whole numbers: {Si: 3, Ge: 1}.")


def _near_images(prepared: Sequence[Frame], settings: AugmentSettings) -> Iterator[Problem]:
    """Supercells in which atoms are nearer to their images than was asked for."""
    if settings.supercell is None:
        return
    wanted, images = settings.supercell.shortest_image, {}
    for frame in prepared:
        if (image := shortest_image(frame.cell, frame.pbc)) < wanted - 1e-6:
            alone = (
                f", whose own cell has {frame.n_atoms} atoms" if frame.n_atoms > settings.supercell.max_atoms else ""
            )
            images[frame.system] = f"{image:.1f} Å in {frame.system}{alone}"
    if images:
        more = f" and {len(images) - MAX_TOLD} more" if len(images) > MAX_TOLD else ""
        found = f"Atoms are nearer to their images than {wanted:g} Å: {', '.join([*images.values()][:MAX_TOLD])}{more}."
        yield Problem("augment.supercell", found, "", "Raise its max_atoms, or lower its shortest_image.")


def _centred(start: Frame) -> str:
    """What the lattice of a primitive cell is called whose faces are named by a larger one; empty for all others."""
    try:
        return _CENTRED.get(atoms_of(start).cell.get_bravais_lattice(eps=1e-3).name, "")
    except RuntimeError:  # ASE knows no lattice that this could be
        return ""
