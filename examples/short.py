"""Runs examples in a form of about a minute each, in a temporary folder, and looks at what they leave behind.

    python examples/short.py                         all of them
    python examples/short.py water_dft crystal       some of them

The projects are those of the examples, with fewer structures, smaller models and shorter training.
"""

import json
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

HERE = Path(__file__).resolve().parent
STAND_IN = HERE.parent / "tests" / "aims"
"""What takes the place of FHI-aims, which is licensed."""

AIMS_PAX = Path(sys.executable).with_name("aims-pax")

Changes = Mapping[str, Mapping[str, object]]
"""What is changed, by file and key."""

SHORT: Changes = {
    "aims_PAX.yaml": {
        "INITIAL_DATASET_GENERATION.ensemble_size": 2,
        "INITIAL_DATASET_GENERATION.n_points_per_sampling_step_idg": 3,
        "INITIAL_DATASET_GENERATION.equilibration_steps": 20,
        "INITIAL_DATASET_GENERATION.skip_step_initial": 10,
        "INITIAL_DATASET_GENERATION.intermediate_epochs_idg": 10,
        "INITIAL_DATASET_GENERATION.max_initial_set_size": 6,
        "ACTIVE_LEARNING.ensemble_size": 2,
        "ACTIVE_LEARNING.num_trajectories": 2,
        "ACTIVE_LEARNING.skip_step_mlff": 5,
        "ACTIVE_LEARNING.uncert_not_crossed_limit": 40,
        "ACTIVE_LEARNING.max_train_set_size": 11,  # two of them are the probe's
        "ACTIVE_LEARNING.max_convergence_epochs": 3,
        "MISC.verdict_ps": 0.2,
        "MISC.verdict_runs": 3,
    },
    "mace.yaml": {"ARCHITECTURE.num_channels": 8, "ARCHITECTURE.max_L": 0},
}

SHORT_OF: Mapping[str, Changes] = {
    "crystal": {
        "aims_PAX.yaml": {
            "INITIAL_DATASET_GENERATION.n_points_per_sampling_step_idg": 2,  # of each of three structures
            "INITIAL_DATASET_GENERATION.skip_step_initial": 5,
            "INITIAL_DATASET_GENERATION.max_initial_set_size": 5,
            "ACTIVE_LEARNING.num_trajectories": 3,
            "ACTIVE_LEARNING.max_train_set_size": 15,  # six of them are the probe's
        },
    },
    "fhi_aims": {
        "aims_PAX.yaml": {
            "REFERENCE.command": shlex.join([sys.executable, str(STAND_IN / "aims_standin.py")]),
            "REFERENCE.species_dir": STAND_IN / "species",
        },
    },
    "water_dft": {"aims_PAX.yaml": {"REFERENCE.basis": "def2-svp"}},
}
"""What is different for some examples."""

WHOLE: Mapping[str, Mapping[str, Mapping[str, str]]] = {
    "melt": {
        "salt.yaml": {"Steps: 1000": "Steps: 16", "Steps: 100 ": "Steps: 4 ", "Sampling: 10": "Sampling: 2"},
        "aims_PAX.yaml": {
            "ensemble_size: 3": "ensemble_size: 2",
            "max_visits: 6": "max_visits: 2",
            "holds: stable": "max_convergence_epochs: 5\n      holds: stable",
            "MD:": "MISC: {verdict_ps: 0.2, verdict_runs: 3}\n\nMD:",
        },
    },
}
"""Words of examples whose campaign is a list of stages, and what stands in their place."""

RESULTS = ("training.extxyz", "validation.extxyz", "summary.json", "learning_curve.png", "uncertainty.png", "time.png")

LABELS = {"crystal": ("REF_energy=", "REF_forces:", "REF_stress=")}
"""What training.extxyz must hold; energies and forces where nothing is said."""


def main(names: list[str]) -> None:
    """Run the examples of these names, or all."""
    present = sorted(path.parent.name for path in HERE.glob("*/aims_PAX.yaml"))
    if unknown := set(names) - set(present):
        sys.exit(f"no such example: {', '.join(sorted(unknown))}; there are {', '.join(present)}")
    for name in names or present:
        started_s = time.monotonic()
        with tempfile.TemporaryDirectory(prefix=f"aims-pax-{name}-") as folder:
            project = Path(folder) / name
            write_short(HERE / name, project)
            run(project)
        print(f"example {name}: ok, {time.monotonic() - started_s:.0f} s\n", flush=True)


def write_short(example: Path, project: Path) -> None:
    """Copy an example without what a run of it has left there, with the settings of a short run."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=example, capture_output=True, text=True, check=True).stdout
    for name in names.rstrip("\0").split("\0"):
        target = project / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(example / name, target)
    for name, changes in SHORT.items():
        own = SHORT_OF.get(example.name, {}).get(name, {})
        path = project / name
        if example.name in WHOLE and name == "aims_PAX.yaml":
            continue
        path.write_text(changed(path.read_text(encoding="utf-8"), {**changes, **own}), encoding="utf-8")
    for name, words in WHOLE.get(example.name, {}).items():
        text = (project / name).read_text(encoding="utf-8")
        for said, instead in words.items():
            if said not in text:
                sys.exit(f"{example.name}/{name} holds no {said!r}")
            text = text.replace(said, instead)
        (project / name).write_text(text, encoding="utf-8")


def changed(text: str, changes: Mapping[str, object]) -> str:
    """The YAML text with each ``SECTION.key`` set: in place where the key stands, else first in its section."""
    lines, pending, section = [], dict(changes), ""
    for line in text.splitlines():
        if header := re.match(r"([A-Z_]+):", line):
            section = header[1]
        key = re.match(r"  (\w+):", line)
        dotted = f"{section}.{key[1]}" if key else ""
        lines.append(f"  {key[1]}: {pending.pop(dotted)}" if key and dotted in pending else line)
    for dotted, value in pending.items():
        section, key_name = dotted.split(".")
        start = next((n for n, line in enumerate(lines) if line.startswith(f"{section}:")), None)
        if start is None:
            lines += [f"{section}:"]
            start = len(lines) - 1
        lines.insert(start + 1, f"  {key_name}: {value}")
    return "\n".join(lines) + "\n"


def run(project: Path) -> None:
    """Check, run and evaluate a project; its results must be there and its books must balance."""
    for command in ("check", "run"):
        subprocess.run([AIMS_PAX, command, "."], cwd=project, check=True)
    results = project / "results"
    missing = [name for name in RESULTS if not (results / name).is_file()]
    models = sorted((results / "committee").glob("*.model"))
    products = len(list(results.glob("*.model")))
    if missing or len(models) != 2 or products != 1:
        sys.exit(f"{project.name}: missing {missing}; {len(models)} members instead of 2, {products} products")
    labels = json.loads((results / "summary.json").read_text(encoding="utf-8"))["labels"]
    # A label may fail: that is what the failure path is for. It may not get lost.
    if labels["asked"] != labels["received"] + labels["failed"] or not labels["received"]:
        sys.exit(f"{project.name}: labels do not balance: {labels}")
    training = (results / "training.extxyz").read_text(encoding="utf-8")
    if absent := [key for key in LABELS.get(project.name, ("REF_energy=", "REF_forces:")) if key not in training]:
        sys.exit(f"{project.name}: training.extxyz holds no {' '.join(absent)}")
    evaluate = [AIMS_PAX, "evaluate", "--models", *models, "--data", results / "training.extxyz", "--out", "evaluation"]
    subprocess.run(evaluate, cwd=project, check=True)


if __name__ == "__main__":
    main(sys.argv[1:])
