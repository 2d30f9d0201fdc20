"""Families of models: what builds, loads and reads committees, chosen by settings or by what a file holds."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from aims_pax.committee.committee import Committee as MaceCommittee
from aims_pax.committee.deepmd import checkpoint as of_deepmd
from aims_pax.committee.deepmd.family import DeepmdFamily
from aims_pax.committee.deepmd.weights import holds_deepmd
from aims_pax.committee.device import AS_IT_IS, Handling, Where
from aims_pax.committee.gap import checkpoint as of_gap
from aims_pax.committee.gap.family import GapFamily
from aims_pax.committee.gap.potential import holds_gap
from aims_pax.committee.mace.modelfile import load_models as load_mace_models
from aims_pax.frame import LabelledFrame
from aims_pax.protocols import Committee, Predictor
from aims_pax.settings.committee.mace import MaceSettings


class Family(Protocol):
    """One kind of models. All that follows speaks to the committee, which does not say of which family it is."""

    def build(
        self,
        settings: MaceSettings,
        labelled: Sequence[LabelledFrame],
        *,
        seeds: Sequence[int],
        atomic_energies_ev: Mapping[int, float] | None = None,
        device: Where = "cpu",
        handling: Handling = AS_IT_IS,
    ) -> Committee:
        """Untrained members for a first set of points, which they also receive.

        Parameters
        ----------
        seeds : sequence of int
            One for each member.
        atomic_energies_ev : mapping of atomic number to eV, or None
            Energies of isolated atoms by the reference; these elements are known besides those of the points.

        Raises
        ------
        ModelError
            The settings describe no model, or what it needs is not installed.
        ShapeError
            No points, fewer than one seed, or a seed twice.
        """
        ...

    def load(self, path: Path, *, device: Where = "cpu", handling: Handling = AS_IT_IS) -> Committee:
        """The committee that was saved, without its points: add them again and it is as it was.

        Raises
        ------
        ModelError
            The file is missing, damaged, or of a newer version.
        """
        ...

    def from_models(
        self,
        settings: MaceSettings,
        paths: Sequence[Path],
        *,
        seeds: Sequence[int],
        device: Where = "cpu",
        handling: Handling = AS_IT_IS,
    ) -> Committee:
        """Members that go on from exported ones, each from its own, or all from one; without points.

        Raises
        ------
        ModelError
            With all that is wrong with the files.
        """
        ...

    def load_models(self, paths: Sequence[Path], *, device: Where, dtype: str | None = None) -> Predictor:
        """Models for prediction.

        Raises
        ------
        ModelError
            A file is missing, is no model, or does not fit the others.
        """
        ...


class MaceFamily:
    """MACE models."""

    def build(
        self,
        settings: MaceSettings,
        labelled: Sequence[LabelledFrame],
        *,
        seeds: Sequence[int],
        atomic_energies_ev: Mapping[int, float] | None = None,
        device: Where = "cpu",
        handling: Handling = AS_IT_IS,
    ) -> Committee:
        """Members of random weights, see :meth:`aims_pax.committee.committee.Committee.build`."""
        return MaceCommittee.build(
            settings, labelled, seeds=seeds, atomic_energies_ev=atomic_energies_ev, device=device, handling=handling
        )

    def load(self, path: Path, *, device: Where = "cpu", handling: Handling = AS_IT_IS) -> Committee:
        """The committee that was saved, see :meth:`aims_pax.committee.committee.Committee.load`."""
        return MaceCommittee.load(path, device=device, handling=handling)

    def from_models(
        self,
        settings: MaceSettings,
        paths: Sequence[Path],
        *,
        seeds: Sequence[int],
        device: Where = "cpu",
        handling: Handling = AS_IT_IS,
    ) -> Committee:
        """Members that go on from trained models, see :meth:`aims_pax.committee.committee.Committee.from_models`."""
        return MaceCommittee.from_models(settings, paths, seeds=seeds, device=device, handling=handling)

    def load_models(self, paths: Sequence[Path], *, device: Where, dtype: str | None = None) -> Predictor:
        """Models in MACE's own files, which are Python pickles: load only what you trust."""
        return load_mace_models(paths, device=device, dtype=dtype)


def family_of(settings: MaceSettings) -> Family:
    """The family that ARCHITECTURE.model_choice names."""
    families: dict[str, Family] = {"mace": MaceFamily(), "gap": GapFamily(), "deepmd": DeepmdFamily()}
    return families[settings.architecture.model_choice]


def load_committee(path: Path, *, device: Where = "cpu", handling: Handling = AS_IT_IS) -> Committee:
    """The committee that was saved, of whatever family, without its points; see :meth:`Family.load`."""
    family: Family = MaceFamily()
    if of_gap.holds_committee(path):
        family = GapFamily()
    elif of_deepmd.holds_committee(path):
        family = DeepmdFamily()
    return family.load(path, device=device, handling=handling)


def load_models(paths: Sequence[Path], *, device: Where, dtype: str | None = None) -> Predictor:
    """Models for prediction from files of one family: XML of gap_fit, frozen ones of DeePMD-kit, or files of MACE.

    MACE's model files are Python pickles, as MACE defines them: load only what you trust.

    Parameters
    ----------
    dtype : "float32", "float64" or None
        Precision to predict in; the one of the first file when None. Other families have their own.

    Raises
    ------
    ModelError
        A file is missing, is no model, or does not fit the others.
    """
    family: Family = MaceFamily()
    if paths and holds_gap(Path(paths[0])):
        family = GapFamily()
    elif paths and holds_deepmd(Path(paths[0])):
        family = DeepmdFamily()
    return family.load_models(paths, device=device, dtype=dtype)
