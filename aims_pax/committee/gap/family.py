"""What builds, loads and reads GAPs where a campaign has them for models."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from aims_pax.committee.device import AS_IT_IS, Handling, Where
from aims_pax.committee.gap.checkpoint import GapDesign
from aims_pax.committee.gap.committee import GapCommittee
from aims_pax.committee.gap.installation import require_quippy
from aims_pax.committee.gap.potential import GapPotential
from aims_pax.committee.gap.predictor import load_gaps
from aims_pax.committee.hosted.predictor import Hosted
from aims_pax.frame import LabelledFrame
from aims_pax.settings.committee.mace import MaceSettings


class GapFamily:
    """Committees of GAPs: GENERAL, ARCHITECTURE.gap_input and gap_left_out of mace.yaml say what they are.

    They are on the CPU whatever device is asked for, and there is one way to run them.
    """

    def build(
        self,
        settings: MaceSettings,
        labelled: Sequence[LabelledFrame],
        *,
        seeds: Sequence[int],
        atomic_energies_ev: Mapping[int, float] | None = None,
        device: Where = "cpu",
        handling: Handling = AS_IT_IS,
    ) -> GapCommittee:
        """Members that nothing was fitted to, with a first set of points."""
        require_quippy()
        known = dict(atomic_energies_ev or {})
        numbers = {*known, *(int(z) for point in labelled for z in point.frame.numbers)}
        design = _design(settings, seeds, numbers=tuple(sorted(numbers)))
        return GapCommittee.build(design, labelled, atomic_energies_ev=known)

    def load(self, path: Path, *, device: Where = "cpu", handling: Handling = AS_IT_IS) -> GapCommittee:
        """The committee that was saved, without its points. ModelError when it can't be read."""
        require_quippy()
        return GapCommittee.load(path)

    def from_models(
        self,
        settings: MaceSettings,
        paths: Sequence[Path],
        *,
        seeds: Sequence[int],
        device: Where = "cpu",
        handling: Handling = AS_IT_IS,
    ) -> GapCommittee:
        """Members that predict as fitted ones do until they have points of their own; without any."""
        require_quippy()
        return GapCommittee.from_models(_design(settings, seeds, numbers=()), paths)

    def load_models(self, paths: Sequence[Path], *, device: Where, dtype: str | None = None) -> Hosted[GapPotential]:
        """Models for prediction. ModelError when one can't be read."""
        return load_gaps(paths)


def _design(settings: MaceSettings, seeds: Sequence[int], *, numbers: tuple[int, ...]) -> GapDesign:
    general, architecture = settings.general, settings.architecture
    assert architecture.gap_input is not None, "settings of GAP have options"
    return GapDesign(
        general.name_exp,
        tuple(seeds),
        architecture.gap_input,
        numbers,
        general.compute_stress,
        architecture.gap_left_out,
    )
