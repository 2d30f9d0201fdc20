"""Workflow files in words: their page of the reference, and an example for a new project."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from aims_pax.frame import Frame
from aims_pax.settings.reading.validation import nested_section
from aims_pax.settings.section import Section
from aims_pax.settings.words.layout import aligned
from aims_pax.settings.words.starting import Starting
from aims_pax.settings.workflow.phases import PhaseSettings

WORKFLOW_FILE: Final = "workflow.yaml"

HOTTEST_CRYSTAL_K, HOTTEST_MOLECULE_K = 3000, 1000
"""Most solids are molten at the first; most molecules fall apart above the second."""

WORKFLOW_WORDS: Final = """\
An exploration workflow (SCS) is a file of its own: phases, each with a structure and what is done to it, of one system.
Every stage `explore` that names it goes through its phases once a round, and labels frames of them. `aims-pax init
--workflow` writes one, and `aims-pax schema` writes a schema for editors. This is the one of the paper:

```yaml
Phase0:
  Geometry:
    Species: {C: 12.011}
    Bulk:
      Structure_1:
        Path: 'Diamond_4x4x4.xyz'
  Run:
    Type: 'Relax'
    Sampling: 0
Phase1:
  Run:
    Timestep: 1.0
    Steps: 100000
    Type: 'NVT'
    Temperature: {Tstart: 1, Tstop: 9000}
    Sampling: 50
Phase2:
  Run:
    Timestep: 1.0
    Steps: 100000
    Type: 'NVT'
    Temperature: {Tstart: 9000, Tstop: 300}
    Sampling: 50
```

Phases are called Phase0, Phase1, and so on, without gaps, and run in the order of their numbers. One without Geometry
goes on where the phase before has come to. Keys are written as the paper does, with a capital, or without; the tables
have the names without. Beside the phases there may be `System`, the system of the project that the structures belong
to: its reference labels them. Left out, it is the one that is called as the file is, or the only one.

Paths are relative to the folder of the workflow's file. Of a file the last structure counts; what it holds fixed is
refused, since Hold holds atoms. Masses in Species are compared with those of the elements, which MD uses.

A geometry has one of Bulk, Surface and Molecules; a Collage stitches them to parts of what earlier phases of the same
visit have come to. What fixes a mixture of molecules:

| of the compounds | with |
|---|---|
| Count of each | Box, or Density |
| Concentration of each | Number and Density; Number and Box; Density and Box; Density and MaxAtoms |

```yaml
Phase0:
  Geometry:
    Molecules:
      Water: {Path: h2o.xyz, Concentration: 2}
      Oxygen: {Path: o2.xyz, Concentration: 1}
    Density: 1.0
    Number: 30
    Shuffle: true
  Run: {Type: NVT, Steps: 20000, Temperature: 400, Sampling: 10}
Phase1:
  Geometry:
    Surface: {Slab: {Path: silica.xyz}}
    Collage: {From: Phase0, With: [Surface], Vacuum: 15}
  Run:
    Type: NVT
    Steps: 50000
    Temperature: 300
    Sampling: 25
    Load: {Top: 3.0, Axis: z, Pressure: 2.0}
    Hold: {Bottom: 3.0}
```
"""

_EXAMPLE: Final = """\
# What is explored, phase by phase: {what}. All settings: docs/settings/workflow.md of aims_pax
{system}
Phase0:
  Geometry:                              # what the phase begins with
    Species: {species}  # masses, u; MD uses those of the elements
    Bulk:                                # one of these is drawn at each visit
      Structure_1:
        Path: {path}  # relative to the folder of this file; its last structure
        # Repeat: [2, 2, 2]              # of its cell
  Run:
    Type: 'Relax'                        # Relax | NVT | NPT | NVE
    Sampling: 0                          # frames that may be labelled: none

