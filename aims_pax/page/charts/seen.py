"""A map of the structures as a model sees them: by its descriptors, coloured by the stage and round they come from."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np

from aims_pax.frame import FloatArray, IntArray, LabelledFrame, Split
from aims_pax.page.figure import Absent, Figure, Panel
from aims_pax.page.material import Material
from aims_pax.report.style import BLUE, GREEN, GREY, INK, ORANGE
from aims_pax.report.table import Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Colour: TypeAlias = str | tuple[float, ...]

COLOURS: Final = (BLUE, ORANGE, GREEN, "#CC79A7", "#E69F00", "#56B4E9")
"""Of stages, in their order; with a seventh they begin anew."""

BESIDE_ROUNDS: Final = (GREY, ORANGE, "#CC79A7", "#E69F00")
"""Of stages where others have rounds: none of the colours of these."""

ROUND_COLOURS: Final = "viridis"
"""A scale of matplotlib, from the first round to the last."""

PALEST: Final = 0.92
"""How far it is gone along: its last yellow is pale on paper."""

MOST_NAMED: Final = 12
"""Rounds that are named one by one beside the map; of more, every second, third, ... is."""

DENSE: Final = 800


def descriptor_map(material: Material) -> Figure | Absent:
    """Principal components of what the first member sees, of all labelled structures."""
    name, title, seen = "descriptor_map", "Map of the structures as the model sees them", material.seen
    if seen is None:
        return Absent(name, title, "Descriptors of the structures are kept when a run of five structures or more ends.")
    known = {point.label_id: point for point in material.labelled}
    there = np.array([number in known for number in seen.label_id.tolist()])
    ids, places, shares = seen.label_id[there], seen.places[there], seen.shares
    points = [known[number] for number in ids.tolist()]
    stages = np.array([point.stage or "given" for point in points], dtype=object)
    rounds = np.array([_round_of(material, point) for point in points], dtype=np.int64)
    named = [f"{stage}, round {number}" if number else stage for stage, number in zip(stages, rounds, strict=True)]
    is_test = np.array([point.split is Split.TEST for point in points])

    def draw(axes: "Axes") -> None:
        _draw_groups(axes, places, named, rounds)
        if is_test.any():
            axes.scatter(
                places[is_test, 0],
                places[is_test, 1],
                s=48,
                facecolors="none",
                edgecolors=INK,
                lw=0.9,
                label=f"test ({is_test.sum()})",
            )
        axes.set(xlabel=f"first component ({100 * shares[0]:.0f} %)", ylabel=f"second ({100 * shares[1]:.0f} %)")
        if rounds.any():
            axes.legend(loc="upper left", bbox_to_anchor=(1.02, 1.0))
        else:
            axes.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=3)

    thinned = f" {len(ids)} of {seen.n_structures} structures." if len(ids) < seen.n_structures else ""
    return Figure(
        name=name,
        title=title,
        good="In a good one test structures lie among those that were learned; a stage or round by itself at an "
        "edge has found what others had not.",
        table=Table(
            label_id=ids,
            stage=stages,
            round=rounds,
            system=np.array([point.frame.system for point in points], dtype=object),
            split=np.array([str(point.split) for point in points], dtype=object),
            first=places[:, 0].copy(),
            second=places[:, 1].copy(),
        ),
        panels=(Panel(draw, width_in=7.4 if rounds.any() else 5.4, height_in=4.2),),
        note="Principal components of the scalar features of the committee's first member, averaged over atoms."
        f"{thinned}",
    )


def _round_of(material: Material, point: LabelledFrame) -> int:
    """Of an exploration; 0 where its stage has no rounds."""
    state = material.explorations.get(point.stage)
    return 0 if state is None else state.round_of(point.frame.trajectory)


def _draw_groups(axes: "Axes", places: FloatArray, named: Sequence[str], rounds: IntArray) -> None:
    """The structures of each stage or round in a colour of their own."""
    groups = np.array(named, dtype=object)
    colours = _colours({group: bool(number) for group, number in zip(named, rounds, strict=True)})
    unnamed = _unnamed([group for group, number in zip(named, rounds, strict=True) if number])
    for group, colour in colours.items():
        own = groups == group
        axes.scatter(
            places[own, 0],
            places[own, 1],
            s=18,
            lw=0,
            alpha=0.8,
            color=colour,
            label=None if group in unnamed else f"{group} ({own.sum()})",
            rasterized=len(groups) > DENSE,
        )


def _unnamed(groups: Sequence[str]) -> frozenset[str]:
    """Those of the rounds that are left out beside the map."""
    rounds = list(dict.fromkeys(groups))
    return frozenset(rounds) - frozenset(rounds[:: max(1, -(-len(rounds) // MOST_NAMED))])


def _colours(has_rounds: Mapping[str, bool]) -> dict[str, Colour]:
    """Of all groups, in their order: rounds along a scale, so that early and late ones are told apart."""
    from matplotlib import colormaps

    rounds = [group for group, is_round in has_rounds.items() if is_round]
    others, plain = [group for group in has_rounds if group not in rounds], BESIDE_ROUNDS if rounds else COLOURS
    scale = colormaps[ROUND_COLOURS](np.linspace(0.0, PALEST, len(rounds)))
    found: dict[str, Colour] = {group: plain[place % len(plain)] for place, group in enumerate(others)}
    found |= {group: tuple(map(float, colour)) for group, colour in zip(rounds, scale, strict=True)}
    return {group: found[group] for group in has_rounds}
