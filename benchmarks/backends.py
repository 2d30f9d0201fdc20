"""What would other ways to evaluate the committee give? Each beside what aims_pax does, on the same batch.

    python benchmarks/backends.py --quick
    python benchmarks/backends.py --systems peptide --trajectories 32 --json backends.json

- aims_pax: Committee.evaluate, as in every step of MD with `propagate_with: mean`; the others get their
  graph for nothing;
- aims_pax, compiled: the same with `compile: true` in mace.yaml;
- as built: member after member as MACE builds them, whose tensor products are TorchScript;
- TorchScript: each member as a whole;
- compiled: torch.compile as MACE's own calculator does it, each member by itself, for the shapes of this
  batch; on a CPU with one thread;
- vectorised: all members in one pass, by torch.func.stack_module_state and vmap, on the same kind of models;
- cuEquivariance: NVIDIA's kernels through MACE's own conversion, where cuequivariance-torch is installed;
- the same ", graph": recorded once as a CUDA graph and played again, which a GPU only can.

`first` are seconds for preparing a way and its first pass; `error` is the largest difference of a force component to
`as built`, which has to be small for the speed to count; `busy` is the fraction of the time that the GPU works. The
batch has one shape. In a run shapes change at nearly every step: `graph` would have to pad them.
What a way can't do is told in its row. With --quick, which leaves out what has to be compiled, it takes less than two
minutes.
"""

import argparse
import copy
import functools
import json
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import cast
from unittest.mock import patch

import numpy as np
import torch
from busy import gpu_seconds
from md import SYSTEMS, Case, case_of, frame_of
from torch import Tensor, nn

from aims_pax.batch import AtomBatch
from aims_pax.committee.cores import one_core
from aims_pax.committee.mace.graph import ModelInput, model_input
from aims_pax.committee.mace.model import frame_of as asked_by

# Parts of mace-torch that md.py has brought along
from e3nn.util import jit  # isort: skip
from mace.cli.convert_e3nn_cueq import run as to_cuequivariance  # isort: skip
from mace.modules import blocks, models, radial, utils, wrapper_ops  # isort: skip
from mace.tools.compile import prepare  # isort: skip
from mace.tools.scripts_utils import extract_model  # isort: skip

Pass = Callable[[], Tensor]
"""One evaluation of all members: forces, (M, N, 3), eV/Å."""


@dataclass(frozen=True, slots=True)
class Record:
    """One line of the table; what could not be measured is None, and `problem` says why."""

    system: str
    model: str
    device: str
    dtype: str
    n_trajectories: int
    way: str
    first_s: float | None = None
    pass_ms: float | None = None
    speedup: float | None = None
    error_ev_per_ang: float | None = None
    gpu_busy: float | None = None
    problem: str | None = None


class NotHereError(Exception):
    """This machine can't do it."""


def own_positions(data: ModelInput) -> ModelInput:
    """The same input, with positions that forces can be derived by."""
    return {**data, "positions": data["positions"].detach().clone().requires_grad_(True)}


def in_turn(members: Sequence[nn.Module], data: ModelInput, *, training: bool = False) -> Pass:
    """Member after member."""

    def evaluate() -> Tensor:
        said = [m(own_positions(data), training=training, compute_force=True)["forces"] for m in members]
        return torch.stack([forces.detach() for forces in said])

    return evaluate


def as_built(case: Case, data: ModelInput) -> Pass:
    return in_turn(case.models, data)


def scripted(case: Case, data: ModelInput) -> Pass:
    return in_turn([jit.compile(copy.deepcopy(model)) for model in case.models], data)


def without_codegen(case: Case) -> list[nn.Module]:
    """Copies whose tensor products are Python that can be traced."""
    return [prepare(extract_model)(model, map_location=case.committee.device) for model in case.models]


def compiled(case: Case, data: ModelInput, *, mode: str = "default") -> Pass:
    torch.compiler.reset()
    made = [cast(nn.Module, torch.compile(model, mode=mode)) for model in without_codegen(case)]
    # As in MACE's calculator: with training=False the graph of the energy is thrown away while it is being traced.
    evaluate = in_turn(made, data, training=True)
    if case.committee.device.type != "cpu":
        return evaluate

    def on_one_core() -> Tensor:
        with one_core():  # what PyTorch 2.13 writes for several threads ends with a segmentation fault
            return evaluate()

    return on_one_core


def out_of_place_sum(
    src: Tensor, index: Tensor, dim: int = -1, out: Tensor | None = None, dim_size: int | None = None
) -> Tensor:
    """MACE's scatter_sum without writing into a tensor, which vmap can't follow."""
    shape = list(src.shape)
    shape[dim] = int(index.max()) + 1 if dim_size is None else dim_size
    empty = torch.zeros(shape, dtype=src.dtype, device=src.device) if out is None else out
    return empty.index_add(dim, index, src)