Phase1:                                  # without Geometry: it goes on where the phase before has come to
  Run:
    Timestep: {timestep}  # fs; 0.5 with hydrogen, 1 to 2 without
    Steps: {steps}  # MD steps
    Type: 'NVT'
    Temperature: {{Tstart: 300, Tstop: {hottest}}}    # K, evenly from one to the other: {hot}
    Sampling: 50                         # one frame of each of 50 equal windows: that of highest score

Phase2:
  Run:
    Timestep: {timestep}  # fs
    Steps: {steps}  # MD steps
    Type: 'NVT'
    Temperature: {{Tstart: {hottest}, Tstop: 300}}    # K: {cold}
    Sampling: 50
"""


def workflow_text(frame: Frame, path: str, *, system: str) -> str:
    """A workflow that melts and quenches a crystal, or heats and cools a molecule.

    Parameters
    ----------
    frame : Frame
        The structure.
    path : str
        Of its file, from the folder of the workflow's file.
    system : str
        The system that it belongs to; empty where it need not be said.
    """
    from ase.data import atomic_masses_iupac2016, chemical_symbols

    numbers = sorted({int(number) for number in frame.numbers})
    masses = (f"{chemical_symbols[number]}: {atomic_masses_iupac2016[number]:.6g}" for number in numbers)
    is_crystal = bool(frame.pbc.any())
    timestep = 0.5 if 1 in numbers else 1.0
    said = f"\nSystem: {_quoted(system)}  # of the project: its reference labels\n" if system else ""
    return aligned(
        _EXAMPLE.format(
            what="a crystal is melted and quenched" if is_crystal else "a molecule is heated and cooled",
            system=said,
            species=f"{{{', '.join(masses)}}}",
            path=_quoted(path),
            timestep=timestep,
            steps=round(20_000 / timestep),
            hottest=HOTTEST_CRYSTAL_K if is_crystal else HOTTEST_MOLECULE_K,
            hot="beyond most melting points; carbon: 9000" if is_crystal else "below where it falls apart",
            cold="quenched" if is_crystal else "cooled",
        )
    )


def workflow_of(folder: Path, starting: Starting) -> str:
    """A workflow of the first starting structure; of the last one of its file, where it holds several."""
    system, name = starting.systems[0], starting.place
    placed = next((one for one in starting.files if system in one.systems), None)
    if placed is not None:
        system, name = placed.systems[-1], placed.name
    elif (file := system.file) is not None:
        system = next(one for one in reversed(starting.systems) if one.file == file)
        name = file.resolve().relative_to(folder.resolve()).as_posix()
    return workflow_text(system.frame, name, system=system.name if len(starting.systems) > 1 else "")


def stage_words(starting: Starting) -> str:
    """How a stage names the file, for a person who has just got it."""
    stage = f"STAGES:\n  - explore: {{workflow: [{WORKFLOW_FILE}]}}"
    n_systems = len(starting.systems)
    each = f" Its structure is one of {n_systems} systems; each may have a file of its own." if n_systems > 1 else ""
    return f"{WORKFLOW_FILE} is gone through where a stage of aims_PAX.yaml names it.{each}\n{stage}"


def other_names() -> Iterator[tuple[str, str]]:
    """Spellings that differ in more than a capital, and the settings that they stand for."""
    told: set[tuple[str, str]] = set()
    for model in sections_within(PhaseSettings):
        for alias, name in model.ALIASES.items():
            if alias.lower() != name and (alias, name) not in told:
                told.add((alias, name))
                yield alias, name


def sections_within(model: type[Section]) -> Iterator[type[Section]]:
    """It, and all that are within it."""
    yield model
    for info in model.model_fields.values():
        inner = nested_section(info)
        if inner is not None:
            yield from sections_within(inner)


def _quoted(text: str) -> str:
    """As YAML reads it back, whatever is in it."""
    plain = json.dumps(text, ensure_ascii=False)
    return f"'{text}'" if plain == f'"{text}"' and "'" not in text else plain
