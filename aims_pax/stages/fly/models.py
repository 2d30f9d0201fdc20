"""The models of a flight: made from the first labels, and trained on all of them where that is due."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from aims_pax.frame import Frame, LabelledFrame
from aims_pax.learner.training.annealing import Annealing, AnnealingRules
from aims_pax.settings.committee.mace import MaceSettings
from aims_pax.settings.stages.fly import RefitSettings

if TYPE_CHECKING:
    from aims_pax.committee import Committee
    from aims_pax.protocols import FramePrediction


class FlownModels:
    """A committee, or none yet, and how it is trained.

    Parameters
    ----------
    mace : MaceSettings
    refit : RefitSettings
    n_members : int
    given : sequence of Path
        Trained models to go on from; none: the first are of random weights.
    """

    def __init__(
        self, mace: MaceSettings, refit: RefitSettings, *, n_members: int = 1, given: Sequence[Path] = ()
    ) -> None:
        self._mace, self._refit, self._given = mace, refit, tuple(given)
        first = mace.general.seed
        self._seeds = tuple(range(first, first + n_members))
        self.committee: Committee | None = None

    def begin(self) -> None:
        """Take the models that were given, where there are such."""
        from aims_pax.committee import Committee, devices_of

        if self._given:
            self.committee = Committee.from_models(
                self._mace, self._given, seeds=self._seeds, device=devices_of(self._mace.misc.device)
            )

    def resume(self, checkpoint: Path, labelled: Sequence[LabelledFrame]) -> None:
        """Go on from a checkpoint, with all labels that there are."""
        from aims_pax.committee import Committee, devices_of

        self.committee = Committee.load(checkpoint, device=devices_of(self._mace.misc.device))
        self.committee.add(labelled)

    def learn(self, labelled: Sequence[LabelledFrame], *, atomic_energies_ev: Mapping[int, float]) -> "Committee":
        """Train on all labels: longer the first time, and from scratch; else from the weights that are there.

        Energies are centred in the end: a few epochs leave them a constant away, which MD does not feel, and a
        tolerance of the energy does.
        """
        refit = self._refit
        if self.committee is None or refit.from_scratch:
            self.committee = self._new(labelled, atomic_energies_ev)
            _train(self.committee, refit.first_epochs)
        else:
            self.committee.add(labelled)
            for member in range(self.committee.n_members):
                self.committee.reset_optimizer(member)
            _train(self.committee, refit.epochs)
        self.committee.centre_energies()
        return self.committee

    def predict(self, frame: Frame) -> "FramePrediction":
        """What all models say of a structure; of a crystal with its stress, where they learn such."""
        assert self.committee is not None, "nothing was learned yet"
        want_stress = self._mace.general.compute_stress and bool(frame.pbc.all())
        [said] = self.committee.predict([frame], want_stress=want_stress)
        return said

    def _new(self, labelled: Sequence[LabelledFrame], atomic_energies_ev: Mapping[int, float]) -> "Committee":
        from aims_pax.committee import Committee, devices_of

        generation = 0 if self.committee is None else self.committee.generation
        committee = Committee.build(
            self._mace,
            labelled,
            seeds=self._seeds,
            atomic_energies_ev=atomic_energies_ev,
            device=devices_of(self._mace.misc.device),
        )
        committee.succeed(generation)
        return committee


def _train(committee: "Committee", n_epochs: int) -> None:
    """Some epochs, in the second half of them at a rate that falls to almost nothing."""
    from aims_pax.committee import EpochPlan

    rules = AnnealingRules(patience=n_epochs, margin=0.0, max_epochs=n_epochs)
    annealing, plan = Annealing.begin(rules), EpochPlan(valid_skip=n_epochs + 1, validates_last=False)
    while not annealing.is_over(rules):
        for member in range(committee.n_members):
            committee.set_learning_rate(member, factor=annealing.rate_factor(rules))
        committee.train(1, plan=plan)
        annealing = annealing.after(None, rules)
