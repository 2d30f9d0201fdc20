"""The kinds of stages: a row for each says what is written, what is done, and what is foretold."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from aims_pax.settings.section import Section
from aims_pax.settings.stages.active import ActiveLearningSettings
from aims_pax.settings.stages.collect import CollectSettings
from aims_pax.settings.stages.converge import ConvergeSettings
from aims_pax.settings.stages.explore import ExploreSettings
from aims_pax.settings.stages.flying import FlyStageSettings
from aims_pax.settings.stages.initial import InitialDatasetSettings
from aims_pax.settings.stages.pretrain import PretrainSettings
from aims_pax.settings.stages.relabel import RelabelSettings
from aims_pax.settings.stages.select import SelectSettings
from aims_pax.settings.stages.validate import ValidateSettings
from aims_pax.settings.workflow.playing import PlaySettings


@dataclass(frozen=True, slots=True)
class StageKind:
    """One kind of stages.

    Parameters
    ----------
    settings : type of Section
    stage : str
        ``module:Class`` of what runs it, an :class:`aims_pax.stages.stage.Stage`. It stands in a layer above, and is
        imported when it is needed, as is the next.
    forecast : str
        ``module:Class`` of what foretells it, an :class:`aims_pax.forecast.amounts.StageForecaster`.
    section : str
        The section of v0.2 that has its settings; empty where none has.
    first : str
        What the first of its kind is called where no name is written, if not as its kind.
    begins : bool
        Whether it needs no dataset before it, and stands at the beginning or not at all.
    learns : bool
        Whether its members must have been trained alike, since they disagree where all of them are unsure.
    samples : bool
        Whether it asks the reference for labels of structures that come from those of the project; else it needs
        neither.
    relabels : bool
        Whether another reference is the one that is learned from after it.
    adds : bool
        Whether it labels structures that all members learn in the training after it.
    judges : bool
        Whether it looks at the models that are handed over, and comes after their files are written.
    """

    settings: type[Section]
    stage: str
    forecast: str
    section: str = ""
    first: str = ""
    begins: bool = False
    learns: bool = False
    samples: bool = False
    relabels: bool = False
    adds: bool = False
    judges: bool = False

    @property
    def changes_what_is_learned(self) -> bool:
        """Whether the dataset is another one after it, and is to be trained on."""
        return self.learns or self.relabels or self.adds


PRETRAIN: Final = "pretrain"
INITIAL: Final = "initial"
CONVERGE: Final = "converge"
LEARN: Final = "learn"
SELECT: Final = "select"
RELABEL: Final = "relabel"
COLLECT: Final = "collect"
VALIDATE: Final = "validate"
EXPLORE: Final = "explore"
FLY: Final = "fly"
PLAY: Final = "play"
"""What `explore` is where it names workflows."""

KINDS: Final[Mapping[str, StageKind]] = {
    INITIAL: StageKind(
        InitialDatasetSettings,
        stage="aims_pax.stages.initial:InitialDataset",
        forecast="aims_pax.forecast.stages.sampling:InitialForecast",
        section="INITIAL_DATASET_GENERATION",
        begins=True,
        samples=True,
    ),
    CONVERGE: StageKind(
        ConvergeSettings,
        stage="aims_pax.stages.converge:Converge",
        forecast="aims_pax.forecast.stages.training:ConvergeForecast",
    ),
    LEARN: StageKind(
        ActiveLearningSettings,
        stage="aims_pax.stages.active:ActiveLearning",
        forecast="aims_pax.forecast.stages.learning:LearnForecast",
        section="ACTIVE_LEARNING",
        first="active",  # as stores of runs have called it since there was only one
        learns=True,
        samples=True,
    ),
    SELECT: StageKind(
        SelectSettings,
        stage="aims_pax.stages.stock.select:SelectFromPool",
        forecast="aims_pax.forecast.stages.selecting:SelectForecast",
        section="DATA_FILTERING",
        learns=True,
    ),
    RELABEL: StageKind(
        RelabelSettings,
        stage="aims_pax.stages.labelled.relabel:Relabel",
        forecast="aims_pax.forecast.stages.labelling:RelabelForecast",
        relabels=True,
    ),
    COLLECT: StageKind(
        CollectSettings,
        stage="aims_pax.stages.labelled.collect:Collect",
        forecast="aims_pax.forecast.stages.labelling:CollectForecast",
        samples=True,
        adds=True,
    ),
    EXPLORE: StageKind(
        ExploreSettings,
        stage="aims_pax.stages.exploring.explore:Explore",
        forecast="aims_pax.forecast.stages.selecting:ExploreForecast",
        learns=True,
        samples=True,
    ),
    PLAY: StageKind(
        PlaySettings,
        stage="aims_pax.stages.playing.play:Play",
        forecast="aims_pax.forecast.stages.playing:PlayForecast",
        first="explore",
        learns=True,
        samples=True,
    ),
    FLY: StageKind(
        FlyStageSettings,
        stage="aims_pax.stages.fly.fly:Fly",
        forecast="aims_pax.forecast.stages.flying:FlyForecast",
        learns=True,
        samples=True,
    ),
    PRETRAIN: StageKind(
        PretrainSettings,
        stage="aims_pax.stages.pretrain:Pretrain",
        forecast="aims_pax.forecast.stages.training:PretrainForecast",
        begins=True,
    ),
    VALIDATE: StageKind(
        ValidateSettings,
        stage="aims_pax.outcome.properties.stage:Validate",
        forecast="aims_pax.forecast.stages.labelling:ValidateForecast",
        judges=True,
    ),
}
"""By what STAGES calls them."""

LATER: Final = ("testset", "stability")
"""Kinds that other versions will have."""
