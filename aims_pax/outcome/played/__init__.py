"""What has become of workflows that were played: each phase of each visit, sums, figures, lines for a person."""

from aims_pax.outcome.played.courses import title_of, visits_of
from aims_pax.outcome.played.ends import PhaseEnds, ends_of
from aims_pax.outcome.played.phases import Ending, PlayedPhase, phases_of, planned
from aims_pax.outcome.played.record import lines_of, phases_in, record_of
from aims_pax.outcome.played.results import write_plays

__all__ = [
    "Ending",
    "PhaseEnds",
    "PlayedPhase",
    "ends_of",
    "lines_of",
    "phases_in",
    "phases_of",
    "planned",
    "record_of",
    "title_of",
    "visits_of",
    "write_plays",
]