def plain_graph(data: ModelInput, **_: bool) -> utils.GraphContext:
    """MACE's prepare_graph without requires_grad_, which torch.func forbids; without strain."""
    vectors, lengths = utils.get_edge_vectors_and_lengths(
        positions=data["positions"], edge_index=data["edge_index"], shifts=data["shifts"]
    )
    return utils.GraphContext(
        is_lammps=False,
        num_graphs=data["ptr"].numel() - 1,
        num_atoms_arange=torch.arange(len(data["positions"]), device=vectors.device),
        displacement=None,
        positions=data["positions"],
        vectors=vectors,
        lengths=lengths,
        cell=data["cell"],
        node_heads=torch.zeros_like(data["batch"]),
        interaction_kwargs=utils.InteractionKwargs(None, (0, 0)),
    )


@contextmanager
def vectorisable() -> Iterator[None]:
    """Inside, a MACE model is a function that torch.func can transform."""
    with ExitStack() as patched:
        patched.enter_context(patch.object(models, "prepare_graph", plain_graph))
        for module in (models, blocks, radial, wrapper_ops):
            patched.enter_context(patch.object(module, "scatter_sum", out_of_place_sum))
        yield


def vectorised(case: Case, data: ModelInput) -> Pass:
    members = without_codegen(case)
    weights, buffers = torch.func.stack_module_state(members)
    constants = {name: tensor for name, tensor in data.items() if name != "positions"}

    def energies(weights: dict[str, Tensor], buffers: dict[str, Tensor], positions: Tensor) -> Tensor:
        arguments = ({**constants, "positions": positions},)
        out = torch.func.functional_call(members[0], (weights, buffers), arguments, {"compute_force": False})
        energy: Tensor = out["interaction_energy"]
        return energy

    def evaluate() -> Tensor:
        positions = data["positions"].detach().expand(len(members), -1, -1).clone().requires_grad_(True)
        with vectorisable():
            total = torch.vmap(energies)(weights, buffers, positions).sum()
        return -torch.autograd.grad(total, positions)[0]

    return evaluate


def cuequivariance(case: Case, data: ModelInput) -> Pass:
    if not wrapper_ops.CUET_AVAILABLE:
        raise NotHereError("cuequivariance-torch is not installed")
    device = case.committee.device.type
    return in_turn([to_cuequivariance(copy.deepcopy(model), device=device) for model in case.models], data)


def recorded(evaluate: Pass) -> Pass:
    """The same pass as a CUDA graph."""
    aside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    aside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(aside):
        for _ in range(3):
            evaluate()
    torch.cuda.current_stream().wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        forces = evaluate()

    def replay() -> Tensor:
        graph.replay()
        return forces

    return replay


PLAIN = {"as built": as_built, "TorchScript": scripted, "vectorised": vectorised, "cuEquivariance": cuequivariance}


COMPILED = ("aims_pax, compiled", "compiled", "compiled, graph")
WAYS = ("aims_pax", *PLAIN, *(f"{name}, graph" for name in PLAIN), *COMPILED)

compiled_case = functools.cache(functools.partial(case_of, compiled=True))


def ours_compiled(case: Case, batch: AtomBatch) -> Pass:
    made = compiled_case(case.system, case.model, device=case.committee.device.type, dtype=case.dtype)
    return lambda: made.committee.evaluate(batch).forces


def ways(case: Case, batch: AtomBatch, data: ModelInput) -> dict[str, Callable[[], Pass]]:
    """How to prepare each way."""
    found: dict[str, Callable[[], Pass]] = {
        "aims_pax": lambda: lambda: case.committee.evaluate(batch).forces,
        "aims_pax, compiled": lambda: ours_compiled(case, batch),
    }
    for name, way in PLAIN.items():
        found[name] = lambda way=way: way(case, data)  # type: ignore[misc]
    found["compiled"] = lambda: compiled(case, data)
    if case.committee.device.type == "cuda":
        for name, way in PLAIN.items():
            found[f"{name}, graph"] = lambda way=way: recorded(way(case, data))  # type: ignore[misc]
        found["compiled, graph"] = lambda: compiled(case, data, mode="reduce-overhead")
    return found


def batch_of(case: Case, n_trajectories: int) -> AtomBatch:
    """Structures of one size that differ by 0.05 Å."""
    random = np.random.default_rng(11)
    frames = []
    for _ in range(n_trajectories):
        moved = case.atoms.copy()
        moved.positions += random.normal(0.0, 0.05, moved.positions.shape)
        frames.append(frame_of(moved))
    return AtomBatch.from_frames(frames, case.committee.cutoff, device=case.committee.device)


