"""CLUSTER: where labels are computed."""

import re
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Final, Literal

from annotated_types import Ge, Le
from pydantic import BeforeValidator, Field, ValidationInfo

from aims_pax.settings.kinds import Arguments, Kind, ProjectPath, Whole, existing, misfit, resolved
from aims_pax.settings.section import Section

READY: Final = ("local",)
"""Configurations that need no file."""


def _name_or_file(value: object, info: ValidationInfo) -> str:
    if isinstance(value, str) and re.fullmatch(r"[A-Za-z]\w*", value):
        if value not in READY and find_spec(value) is None:
            raise misfit(f"is {value!r}, which is neither a file nor a ready configuration ({', '.join(READY)})")
        return value
    path = resolved(value, info)
    if not existing(path).is_file():
        raise misfit(f"names {path}, which is not a file")
    return str(path)


ConfigNameOrFile = Annotated[
    str, BeforeValidator(_name_or_file), Kind("path of a Python file that exists, or the name of a ready configuration")
]


class LabelFolders(Section):
    """Where reference calculations write."""

    calc_dir: ProjectPath = Field(
        Path("aims_ase_calcs"), description="Folder of the reference calculations. Made when missing."
    )
    clean_dirs: bool = Field(
        True, description="Whether files of successful calculations are removed. Those of failed ones are kept."
    )


class InlineCluster(LabelFolders):
    """Labels one after the other, in the campaign's own process."""

    type: Literal["inline"] = Field("inline", description="In the campaign's own process.")


class LocalCluster(LabelFolders):
    """Labels side by side, on worker processes of this machine."""

    type: Literal["local"] = Field("local", description="On workers of this machine.")
    max_workers: Annotated[int, Ge(1), Le(10_000), Whole] = Field(4, description="Labels computed at a time.")


class ParslCluster(LabelFolders):
    """Labels on any machine that a Parsl configuration describes."""

    type: Literal["parsl"] = Field("parsl", description="On workers that a Parsl configuration starts.")
    parsl_config: ConfigNameOrFile = Field(
        description="Python file that offers make_config(**options), fresh_config() or config. Relative to the "
        "project's folder; or the name of a ready one, such as local."
    )
    options: Arguments = Field(default_factory=dict, description="Keyword arguments of make_config.")


ClusterSettings = InlineCluster | LocalCluster | ParslCluster

CLUSTERS: Final[dict[str, type[ClusterSettings]]] = {
    "inline": InlineCluster,
    "local": LocalCluster,
    "parsl": ParslCluster,
}
"""The sections that CLUSTER.type chooses from."""
