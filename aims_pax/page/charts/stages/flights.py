"""Errors of the models that drive MD at its checks, and how far these are apart."""

from collections.abc import Mapping
from functools import partial
from typing import Any, Final

import numpy as np

from aims_pax.outcome.flown import checks_in
from aims_pax.page.figure import Figure, Panel
from aims_pax.page.material import Material
from aims_pax.report.flight import draw_differences, draw_intervals
from aims_pax.report.table import Table
from aims_pax.stages.fly.comparison import Check

NAME: Final = "checks"
TITLE: Final = "Checks against the reference on the way"


def errors_at_checks(material: Material) -> Figure | None:
    """What models and the reference differed by, and the intervals; None where the run has no flight."""
    if not material.flights:
        return None
    name, record = list(material.flights.items())[-1]
    checks, limits = checks_in(record), record["tolerances"]
    panels = [
        Panel(partial(draw_differences, checks=checks, name=key, limit=limit), width_in=4.0)
        for key, limit in limits.items()
        if limit is not None
    ]
    return Figure(
        name=NAME,
        title=TITLE,
        good="A good one stays below its lines while the steps between two checks grow.",
        table=_table(checks),
        panels=(*panels, Panel(partial(draw_intervals, checks=checks), width_in=4.0)),
        note=f"Of {name}: {_words(record)}. Each error is that of the models that were driving, before they learned.",
    )


def _words(record: Mapping[str, Any]) -> str:
    return f"{record['n_checks']} checks on {record['n_trajectories']} trajectories, {record['n_failed']} beyond"


def _table(checks: list[Check]) -> Table:
    found = [check.differences for check in checks]
    return Table(
        trajectory=np.array([check.trajectory for check in checks]),
        md_step=np.array([check.step for check in checks]),
        passed=np.array([check.passed for check in checks]),
        called_early=np.array([check.is_early for check in checks]),
        next_in_steps=np.array([check.interval for check in checks]),
        energy_ev_per_atom=np.array([one.ediff for one in found]),
        largest_force_component_ev_per_ang=np.array([one.fmax for one in found]),
        forces_rms_ev_per_ang=np.array([one.frmse for one in found]),
        virial_ev_per_atom=np.array([np.nan if one.vmax is None else one.vmax for one in found]),
    )
