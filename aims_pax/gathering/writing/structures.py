"""Rows of the spool as labelled structures."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from aims_pax.frame import Frame, Label, LabelledFrame, Split
from aims_pax.gathering.methods import Methods
from aims_pax.gathering.spool import Row, Spool

STAGE = "gathered"
FREE_ATOM = "IsolatedAtom"
"""MACE's name of atoms that tell an E0."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A structure that is written.

    Parameters
    ----------
    number : int
        From 1.
    row : Row
    split : Split or None
        None where the set is not divided.
    """

    number: int
    row: Row
    split: Split | None


@dataclass(frozen=True, slots=True)
class Content:
    """All that is written.

    Parameters
    ----------
    spool : Spool
    methods : Methods
    names : sequence of str
        Of the outputs.
    formulas : sequence of str
        By kind.
    origins : mapping of int to str
        What the group of an output is called: its first output.
    kept : sequence of Kept
    """

    spool: Spool
    methods: Methods
    names: Sequence[str]
    formulas: Sequence[str]
    origins: Mapping[int, str]
    kept: Sequence[Kept]

    def only(self, split: Split | None) -> "Content":
        """The same of one set."""
        mine = [one for one in self.kept if one.split is split]
        return replace(self, kept=mine)

    def labelled(self, kept: Kept) -> LabelledFrame:
        """A structure with its label; its system is its composition, its MD step that of the output, from 1."""
        row = kept.row
        kind, numbers = self.spool.kind_of(row), self.spool.numbers_of(row)
        frame = Frame(
            system=self.formulas[row.kind],
            trajectory=row.file + 1,
            md_step=row.step,
            generation=0,
            numbers=kind.numbers,
            positions=numbers.positions,
            cell=numbers.cell,
            pbc=kind.pbc,
            charge=row.charge,
            spin=row.spin,
            config_type=FREE_ATOM if row.is_free_atom else "",
        )
        label = Label(row.energy, numbers.forces, numbers.stress, self.methods.references[row.method], wall_s=0.0)
        split = kept.split or Split.TRAINING
        return LabelledFrame(kept.number, frame, label, split, stage=STAGE, source=self._source(row))

    def _source(self, row: Row) -> str:
        return f"{self.names[row.file]}, step {row.step}"

    def all_labelled(self) -> Iterator[LabelledFrame]:
        """All of them, one at a time."""
        return map(self.labelled, self.kept)

    def facts(self, kept: Kept) -> dict[str, str]:
        """What is told of a structure besides."""
        row = kept.row
        method = self.methods.known[row.method]
        facts = {
            "source": self._source(row),
            "origin": self.origins[row.file],
            "program": f"{method.program} {method.version}".strip(),
            "method": self.methods.ids[row.method],
            "split": str(kept.split or ""),
        }
        return {name: said for name, said in facts.items() if said}
