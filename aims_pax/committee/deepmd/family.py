"""What builds, loads and reads models of DeePMD-kit where a campaign has them for models."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from aims_pax.committee.deepmd.checkpoint import DeepmdDesign
from aims_pax.committee.deepmd.committee import DeepmdCommittee
from aims_pax.committee.deepmd.installation import Environment
from aims_pax.committee.deepmd.weights import Weights, read_models
from aims_pax.committee.device import AS_IT_IS, Handling, Where
from aims_pax.committee.hosted.predictor import Hosted, HostedModel
from aims_pax.committee.mace.elements import Elements
from aims_pax.errors import ModelError, Problem
from aims_pax.frame import LabelledFrame
from aims_pax.settings.committee.deepmd import read_deepmd_input
from aims_pax.settings.committee.mace import MaceSettings


class DeepmdFamily:
    """Committees of DeePMD-kit's models: GENERAL and the keys deepmd_ of ARCHITECTURE in mace.yaml say what they are.

    They are where their environment's PyTorch finds a GPU, or on the CPU if MISC.device says so.
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
    ) -> DeepmdCommittee:
        """Members that were never trained, with a first set of points."""
        return DeepmdCommittee.build(_design(settings, seeds), labelled, atomic_energies_ev=atomic_energies_ev or {})

    def load(self, path: Path, *, device: Where = "cpu", handling: Handling = AS_IT_IS) -> DeepmdCommittee:
        """The committee that was saved, without its points. ModelError when it can't be read."""
        return DeepmdCommittee.load(path)

    def from_models(
        self,
        settings: MaceSettings,
        paths: Sequence[Path],
        *,
        seeds: Sequence[int],
        device: Where = "cpu",
        handling: Handling = AS_IT_IS,
    ) -> DeepmdCommittee:
        """Members that go on from frozen models; without points."""
        return DeepmdCommittee.from_models(_design(settings, seeds), paths)

    def load_models(self, paths: Sequence[Path], *, device: Where, dtype: str | None = None) -> "FrozenModels":
        """Models for prediction, in the environment that they were written by. ModelError when one can't be read."""
        return load_frozen(paths, on_cpu=device == "cpu")


class FrozenModels(Hosted[Weights]):
    """Frozen models, for prediction; energies of free atoms are within them.

    Parameters
    ----------
    models : sequence of HostedModel
    numbers : sequence of int
    environment : Environment
    atomic_energies_ev : sequence of mapping
        Of each model, as far as files tell.
    """

    def __init__(
        self,
        models: Sequence[HostedModel[Weights]],
        *,
        numbers: Sequence[int],
        environment: Environment,
        atomic_energies_ev: Sequence[Mapping[int, float]],
    ) -> None:
        cutoff_ang = max(one.potential.cutoff_ang for one in models if one.potential is not None)
        super().__init__(models, numbers=numbers, cutoff_ang=cutoff_ang, program=environment.program)
        self._told = atomic_energies_ev

    @property
    def atomic_energies_ev(self) -> dict[int, float]:
        """Energies of free atoms, the mean of the models, eV; nothing where one of them does not tell."""
        if not all(self._told):
            return {}
        return {z: sum(one[z] for one in self._told) / len(self._told) for z in self.numbers}


def load_frozen(paths: Sequence[Path], *, on_cpu: bool) -> FrozenModels:
    """The models in some frozen files of DeePMD-kit, for prediction.

    Raises
    ------
    ModelError
        A file is missing or no model, there is none, or they know different elements.
    """
    found = read_models(paths, on_cpu=on_cpu)
    for path, one in zip(paths, found, strict=True):
        if one.numbers != found[0].numbers:
            first, own = (Elements.of(model.numbers).symbols() for model in (found[0], one))
            advice = "Give models of one committee."
            raise ModelError(Problem(str(path), f"has the elements {own}", f"{first}, as in {paths[0]}", advice))
    nothing = dict.fromkeys(found[0].numbers, 0.0)
    return FrozenModels(
        [HostedModel(nothing, one.weights) for one in found],
        numbers=found[0].numbers,
        environment=Environment(found[0].place, on_cpu),
        atomic_energies_ev=[one.atomic_energies_ev or {} for one in found],
    )


def _design(settings: MaceSettings, seeds: Sequence[int]) -> DeepmdDesign:
    general, architecture = settings.general, settings.architecture
    assert architecture.deepmd_input is not None, "settings of DeePMD have an input"
    return DeepmdDesign(
        general.name_exp,
        tuple(seeds),
        architecture.deepmd_input,
        read_deepmd_input(architecture.deepmd_input).numbers,
        str(architecture.deepmd_environment),
        on_cpu=settings.misc.device == "cpu",
        learns_stress=general.compute_stress,
        epoch_steps=architecture.deepmd_epoch_steps,
    )
