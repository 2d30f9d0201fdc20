"""What the interchangeable parts of a campaign offer to each other.

A campaign is written against these; `aims_pax.campaign` alone names concrete classes.
"""

from aims_pax.protocols.labelling import LabelDone, LabelJob, Pool, PoolOutlook, Reference
from aims_pax.protocols.learning import (
    EpochPlan,
    EpochReport,
    FramePrediction,
    MemberErrors,
    Prediction,
    RandomSubset,
)
from aims_pax.protocols.scoring import Score
from aims_pax.protocols.watching import Observer, Status

__all__ = [
    "EpochPlan",
    "EpochReport",
    "FramePrediction",
    "LabelDone",
    "LabelJob",
    "MemberErrors",
    "Observer",
    "Pool",
    "PoolOutlook",
    "Prediction",
    "RandomSubset",
    "Reference",
    "Score",
    "Status",
]
