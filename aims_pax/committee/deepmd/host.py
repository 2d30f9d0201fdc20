"""The process in the environment of DeePMD-kit: it reads questions, computes, and ends when nobody asks any more.

Started as a program by the interpreter of that environment, in which this package is not: nothing of it is imported but
the file of messages, by its place. With an argument it answers one question in JSON:

- ``check``: whether DeePMD-kit starts, and what it makes of an input.json.
- ``describe``: elements and cutoff of a frozen model.
- ``shift``: add energies to each atom of a model, in its file.
"""

import importlib.util
import io
import json
import os
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np


def _messages() -> Any:
    path = Path(__file__).parents[1] / "hosted" / "messages.py"
    spec = importlib.util.spec_from_file_location("aims_pax_messages", path)
    if spec is None or spec.loader is None:
        raise ImportError(str(path))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main(arguments: list[str]) -> int:
    """Answer until the input ends."""
    # DeePMD-kit prints to where standard output goes: that is kept for answers alone.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    if arguments:
        answer = {"check": _checked, "describe": _described, "shift": _shifted}[arguments[0]](sys.stdin.read())
        answers.write(json.dumps(answer).encode() + b"\n")
        answers.flush()
        return 0
    messages = _messages()
    models: dict[str, Any] = {}
    while True:
        try:
            question = messages.read_block(sys.stdin.buffer)
        except EOFError:
            return 0
        messages.write_block(answers, _answered(question, models))


def _answered(question: Any, models: dict[str, Any]) -> dict[str, Any]:
    kind = str(question["kind"])
    try:
        if kind == "load":
            _load(question, models)
            return {"ok": True}
        if kind == "compute":
            return _computed(question, models)
        return {"error": f"there is no question {kind!r}"}
    except (RuntimeError, ValueError, LookupError) as error:  # what DeePMD-kit and PyTorch raise for a model
        return {"error": f"{type(error).__name__}: {error}"}


def _load(question: Any, models: dict[str, Any]) -> None:
    """Have the models of these keys, and no others."""
    keys = [str(key) for key in question["keys"]]
    for key in set(models) - set(keys):
        del models[key]
    for key in keys:
        if key not in models:
            models[key] = _model(question[f"content of {key}"].tobytes())


def _model(content: bytes) -> Any:
    from deepmd.infer import DeepPot

    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        is_frozen = any("/code/" in name for name in archive.namelist())
    with tempfile.NamedTemporaryFile(suffix=".pth" if is_frozen else ".pt") as file:
        file.write(content)
        file.flush()
        # Compiling a checkpoint takes seconds, of which a model that soon learns more gives none back.
        return DeepPot(file.name, no_jit=not is_frozen)


def _computed(question: Any, models: dict[str, Any]) -> dict[str, Any]:
    """Energies (K, B) in eV, forces (K, N, 3) in eV/Å and stress (K, B, 6) in eV/Å³; NaN for what can't be computed."""
    ends = np.cumsum(question["n_atoms"])
    starts = ends - question["n_atoms"]
    keys, n_structures = [str(key) for key in question["keys"]], len(ends)
    energies = np.full((len(keys), n_structures), np.nan)
    forces = np.full((len(keys), int(ends[-1]), 3), np.nan)
    stress = np.full((len(keys), n_structures, 6), np.nan)
    for rows in _alike(question, starts, ends).values():
        atoms = np.array([np.arange(starts[row], ends[row]) for row in rows])
        is_periodic = bool(question["pbc"][rows[0]].any())
        boxes = question["boxes"][rows].reshape(len(rows), 9) if is_periodic else None
        positions = question["positions"][atoms].reshape(len(rows), -1)
        for index, key in enumerate(keys):
            type_map = list(models[key].get_type_map())
            types = np.array([type_map.index(str(symbol)) for symbol in question["symbols"][atoms[0]]])
            try:
                said = models[key].eval(positions, boxes, types)
            except RuntimeError as error:  # PyTorch's own, for these structures
                print(f"structures {rows}: {error}", file=sys.stderr, flush=True)
                continue
            energies[index, rows] = said[0][:, 0]
            forces[index, atoms] = said[1]
            if is_periodic:
                stress[index, rows] = _stress(said[2], question["cells"][rows])
    return {"energies": energies, "forces": forces, "stress": stress}


def _alike(question: Any, starts: Any, ends: Any) -> dict[Any, list[int]]:
    """Structures that are computed at a time: of the same atoms in the same order, all with a box or all without."""
    groups: dict[Any, list[int]] = {}
    for row, (start, end) in enumerate(zip(starts, ends, strict=True)):
        if np.isfinite(question["positions"][start:end]).all() and np.isfinite(question["boxes"][row]).all():
            kind = (question["numbers"][start:end].tobytes(), bool(question["pbc"][row].any()))
            groups.setdefault(kind, []).append(row)
    return groups


def _stress(virials: Any, cells: Any) -> Any:
    """In ASE's sign and Voigt order, (n, 6): minus the virial, which is symmetric, over the volume; NaN without one."""
    volumes = np.abs(np.linalg.det(cells))
    with np.errstate(divide="ignore", invalid="ignore"):
        full = -virials.reshape(-1, 3, 3) / np.where(volumes > 0, volumes, np.nan)[:, None, None]
    full = (full + full.transpose(0, 2, 1)) / 2
    return full.reshape(-1, 9)[:, [0, 4, 8, 5, 2, 1]]


def _checked(said: str) -> dict[str, Any]:
    import deepmd
    import deepmd.pt.entrypoints.main  # that it can be imported is half of the answer
    from dargs.dargs import ArgumentError
    from deepmd.utils.argcheck import normalize

    try:
        normalize(json.loads(said))
        problem = None
    except (ArgumentError, AssertionError, RuntimeError, ValueError, TypeError, LookupError) as error:
        problem = " ".join(f"{type(error).__name__}: {error}".split())
    return {"version": deepmd.__version__, "problem": problem}


def _described(said: str) -> dict[str, Any]:
    model = _model(Path(said).read_bytes())
    return {"type_map": list(model.get_type_map()), "cutoff_ang": float(model.get_rcut())}


def _shifted(said: str) -> dict[str, Any]:
    import torch

    asked = json.loads(said)
    path, is_frozen = asked["path"], asked["path"].endswith(".pth")
    kept = {"data_modifier.pth": ""}
    content: Any
    if is_frozen:
        content = torch.jit.load(path, map_location="cpu", _extra_files=kept)  # type: ignore[no-untyped-call]
    else:
        content = torch.load(path, map_location="cpu", weights_only=True)
    tensors = dict(content.named_buffers()) if is_frozen else content["model"]
    [bias] = [value for name, value in tensors.items() if name.endswith("atomic_model.out_bias")]
    with torch.no_grad():
        bias[0, :, 0] += torch.tensor(asked["energies_ev"], dtype=bias.dtype)
    if is_frozen:
        torch.jit.save(content, path, _extra_files=kept)
    else:
        torch.save(content, path)
    return {"ok": True}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
