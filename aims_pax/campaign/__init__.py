"""The imperative shell: carries out what the learner decides, with concrete parts."""

from aims_pax.campaign.results import Summary
from aims_pax.campaign.run import run_campaign

__all__ = ["Summary", "run_campaign"]