def timed(evaluate: Pass, *, budget_s: float, synchronize: Callable[[], None]) -> float:
    """Seconds of the median pass."""
    evaluate()
    begin, found = time.perf_counter(), list[float]()
    while len(found) < 5 or time.perf_counter() - begin < budget_s:
        synchronize()
        start = time.perf_counter()
        evaluate()
        synchronize()
        found.append(time.perf_counter() - start)
    return float(np.median(found))


def records(case: Case, n_trajectories: int, arguments: argparse.Namespace) -> Iterator[Record]:
    """All ways for one batch."""
    device = case.committee.device
    synchronize: Callable[[], None] = torch.cuda.synchronize if device.type == "cuda" else lambda: None
    batch = batch_of(case, n_trajectories)
    data = model_input(batch, asked_by(case.models[0]))
    truth = as_built(case, data)()
    ours: float | None = None
    for name, way in ways(case, batch, data).items():
        if name not in arguments.ways:
            continue
        head = (case.system, case.model, device.type, arguments.dtype, n_trajectories, name)
        try:
            start = time.perf_counter()
            evaluate = way()
            forces = evaluate()
            synchronize()
            first_s = time.perf_counter() - start
            pass_s = timed(evaluate, budget_s=arguments.seconds, synchronize=synchronize)
            kernels_s = gpu_seconds(evaluate) if device.type == "cuda" else None
        except Exception as cause:  # in whatever way a backend fails, that is its result
            first_line = f"{type(cause).__name__}: {cause}" if not isinstance(cause, NotHereError) else str(cause)
            yield Record(*head, problem=first_line.splitlines()[0])
            continue
        ours = pass_s if name == "aims_pax" else ours
        yield Record(
            *head,
            first_s=first_s,
            pass_ms=1000 * pass_s,
            speedup=None if ours is None else ours / pass_s,
            error_ev_per_ang=float((forces - truth).abs().max()),
            gpu_busy=None if kernels_s is None else kernels_s / pass_s,
        )


def parsed() -> argparse.Namespace:
    """The command line; --quick fills what is not given with little."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--systems", nargs="+", choices=list(SYSTEMS))
    parser.add_argument("--models", nargs="+", help="channels x max_L, such as 16x0 32x1")
    parser.add_argument("--trajectories", nargs="+", type=int)
    parser.add_argument("--ways", nargs="+", choices=WAYS, help="all that the device can, if not given")
    parser.add_argument("--device", choices=["cpu", "cuda"], help="a GPU if there is one, if not given")
    parser.add_argument("--dtype", choices=["float32", "float64"], default="float32")
    parser.add_argument("--seconds", type=float, help="time for each line of the table, at least")
    parser.add_argument("--quick", action="store_true", help="a few lines only, in less than two minutes")
    parser.add_argument("--json", type=Path, help="also write the records to this file")
    arguments = parser.parse_args()
    few = {"systems": ["ethanol"], "models": ["16x0"], "trajectories": [8], "seconds": 1.0}
    few["ways"] = [way for way in WAYS if way not in COMPILED]
    many = {"systems": ["ethanol", "peptide"], "models": ["16x0", "32x1"], "trajectories": [32, 128], "seconds": 5.0}
    many["ways"] = list(WAYS)
    common = {"device": "cuda" if torch.cuda.is_available() else "cpu"}
    for name, value in {**(few if arguments.quick else many), **common}.items():
        if getattr(arguments, name) is None:
            setattr(arguments, name, value)
    return arguments


def line_of(one: Record) -> str:
    """A record as a line of the table."""
    head = f"{one.system:8} {one.model:6} {one.device:6} {one.n_trajectories:4d} {one.way:21}"
    if one.problem is not None:
        return f"{head} {one.problem[:90]}"
    ratio = "" if one.speedup is None else f"{one.speedup:.2f}"
    busy = "" if one.gpu_busy is None else f"{one.gpu_busy:.2f}"
    return f"{head} {one.first_s:8.2f} {one.pass_ms:9.2f} {ratio:>8} {one.error_ev_per_ang:9.1e} {busy:>5}"


def main() -> None:
    """Measure, print, write."""
    arguments = parsed()
    warnings.simplefilter("ignore")  # TorchScript and the compiler have much to say about MACE
    torch.set_default_dtype(getattr(torch, arguments.dtype))  # MACE's conversions build in it
    print(
        f"{'system':8} {'model':6} {'device':6} {'n':>4} {'way':21} {'first s':>8} {'pass ms':>9} {'times':>8} "
        f"{'error':>9} {'busy':>5}"
    )
    found: list[Record] = []
    for system in arguments.systems:
        for model in arguments.models:
            case = case_of(system, model, device=arguments.device, dtype=arguments.dtype)
            for n_trajectories in arguments.trajectories:
                for one in records(case, n_trajectories, arguments):
                    found.append(one)
                    print(line_of(one), flush=True)
                    if arguments.json:
                        written = json.dumps([asdict(record) for record in found], indent=2)
                        arguments.json.write_text(written + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
