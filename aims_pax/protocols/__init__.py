"""What the interchangeable parts of a campaign offer to each other.

A campaign is written against these; :mod:`aims_pax.stages.assembly` and its like alone name concrete classes. Importing
them needs neither PyTorch nor any engine. A suite of tests for each comes with :mod:`aims_pax.testing.contracts`.
"""

from aims_pax.protocols.bias import Bias, BiasPotential, LearningBias, LearningPotential, Variable
from aims_pax.protocols.labelling import LabelDone, LabelJob, Labeller, Pool, PoolOutlook, Reference
from aims_pax.protocols.learning import (
    EVERY_EPOCH,
    Committee,
    EpochPlan,
    EpochReport,
    FramePrediction,
    MemberErrors,
    Molecules,
    Prediction,
    Predictor,
    RandomSubset,
)
from aims_pax.protocols.motion import (
    AnswersLater,
    Driver,
    Dynamics,
    ExplainsFailures,
    ForgetsHistory,
    GivesStress,
    Integrator,
    KnowsLabels,
    Sampler,
)
from aims_pax.protocols.scoring import ErrorEstimator, EstimatedErrors, Score
from aims_pax.protocols.structures import NO_TRAJECTORY, Source
from aims_pax.protocols.validation import Findings, Validator
from aims_pax.protocols.watching import ErrorAhead, Observer, StageSeen, StageState, Status

__all__ = [
    "EVERY_EPOCH",
    "NO_TRAJECTORY",
    "AnswersLater",
    "Bias",
    "BiasPotential",
    "Committee",
    "Driver",
    "Dynamics",
    "EpochPlan",
    "EpochReport",
    "ErrorAhead",
    "ErrorEstimator",
    "EstimatedErrors",
    "ExplainsFailures",
    "Findings",
    "ForgetsHistory",
    "FramePrediction",
    "GivesStress",
    "Integrator",
    "KnowsLabels",
    "LabelDone",
    "LabelJob",
    "Labeller",
    "LearningBias",
    "LearningPotential",
    "MemberErrors",
    "Molecules",
    "Observer",
    "Pool",
    "PoolOutlook",
    "Prediction",
    "Predictor",
    "RandomSubset",
    "Reference",
    "Sampler",
    "Score",
    "Source",
    "StageSeen",
    "StageState",
    "Status",
    "Validator",
    "Variable",
]
