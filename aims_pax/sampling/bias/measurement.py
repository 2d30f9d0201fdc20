"""Many collective variables of many structures, measured at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from aims_pax.batch import AtomBatch
from aims_pax.frame import FloatArray, Frame
from aims_pax.protocols import Variable
from aims_pax.sampling.bias.images import nearest_shifts
from aims_pax.sampling.bias.variables import FROM_ORIGIN, Formula


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """The values of M variables where structures stand.

    Parameters
    ----------
    measurement : Measurement
    values : (M,)
    by_kind : list of (K,)
        The same kind by kind, as functions of `vectors`.
    vectors : list of (V, 3), Å
    """

    measurement: "Measurement"
    values: Tensor
    by_kind: list[Tensor]
    vectors: list[Tensor]

    def pulls(self, slopes: Tensor) -> Tensor:
        """Derivatives by vectors (V, 3), eV/Å, of a potential that has these by the values (M,)."""
        of = self.measurement
        kinds = torch.split(slopes[of.order], [len(values) for values in self.by_kind])
        return torch.cat(torch.autograd.grad(self.by_kind, self.vectors, list(kinds)))

    def forces(self, pulls: Tensor, batch: AtomBatch) -> Tensor:
        """Those on atoms (N, 3), eV/Å."""
        of = self.measurement
        forces = torch.cat((torch.zeros_like(batch.positions), batch.positions.new_zeros(1, 3)))
        return forces.index_add(0, of.senders, pulls).index_add(0, of.receivers, -pulls)[:-1]

    def virials(self, pulls: Tensor, batch: AtomBatch) -> Tensor:
        """Derivatives of the potential by a strain of each structure, (B, 3, 3), eV."""
        of, inner = self.measurement, self.measurement.between
        vectors = torch.cat(self.vectors).detach()[inner]
        each = pulls[inner].unsqueeze(2) * vectors.unsqueeze(1)
        virials = torch.zeros_like(batch.cells).index_add(0, of.structure[inner], each)
        return (virials + virials.transpose(1, 2)) / 2


@dataclass(frozen=True, slots=True, eq=False)
class Measurement:
    """M variables of B structures with N atoms, by V vectors between atoms.

    Parameters
    ----------
    formulas : tuple of (formula, number of its vectors)
        One for each kind of variable.
    order : (M,) int64
        Where among all variables those are that come kind by kind.
    senders, receivers : (V,) int64
        Indices into N of the ends of each vector; N for the origin.
    structure : (V,) int64
    between : (W,) int64
        The vectors between two atoms.
    wrapped : (P,) int64
        Those of them for which there are periodic images.
    """

    formulas: tuple[tuple[Formula, int], ...]
    order: Tensor
    senders: Tensor
    receivers: Tensor
    structure: Tensor
    between: Tensor
    wrapped: Tensor

    @classmethod
    def of(cls, each: Sequence[tuple[int, Variable]], *, n_atoms: Sequence[int], pbc: Tensor) -> Self:
        """That of some variables, each of one structure (index into B).

        Parameters
        ----------
        n_atoms : sequence of B int
        pbc : (B, 3) bool
        """
        device, first, total = pbc.device, [0], 0
        for n in n_atoms:
            total += n
            first.append(total)
        # What one structure has comes in the same order whoever else is there: sums are made in it.
        order = sorted(range(len(each)), key=lambda index: type(each[index][1]).__name__)
        kinds = dict[type[Variable], list[Variable]]()
        vectors = []
        for index in order:
            structure, variable = each[index]
            kinds.setdefault(type(variable), []).append(variable)
            vectors += [
                (total if i == FROM_ORIGIN else first[structure] + i, first[structure] + j, structure)
                for i, j in variable.pairs
            ]
        formulas = tuple(
            (kind.together(variables, device), sum(len(one.pairs) for one in variables))
            for kind, variables in kinds.items()
        )
        senders, receivers, owners = torch.tensor(vectors, dtype=torch.int64, device=device).reshape(-1, 3).unbind(1)
        between = senders != total
        return cls(
            formulas=formulas,
            order=torch.tensor(order, dtype=torch.int64, device=device),
            senders=senders,
            receivers=receivers,
            structure=owners,
            between=between.nonzero().squeeze(1),
            wrapped=(between & pbc.any(dim=1)[owners]).nonzero().squeeze(1),
        )

    def read(self, batch: AtomBatch) -> Reading:
        """What the variables are in structures as they stand."""
        places = torch.cat((batch.positions, batch.positions.new_zeros(1, 3)))
        vectors = places[self.receivers] - places[self.senders]
        if len(self.wrapped):
            at = self.wrapped
            shifts = nearest_shifts(vectors[at], batch.cells, batch.pbc, self.structure[at])
            vectors = vectors.index_add(0, at, shifts)
        with torch.enable_grad():
            leaves = [part.detach().requires_grad_() for part in torch.split(vectors, [n for _, n in self.formulas])]
            by_kind = [formula(leaf) for (formula, _), leaf in zip(self.formulas, leaves, strict=True)]
        found = torch.cat(by_kind).detach()
        values = torch.empty_like(found).index_copy(0, self.order, found)
        return Reading(self, values, by_kind, leaves)


def values_in(frame: Frame, variables: Sequence[Variable]) -> FloatArray:
    """What variables (M of them) are in a structure, (M,), in Å and radians."""
    batch = AtomBatch.from_frames([frame], None)
    measurement = Measurement.of([(0, one) for one in variables], n_atoms=[frame.n_atoms], pbc=batch.pbc)
    values: FloatArray = measurement.read(batch).values.numpy()
    return values
