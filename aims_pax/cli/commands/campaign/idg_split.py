"""``aims-pax idg-split``."""

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from textwrap import indent
from typing import TYPE_CHECKING, Annotated, Final

import typer

from aims_pax.cli.boundary import guarded
from aims_pax.cli.launch import ModelFile, Named, ProjectFolder, SettingsFile, load
from aims_pax.cli.working import working
from aims_pax.errors import Problem, StructureError, UserError

if TYPE_CHECKING:
    from aims_pax.dataset.extxyz import Dataset
    from aims_pax.dataset.first_sets import Places
    from aims_pax.dataset.shares import Part
    from aims_pax.settings import Project

USUAL_DROPOUT: Final = 0.1


@guarded
def idg_split(
    dataset: Annotated[Path, typer.Argument(metavar="DATASET", help="Labelled structures, extended XYZ.")],
    folder: ProjectFolder = Path(),
    out: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Where to; initial_datasets/ of the project when not given.")
    ] = None,
    dropout: Annotated[
        bool, typer.Option("--dropout", help="Give each member a random sample of all, not a part of its own.")
    ] = False,
    dropout_ratio: Annotated[
        float | None,
        typer.Option(metavar="RATIO", help=f"Fraction that a member lacks by --dropout; {USUAL_DROPOUT} if not given."),
    ] = None,
    keep_isolated_atoms: Annotated[
        bool, typer.Option("--keep-isolated-atoms", help="Give these to every member; they tell E0.")
    ] = False,
    keep_dimers: Annotated[
        bool, typer.Option("--keep-dimers", help="Have every member train on structures of config_type dimer.")
    ] = False,
    keep_inputs: Annotated[
        bool, typer.Option("--keep-inputs", help="Have every member train on those of config_type input or supercell.")
    ] = False,
    settings_file: SettingsFile = None,
    model_file: ModelFile = None,
) -> None:
    """Cut a labelled dataset into the members' first datasets, from which aims-pax al begins. Overwrites nothing."""
    problems = []
    if dropout_ratio is not None and not (dropout and 0 <= dropout_ratio < 1):
        found = "This is no fraction below 1." if dropout else "There is no --dropout."
        allowed = "a number from 0 to below 1, with --dropout"
        problems.append(Problem(f"--dropout-ratio {dropout_ratio:g}", found, allowed, "Correct it, or leave it out."))
    if problems:
        raise UserError(problems)
    left_out = (USUAL_DROPOUT if dropout_ratio is None else dropout_ratio) if dropout else None
    wanted = _Wanted(
        left_out,
        keeps_isolated_atoms=keep_isolated_atoms,
        keeps_dimers=keep_dimers,
        keeps_inputs=keep_inputs,
    )
    with working(f"cutting {dataset}"):
        from aims_pax.settings.stage import ACTIVE

        project = load(folder, (ACTIVE,), Named(None, settings_file, model_file))
        lines = list(_lines(project, dataset, out, wanted))
    for line in lines:
        typer.echo(line)
    typer.echo(f"\nNext: aims-pax check --for al {shlex.quote(str(folder))}")


@dataclass(frozen=True, slots=True)
class _Wanted:
    """How a dataset is cut.

    Parameters
    ----------
    left_out : float or None
        Fraction of all structures that each member lacks; None: each structure belongs to one member.
    keeps_isolated_atoms, keeps_dimers, keeps_inputs : bool
        Whether every member gets all of these.
    """

    left_out: float | None
    keeps_isolated_atoms: bool
    keeps_dimers: bool
    keeps_inputs: bool

    def common(self, dataset: "Dataset") -> tuple[int, ...]:
        """Which structures are not cut, because every member has them."""
        dimers, inputs = dataset.dimers if self.keeps_dimers else (), _inputs(dataset) if self.keeps_inputs else ()
        return tuple(sorted({*dimers, *inputs}))

    @property
    def besides(self) -> str:
        """What is not cut, in words."""
        kept = (("dimers", self.keeps_dimers), ("inputs", self.keeps_inputs))
        words = ["isolated atoms", *(word for word, keeps in kept if keeps)]
        return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _inputs(dataset: "Dataset") -> tuple[int, ...]:
    """Which structures are called as those are that others were made from."""
    from aims_pax.structures.splitting import INPUTS

    called = (frame.config_type.lower() for frame, _ in dataset.structures)
    return tuple(index for index, name in enumerate(called) if name in INPUTS)


