"""How models learn all labels that there are where a flight wants it: by this program, or a user's own function."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from aims_pax.errors import AimsPaxError, CampaignStopped
from aims_pax.frame import LabelledFrame
from aims_pax.learner.training.annealing import Annealing, AnnealingRules
from aims_pax.reference.ase_adapter import import_callable
from aims_pax.settings.stages.fly import RefitSettings

if TYPE_CHECKING:
    from aims_pax.protocols import Committee, EpochReport

Build = Callable[[], "Committee"]
"""Makes models of random weights that have all points."""

OWN_LABELS: Final = "labels.xyz"
"""What a user's own function learns from: extended XYZ with ``REF_energy`` (eV) and ``REF_forces`` (eV/Å)."""


class Refitting:
    """Trains models on all labels that there are.

    Parameters
    ----------
    settings : RefitSettings
    folder : Path
        Where the user's own function finds labels and models, and may write.

    Raises
    ------
    ReferenceUnavailable
        `function_name` can't be imported.
    """

    def __init__(self, settings: RefitSettings, folder: Path) -> None:
        self._settings, self._folder = settings, folder
        self._own = None if settings.function_name is None else own_function(settings.function_name)

    def learn(
        self, committee: "Committee | None", labelled: Sequence[LabelledFrame], build: Build
    ) -> "tuple[Committee, list[EpochReport]]":
        """The models after a refit, which may be others, and their epochs.

        Longer the first time, and from scratch; else from the weights that are there. Energies are centred in the end:
        a few epochs leave them a constant away, which MD does not feel, and a tolerance of the energy does.

        Parameters
        ----------
        committee : Committee or None
            None where there are no models yet.

        Raises
        ------
        CampaignStopped
            The user's own function has failed, or gives no models.
        """
        if self._own is not None:
            return self._by_own(self._own, committee, labelled, build), []
        if committee is None or self._settings.from_scratch:
            new = build()
            if committee is not None:
                new.succeed(committee.generation, n_epochs=committee.n_epochs)
            return new, _trained(new, self._settings.first_epochs)
        committee.add(labelled)
        for member in range(committee.n_members):
            committee.reset_optimizer(member)
        return committee, _trained(committee, self._settings.epochs)

    def _by_own(
        self, function: Any, committee: "Committee | None", labelled: Sequence[LabelledFrame], build: Build
    ) -> "Committee":
        from aims_pax.committee.committee import Committee as MaceCommittee
        from aims_pax.dataset.extxyz import write_extxyz

        self._folder.mkdir(parents=True, exist_ok=True)
        write_extxyz(labels := self._folder / OWN_LABELS, labelled)
        before = [] if committee is None else committee.export(self._folder, "before")
        likeness, name = committee or build(), self._settings.function_name
        try:
            made = function(labels, before, self._folder)
            paths = [Path(one) for one in ([made] if isinstance(made, str | Path) else made)]
            if len(paths) != likeness.n_members:
                found = f"it gave {len(paths)} models, and ensemble_size is {likeness.n_members}"
                raise CampaignStopped(found)
            if not isinstance(likeness, MaceCommittee):
                raise CampaignStopped("models of the user's own training are read as MACE models alone")
            new: Committee = MaceCommittee.from_models(
                likeness.settings, paths, seeds=likeness.seeds, device=likeness.devices, handling=likeness.handling
            )
            new.add(labelled)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # what a function of the user's own does is up to them
            said = str(error) if isinstance(error, AimsPaxError) else f"{type(error).__name__}: {error}"
            words = f"refit.function_name ({name}) has not made models from {labels}: {said}"
            raise CampaignStopped(f"{words}. Mend it, then the same command goes on") from error
        new.succeed(likeness.generation, n_epochs=likeness.n_epochs)
        return new


def own_function(path: str) -> Any:
    """What `refit.function_name` names.

    Raises
    ------
    ReferenceUnavailable
        It can't be imported.
    """
    return import_callable(path, key="refit.function_name")


def _trained(committee: "Committee", n_epochs: int) -> "list[EpochReport]":
    """Some epochs, in the second half of them at a rate that falls to almost nothing."""
    from aims_pax.committee import EpochPlan

    rules = AnnealingRules(patience=n_epochs, margin=0.0, max_epochs=n_epochs)
    annealing, reports = Annealing.begin(rules), list["EpochReport"]()
    while not annealing.is_over(rules):
        for member in range(committee.n_members):
            committee.set_learning_rate(member, factor=annealing.rate_factor(rules))
        annealing = annealing.after(None, rules)
        plan = EpochPlan(valid_skip=n_epochs + 1, validates_last=annealing.is_over(rules))
        reports += committee.train(1, plan=plan)
    committee.centre_energies()
    return reports
