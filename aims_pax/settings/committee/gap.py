"""Options of gap_fit, the native input of GAP: read as its own program reads them, and looked at before they cost."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Final

from pydantic import BeforeValidator, ValidationInfo

from aims_pax.settings.reading.kinds import Kind, misfit, text_in

OURS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("at_file", "atoms_filename"), "the labels of the run"),
    **dict.fromkeys(("gp_file", "gap_file"), "the models' files"),
    **dict.fromkeys(("e0", "e0_method", "e0_offset"), "the energies of free atoms (ARCHITECTURE.atomic_energies)"),
    "rnd_seed": "the members' seeds (GENERAL.seed)",
    **dict.fromkeys(
        (
            "energy_parameter_name",
            "force_parameter_name",
            "virial_parameter_name",
            "stress_parameter_name",
            "parameter_name_prefix",
        ),
        "the names of the labels",
    ),
    **dict.fromkeys(
        ("sparse_separate_file", "do_copy_atoms_file", "do_copy_at_file"), "models that are one file without the labels"
    ),
}
"""Options that are told to gap_fit by the run, and what they say."""

ELSEWHERE: Final = frozenset(
    {
        "config_file",
        "template_file",
        "baseline_param_filename",
        "core_param_file",
        "baseline_ip_args",
        "core_ip_args",
        "linear_system_dump_file",
        "sparse_file",
        "print_sparse_index",
        "theta_file",
    }
)
"""Options that name further files, which neither a checkpoint nor a model could bring along."""

NOT_A_FIT: Final = frozenset({"dryrun", "sparsify_only_no_fit"})
"""Options with which nothing is fitted."""

KNOWN: Final = frozenset(
    {
        "gap",
        "local_property0",
        "default_kernel_regularisation",
        "default_sigma",
        "default_kernel_regularisation_local_property",
        "default_local_property_sigma",
        "sparse_jitter",
        "hessian_displacement",
        "hessian_delta",
        "local_property_parameter_name",
        "hessian_parameter_name",
        "config_type_parameter_name",
        "kernel_regularisation_parameter_name",
        "sigma_parameter_name",
        "force_mask_parameter_name",
        "local_property_mask_parameter_name",
        "config_type_kernel_regularisation",
        "config_type_sigma",
        "kernel_regularisation_is_per_atom",
        "sigma_per_atom",
        "sparse_use_actual_gpcov",
        "verbosity",
        "openmp_chunk_size",
        "do_ip_timing",
        "condition_number_norm",
        "mpi_blocksize_rows",
        "mpi_blocksize_cols",
        "mpi_print_all",
        "export_covariance",
    }
)
"""All other options of gap_fit 0.10, by its own help."""

CUTOFFS: Final = ("cutoff", "rcut_hard")
NEEDED: Final[tuple[tuple[str, ...], ...]] = (
    CUTOFFS,
    ("covariance_type",),
    ("delta", "energy_scale"),
    ("n_sparse", "config_type_n_sparse"),
)
"""What each descriptor must say, by any of these names."""

EXAMPLE: Final = (
    "gap={distance_2b cutoff=5.0 covariance_type=ard_se delta=1.0 theta_uniform=1.0 n_sparse=20 : soap ...} "
    "default_sigma={0.002 0.1 0.1 0.0}"
)


@dataclass(frozen=True, slots=True)
class GapDescriptor:
    """One term of the sum that a GAP is.

    Parameters
    ----------
    kind : str
        Its first word, such as soap.
    options : mapping of str to str
    """

    kind: str
    options: Mapping[str, str]

    @property
    def cutoff_ang(self) -> float:
        """Pairs up to this distance matter, Å."""
        return float(next(self.options[key] for key in CUTOFFS if key in self.options))


@dataclass(frozen=True, slots=True)
class GapInput:
    """What is fitted, and how exactly.

    Parameters
    ----------
    options : mapping of str to str
        As gap_fit takes them, without outer braces.
    descriptors : tuple of GapDescriptor
    sigmas : tuple of float
        Errors that are expected of labels: energies in eV/atom, forces in eV/Å, virials in eV/atom, Hessians.
    """

    options: Mapping[str, str]
    descriptors: tuple[GapDescriptor, ...]
    sigmas: tuple[float, ...]

    @property
    def cutoff_ang(self) -> float:
        """Pairs up to this distance matter to any descriptor, Å."""
        return max(one.cutoff_ang for one in self.descriptors)

    @property
    def words(self) -> list[str]:
        """The options as words of a command line."""
        return [f"{key}={{{value}}}" for key, value in self.options.items()]

    @property
    def text(self) -> str:
        """The same options on one line, whatever comments and line breaks there were."""
        return " ".join(self.words)


def read_gap_input(text: str) -> GapInput:
    """The options in the content of a file.

    Raises
    ------
    ValueError
        With all that is wrong, in words that complete `gap_input ...`.
    """
    found: dict[str, str] = {}
    problems: list[str] = []
    try:
        for key, value in _options("\n".join(line.partition("#")[0] for line in text.splitlines())):
            if key in found:
                problems.append(f"has {key} twice")
            found[key] = " ".join(value.split())
    except ValueError as error:
        raise ValueError(str(error)) from None
    problems += [f"sets {key}, and {OURS[key]} are said by the run" for key in found if key in OURS]
    problems += [f"sets {key}, which needs another file" for key in found if key in ELSEWHERE]
    problems += [f"sets {key}, with which nothing is fitted" for key in found if key in NOT_A_FIT]
    strangers = [key for key in found if key not in KNOWN and key not in OURS and key not in ELSEWHERE | NOT_A_FIT]
    problems += [f"sets {key}, which is no option of gap_fit" for key in strangers]
    sigmas: tuple[float, ...] = ()
    descriptors: tuple[GapDescriptor, ...] = ()
    for part in (_sigmas, _descriptors):
        try:
            if part is _sigmas:
                sigmas = _sigmas(found)
            else:
                descriptors = _descriptors(found)
        except ValueError as error:
            problems.append(str(error))
    if problems:
        raise ValueError("; ".join(problems))
    return GapInput(found, descriptors, sigmas)


def _options(text: str) -> Iterator[tuple[str, str]]:
    """Key and value of each option; values may stand in braces or quotation marks."""
    place = 0
    while match := re.compile(r"\s*([A-Za-z_]\w*)\s*=\s*").match(text, place):
        key, start = match[1], match.end()
        opening = text[start : start + 1]
        if opening == "{":
            place = _end_of_braces(text, start, key=key)
            yield key, text[start + 1 : place - 1]
        elif opening in ("'", '"') and opening:
            end = text.find(opening, start + 1)
            if end < 0:
                raise ValueError(f"has no closing {opening} after {key}=")
            yield key, text[start + 1 : end].strip().removeprefix("{").removesuffix("}")
            place = end + 1
        else:
            word = re.compile(r"\S*").match(text, start)
            assert word is not None
            if not word[0] or "}" in word[0] or "{" in word[0]:
                raise ValueError(f"has {key}={word[0] or 'nothing'}, whose braces do not match")
            yield key, word[0]
            place = word.end()
    if rest := text[place:].strip():
        raise ValueError(f"has {rest.split()[0]!r} where an option (key=value) is expected")


def _end_of_braces(text: str, start: int, *, key: str) -> int:
    """Where a value ends that begins with a brace: behind the brace that closes it."""
    depth = 0
    for place in range(start, len(text)):
        depth += {"{": 1, "}": -1}.get(text[place], 0)
        if depth == 0:
            return place + 1
    raise ValueError(f"has {depth} brace{'s' if depth > 1 else ''} after {key}= that nothing closes")


def _sigmas(found: Mapping[str, str]) -> tuple[float, ...]:
    key = next((name for name in ("default_sigma", "default_kernel_regularisation") if name in found), None)
    if key is None:
        raise ValueError("lacks default_sigma={energy force virial hessian}")
    try:
        values = tuple(float(word) for word in found[key].split())
    except ValueError:
        values = ()
    if len(values) != 4 or min(values) < 0 or not all(values[:2]):
        raise ValueError(f"has {key}={{{found[key]}}}, which is not four numbers, those of energy and force above 0")
    return values


def _descriptors(found: Mapping[str, str]) -> tuple[GapDescriptor, ...]:
    if "gap" not in found:
        raise ValueError("lacks gap={descriptor ... : descriptor ...}")
    problems: list[str] = []
    descriptors = []
    for index, part in enumerate(_parts(found["gap"]), 1):
        kind, _, rest = part.strip().partition(" ")
        name = f"descriptor {index} ({kind or 'empty'})"
        if not re.fullmatch(r"[A-Za-z]\w*", kind):
            problems.append(f"has as {name} what begins with no name of one")
            continue
        try:
            options = dict(_options(rest))
        except ValueError as error:
            problems.append(f"{error} in {name}")
            continue
        lacking = [" or ".join(names) for names in NEEDED if not any(key in options for key in names)]
        problems += [f"lacks {names} in {name}" for names in lacking]
        problems += [f"sets {key} in {name}, which needs another file" for key in options if key in ELSEWHERE]
        cutoff = next((options[key] for key in CUTOFFS if key in options), "1")
        if not _is_positive(cutoff):
            problems.append(f"has {cutoff!r} as the cutoff of {name}, which is no length in Å")
        descriptors.append(GapDescriptor(kind, options))
    if problems:
        raise ValueError("; ".join(problems))
    return tuple(descriptors)


def _parts(text: str) -> Sequence[str]:
    """What stands between colons that are in no inner braces."""
    parts, depth = [""], 0
    for letter in text:
        depth += {"{": 1, "}": -1}.get(letter, 0)
        if letter == ":" and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return parts


def _is_positive(word: str) -> bool:
    try:
        return 0 < float(word) < 100
    except ValueError:
        return False


def _gap_options(value: object, info: ValidationInfo) -> str:
    """The options on one line: those in the file of this name, or those that the text is."""
    text = value if isinstance(value, str) and "=" in value else text_in(value, info)
    try:
        return read_gap_input(text).text
    except ValueError as error:
        raise misfit(str(error)) from None


GapOptions = Annotated[
    str, BeforeValidator(_gap_options), Kind(f"path of a file with options of gap_fit, or these: {EXAMPLE}")
]
