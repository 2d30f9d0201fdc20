"""The imperative shell: carries out what the learner decides, with concrete parts."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aims_pax.campaign.run import run_campaign
    from aims_pax.outcome.results import Summary
else:

    def __getattr__(name: str) -> object:
        # PyTorch and MACE take seconds to import, and `aims-pax check` needs neither.
        from importlib import import_module

        homes = {"Summary": "aims_pax.outcome.results", "run_campaign": "aims_pax.campaign.run"}
        if name not in homes:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(homes[name]), name)


__all__ = ["Summary", "run_campaign"]
