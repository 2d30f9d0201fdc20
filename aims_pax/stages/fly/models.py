"""The models of a flight: made from the first labels, and trained on all of them where that is due."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from aims_pax.frame import Frame, LabelledFrame
from aims_pax.settings.committee.mace import MaceSettings
from aims_pax.settings.stages.fly import RefitSettings
from aims_pax.stages.fly.refitting import Refitting

if TYPE_CHECKING:
    from aims_pax.protocols import Committee, FramePrediction


class FlownModels:
    """A committee, or none yet, and how it is trained.

    Parameters
    ----------
    mace : MaceSettings
    refit : RefitSettings
    folder : Path
        Where a training function of the user's own finds labels and models, and may write.
    n_members : int
    given : sequence of Path
        Trained models to go on from; none: the first are of random weights.

    Raises
    ------
    ReferenceUnavailable
        The user's own function can't be imported.
    """

    def __init__(
        self,
        mace: MaceSettings,
        refit: RefitSettings,
        *,
        folder: Path,
        n_members: int = 1,
        given: Sequence[Path] = (),
    ) -> None:
        self._mace, self._given, self._refitting = mace, tuple(given), Refitting(refit, folder)
        first = mace.general.seed
        self._seeds = tuple(range(first, first + n_members))
        self.committee: Committee | None = None

    @property
    def are_given(self) -> bool:
        """Whether there were models before the first step."""
        return bool(self._given)

    def begin(self) -> None:
        """Take the models that were given, where there are such."""
        from aims_pax.committee import devices_of, family_of

        if self._given:
            self.committee = family_of(self._mace).from_models(
                self._mace, self._given, seeds=self._seeds, device=devices_of(self._mace.misc.device)
            )

    def resume(self, checkpoint: Path, labelled: Sequence[LabelledFrame]) -> None:
        """Go on from a checkpoint, with all labels that there are."""
        from aims_pax.committee import devices_of, load_committee

        self.committee = load_committee(checkpoint, device=devices_of(self._mace.misc.device))
        self.committee.add(labelled)

    def learn(self, labelled: Sequence[LabelledFrame], *, atomic_energies_ev: Mapping[int, float]) -> "Committee":
        """Train on all labels, see :meth:`Refitting.learn`."""
        self.committee, _ = self._refitting.learn(
            self.committee, labelled, lambda: self._new(labelled, atomic_energies_ev)
        )
        return self.committee

    def predict(self, frame: Frame) -> "FramePrediction":
        """What all models say of a structure; of a crystal with its stress, where they learn such."""
        assert self.committee is not None, "nothing was learned yet"
        want_stress = self._mace.general.compute_stress and bool(frame.pbc.all())
        [said] = self.committee.predict([frame], want_stress=want_stress)
        return said

    def _new(self, labelled: Sequence[LabelledFrame], atomic_energies_ev: Mapping[int, float]) -> "Committee":
        from aims_pax.committee import devices_of, family_of

        return family_of(self._mace).build(
            self._mace,
            labelled,
            seeds=self._seeds,
            atomic_energies_ev=atomic_energies_ev,
            device=devices_of(self._mace.misc.device),
        )
