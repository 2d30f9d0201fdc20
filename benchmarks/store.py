"""A store of a million structures of mixed composition: time and memory of making, opening, counting, sampling, reading
and exporting it, each in a process of its own.

    python benchmarks/store.py                               10^6 structures, some 4 GB in the temporary folder
    python benchmarks/store.py --n 20000 --folder /scratch   a quick run, elsewhere
    python benchmarks/store.py --json store.json
    python benchmarks/store.py --only make "export hdf5" --n-hdf5 1000000    all of them as HDF5, 3.1 GB more

Structures have 2 to 30 atoms of three to five of nine elements, and labels with forces; a third are crystals with a
stress. One in ten validates, one in a hundred tests. What a process needs before it has opened anything (Python, NumPy
and what is imported) is told as the first step. HDF5 is written of a part, since MACE's format costs three times what
extended XYZ costs; --n-hdf5 1000000 writes all.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from aims_pax.dataset.entries import Keys
from aims_pax.dataset.store import RunStore
from aims_pax.face.status import read_status
from aims_pax.frame import Frame, Label, Split
from aims_pax.outcome.datasets import Format, Wanted, write_datasets

ELEMENTS = np.array([1, 6, 7, 8, 13, 14, 22, 29, 79])
N_TOGETHER = 5000
"""Structures that are committed together."""

N_SAMPLED = 1000


@dataclass(frozen=True, slots=True)
class Record:
    """What a step has cost.

    Parameters
    ----------
    step : str
    n_structures : int
        That it has gone through.
    wall_s, cpu_s : float
    peak_mb : float
        Largest memory of its process.
    disk_mb : float
        Of what it has written.
    """

    step: str
    n_structures: int
    wall_s: float
    cpu_s: float
    peak_mb: float
    disk_mb: float = 0.0


def structures(n: int) -> Iterator[tuple[Frame, Label]]:
    """Structures that are all different, and labels that nobody has computed."""
    rng = np.random.default_rng(7)
    for number in range(n):
        n_atoms = int(rng.integers(2, 31))
        kinds = rng.choice(ELEMENTS, size=rng.integers(3, 6), replace=False)
        is_crystal = number % 3 == 0
        frame = Frame(
            system=f"system {number % 50}",
            trajectory=number % 64,
            md_step=number,
            generation=number // 1000,
            numbers=rng.choice(kinds, size=n_atoms),
            positions=rng.normal(size=(n_atoms, 3)),
            cell=np.diag(rng.uniform(8.0, 9.0, 3)) if is_crystal else np.zeros((3, 3)),
            pbc=np.full(3, is_crystal),
            config_type="crystal" if is_crystal else "",
        )
        stress = rng.normal(size=6) / 100 if is_crystal else None
        yield frame, Label(-100.0 * n_atoms, rng.normal(size=(n_atoms, 3)), stress, "engine 1.0 method", 12.0)


def split_of(number: int) -> Split:
    """The use of a structure, by its number."""
    if number % 100 == 7:
        return Split.TEST
    return Split.VALIDATION if number % 10 == 3 else Split.TRAINING


def make(folder: Path, n: int) -> int:
    """The store, by the calls by which a run makes it."""
    with RunStore.open(folder) as store:
        made = structures(n)
        for first in range(0, n, N_TOGETHER):
            with store.transaction():
                for number in range(first, min(n, first + N_TOGETHER)):
                    frame, label = next(made)
                    label_id = store.add_job(frame, "active", source="moving threshold")
                    store.add_label(label_id, label)
                    split = (
                        Split.TEST if number % 100 == 7 else Split.VALIDATION if number % 10 == 3 else Split.TRAINING
                    )
                    store.assign(label_id, split)
    return n


def opened(folder: Path, _n: int) -> int:
    """Opened to go on with."""
    with RunStore.open(folder):
        return 0


def counted(folder: Path, n: int) -> int:
    """How much there is, by status and use."""
    with RunStore.open_readonly(folder) as store:
        counts = store.counts()
    assert counts.n_received == counts.n_train + counts.n_valid + counts.n_test == n
    return n


def looked_at(folder: Path, n: int) -> int:
    """What `aims-pax status` reads."""
    assert read_status(folder).counts.n_received == n
    return 0


def sampled(folder: Path, n: int) -> int:
    """A thousand structures at random."""
    with RunStore.open_readonly(folder) as store:
        found = sum(1 for _ in store.sampled(min(N_SAMPLED, n), np.random.default_rng(1)))
    assert found == min(N_SAMPLED, n)
    return found


def read(folder: Path, n: int) -> int:
    """All structures with their labels, a page at a time."""
    with RunStore.open_readonly(folder) as store:
        n_atoms = sum(point.frame.n_atoms for point in store.labelled())
    assert n_atoms > 2 * n
    return n


def exported(folder: Path, n: int, *, file_format: Format) -> int:
    """What `aims-pax export` writes."""
    with RunStore.open_readonly(folder) as store:
        sample = n if n < store.counts().n_received else None
        wanted = Wanted(folder / str(file_format), file_format, sample)
        written = write_datasets(store, folder / str(file_format), Keys(), wanted)
    return sum(written.values())


def nothing(_folder: Path, _n: int) -> int:
    """The process alone."""
    return 0


STEPS: dict[str, Callable[[Path, int], int]] = {
    "process alone": nothing,
    "make": make,
    "open": opened,
    "count": counted,
    "status": looked_at,
    "sample": sampled,
    "read": read,
    "export extxyz": lambda folder, n: exported(folder, n, file_format=Format.EXTXYZ),
    "export hdf5": lambda folder, n: exported(folder, n, file_format=Format.HDF5),
}


def size_mb(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


def measured(step: str, folder: Path, n: int) -> Record:
    """A step in this process."""
    before, wall, cpu = size_mb(folder), time.perf_counter(), time.process_time()
    n_done = STEPS[step](folder, n)
    wall_s, cpu_s = time.perf_counter() - wall, time.process_time() - cpu
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return Record(step, n_done, wall_s, cpu_s, peak_mb, size_mb(folder) - before)


def in_process(step: str, folder: Path, n: int) -> Record:
    """A step in a process of its own."""
    command = [sys.executable, __file__, "--step", step, "--folder", str(folder), "--n", str(n)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return Record(**json.loads(done.stdout))


def row(record: Record) -> str:
    each = f"{1e6 * record.wall_s / record.n_structures:.0f}" if record.n_structures else ""
    return (
        f"{record.step:14} {record.n_structures:>10} {record.wall_s:>10.2f} {record.cpu_s:>10.2f} {each:>10} "
        f"{record.peak_mb:>10.0f} {record.disk_mb:>10.0f}"
    )


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=10**6, help="structures (1000000)")
    parser.add_argument("--n-hdf5", type=int, help="at most so many of each use are exported to HDF5 (20000)")
    parser.add_argument("--folder", type=Path, help="where to; the folder for temporary files when not given")
    parser.add_argument("--only", nargs="+", choices=STEPS, default=list(STEPS), metavar="STEP", help="these steps")
    parser.add_argument("--json", type=Path, help="write the records into this file")
    parser.add_argument("--step", choices=STEPS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.step is not None:
        print(json.dumps(asdict(measured(options.step, options.folder, options.n))))
        return
    with tempfile.TemporaryDirectory(dir=options.folder) as home:
        print(
            f"{'step':14} {'structures':>9} {'wall s':>8} {'CPU s':>9} {'µs each':>9} {'peak MB':>9} {'written MB':>9}"
        )
        records = []
        for step in STEPS:
            if step not in (*options.only, "make"):
                continue
            n = min(options.n, options.n_hdf5 or 20_000) if step == "export hdf5" else options.n
            records.append(in_process(step, Path(home), n))
            print(row(records[-1]), flush=True)
    if options.json is not None:
        options.json.write_text(json.dumps([asdict(one) for one in records], indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
