"""What the interchangeable parts of a campaign offer to each other.

A campaign is written against these; `aims_pax.campaign` alone names concrete classes.
"""

from aims_pax.protocols.labelling import LabelDone, LabelJob, Pool, PoolOutlook, Reference
from aims_pax.protocols.learning import MemberErrors
from aims_pax.protocols.scoring import Score
from aims_pax.protocols.watching import Observer, Status

__all__ = [
    "LabelDone",
    "LabelJob",
    "MemberErrors",
    "Observer",
    "Pool",
    "PoolOutlook",
    "Reference",
    "Score",
    "Status",
]