def _lines(project: "Project", path: Path, out: Path | None, wanted: _Wanted) -> Iterator[str]:
    """Write all files, and tell of it.

    Raises
    ------
    UserError
        With all that is wrong; nothing was written then.
    """
    from aims_pax.dataset.first_sets import Places, write_first_sets
    from aims_pax.stages.assembly import seeds_of
    from aims_pax.stages.beginnings.imported import extxyz_keys, tags_of

    name = project.mace.general.name_exp
    tags = tags_of(project.settings) or [f"{name}_{seed}" for seed in seeds_of(project)]
    places = Places(project.folder / "initial_datasets" if out is None else out.expanduser().absolute(), tags)
    dataset = _usable(project, path, places, wanted)
    parts, keys = _parts(project, dataset, len(tags), wanted), extxyz_keys(project.settings.misc)
    kept = dataset.free_atoms_ev if wanted.keeps_isolated_atoms else {}
    try:
        for file, n_structures in write_first_sets(dataset, parts, places, keys=keys, isolated_atoms_ev=kept):
            yield f"wrote {file} ({n_structures} structures)"
    except OSError as error:
        found = f"can't be written to ({error.strerror})"
        raise UserError(Problem(str(places.home), found, "a folder that you may write to")) from error
    if dataset.free_atoms_ev and not kept:
        yield "left out: isolated atoms, which --keep-isolated-atoms keeps"
    if wanted.keeps_dimers:
        yield f"every member trains on {len(dataset.dimers)} structures whose config_type is dimer"
    if wanted.keeps_inputs:
        yield f"every member trains on {len(_inputs(dataset))} structures whose config_type is input or supercell"
    yield from (f"\nwarning: {remark}" for remark in dataset.mask_remarks())
    yield f"\nTo use them, write into {project.settings.learning[0].said()} of {project.settings_file.name}:\n"
    yield indent(_settings(project, places), "  ").rstrip()


def _usable(project: "Project", path: Path, places: "Places", wanted: _Wanted) -> "Dataset":
    """What is cut; refused together with what is wrong with the places of the files."""
    from aims_pax.dataset.extxyz import read_dataset
    from aims_pax.stages.beginnings.imported import extxyz_keys

    problems = list(places.problems())
    try:
        dataset = read_dataset(path, extxyz_keys(project.settings.misc))
    except StructureError as error:
        raise UserError([*error.problems, *problems]) from error
    n_sharing = 1 if wanted.left_out is not None else len(places.tags)
    common = wanted.common(dataset)
    n_cut = len(dataset.structures) - len(common)
    if n_cut < 2 * n_sharing:
        found = f"holds {n_cut} structures besides {wanted.besides}, for {len(places.tags)} members"
        allowed = f"at least {2 * n_sharing}: one to train and one to validate{' for each' if n_sharing > 1 else ''}"
        advice = "Add structures, lower ensemble_size, or let members share structures by --dropout."
        problems.insert(0, Problem(str(path), found, allowed, advice if n_sharing > 1 else "Add structures."))
    if problems:
        raise UserError(problems)
    return dataset


def _parts(project: "Project", dataset: "Dataset", n_members: int, wanted: _Wanted) -> "tuple[Part, ...]":
    """Each member's part, by the valid_ratio of the first stage and the seed of mace.yaml."""
    import numpy as np

    from aims_pax.dataset.shares import cut, thinned, with_common
    from aims_pax.learner.quota import Quota

    quota = Quota((project.settings.initial or project.active).valid_ratio)
    rng, common = np.random.default_rng(project.mace.general.seed), np.array(wanted.common(dataset), dtype=np.int64)
    points = np.setdiff1d(np.arange(len(dataset.structures)), common)
    if wanted.left_out is None:
        parts = cut(len(points), n_members, quota=quota, rng=rng)
    else:
        parts = thinned(len(points), n_members, left_out=wanted.left_out, quota=quota, rng=rng)
    return with_common(parts, points, common)


def _settings(project: "Project", places: "Places") -> str:
    """The lines of ACTIVE_LEARNING that name the files; paths below the project are relative to it."""
    import yaml

    from aims_pax.frame import Split

    keys = {Split.TRAINING: "initial_train_dataset", Split.VALIDATION: "initial_valid_dataset"}
    n_members, home = len(places.tags), project.folder
    lines: dict[str, object] = {} if project.active.ensemble_size == n_members else {"ensemble_size": n_members}
    for split, key in keys.items():
        lines[key] = {
            tag: str(path.relative_to(home) if path.is_relative_to(home) else path)
            for tag, path in places.paths(split).items()
        }
    return yaml.safe_dump(lines, sort_keys=False, allow_unicode=True, width=10**6)
