"""What is won by keeping an engine alive from one structure to the next, instead of starting it for every label?

    python benchmarks/asi.py

Ethanol by GFN2-xTB behind the Atomic Simulation Interface: tblite's C library, which is compiled for it, and labelled
by the reference `asi` as in a campaign; once kept alive, once ended after every label. Needs asi4py, mpi4py, mpich and
a C compiler. Writes the same as JSON records with --json FILE; --quick takes fewer labels, on one rank.

What FHI-aims saves depends on its own start (reading species, integration grids, initial density) and is not measured.
"""

import argparse
import importlib.util
import json
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from types import ModuleType

from ase.build import molecule

from aims_pax.atoms import frame_of
from aims_pax.frame import Frame, Label
from aims_pax.reference.process.supervised import Supervised
from aims_pax.reference.registry import build_reference
from aims_pax.settings.methods.asi import AsiInput

LIBRARIES = Path(__file__).parents[1] / "tests" / "asi" / "libraries.py"


@dataclass(frozen=True, slots=True)
class Rate:
    """Labels per second in one mode, and how many times those of an engine that is started for every label."""

    mode: str
    ranks: int
    labels_per_s: float
    ratio: float


def libraries() -> ModuleType:
    """What compiles the libraries of the tests."""
    spec = importlib.util.spec_from_file_location("libraries", LIBRARIES)
    if spec is None or spec.loader is None:
        raise SystemExit(f"{LIBRARIES} can't be read; run this in a clone of the repository.")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def ethanol(step: int) -> Frame:
    """A structure as MD gives it, another one for every step."""
    atoms = molecule("CH3CH2OH")
    atoms.rattle(0.05, seed=step)
    return frame_of(atoms, system="ethanol", md_step=step)


def labels_per_s(settings: AsiInput, folder: Path, *, n_labels: int, keep_alive: bool) -> float:
    """Rate over `n_labels` labels; kept alive, the one start counts among them."""
    reference = build_reference(settings)
    assert isinstance(reference, Supervised)
    started = time.perf_counter()
    for step in range(n_labels):
        label = reference.label(ethanol(step), folder=folder, want_stress=False)
        if not isinstance(label, Label):
            raise SystemExit(f"A label failed: {label.message}")
        if not keep_alive:
            reference.close()
    rate = n_labels / (time.perf_counter() - started)
    reference.close()
    return rate


def measured(folder: Path, *, ranks: int, n_kept: int, n_restarted: int) -> list[Rate]:
    """Both modes on this number of ranks."""
    test_libraries = libraries()
    missing = test_libraries.missing()
    if missing is not None:
        raise SystemExit(f"This can't be measured here: {missing}.")
    settings = test_libraries.lennard_jones_input(launch=f"{test_libraries.PROGRAMS}/mpiexec -n {ranks}")
    environment = {"TBLITE_LIBRARY": str(test_libraries.tblite_library()), "OMP_NUM_THREADS": "1"}
    update = {"library": test_libraries.build("tblite", folder), "environment": environment}
    settings = settings.model_copy(update=update | ({"launch": None} if ranks == 1 else {}))
    restarted = labels_per_s(settings, folder, n_labels=n_restarted, keep_alive=False)
    kept = labels_per_s(settings, folder, n_labels=n_kept, keep_alive=True)
    return [Rate("restarted", ranks, restarted, 1.0), Rate("kept alive", ranks, kept, kept / restarted)]


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a few labels on one rank")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the records to FILE")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rates = [
            rate
            for ranks in ((1,) if arguments.quick else (1, 2))
            for rate in measured(
                Path(folder),
                ranks=ranks,
                n_kept=20 if arguments.quick else 200,
                n_restarted=3 if arguments.quick else 10,
            )
        ]
    print(f"{'mode':<12}{'ranks':>6}{'labels/s':>10}{'ratio':>8}")
    for rate in rates:
        print(f"{rate.mode:<12}{rate.ranks:>6}{rate.labels_per_s:>10.2f}{rate.ratio:>8.1f}")
    if arguments.json is not None:
        arguments.json.write_text(json.dumps([asdict(rate) for rate in rates], indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
