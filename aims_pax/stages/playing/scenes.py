"""The structures of players: what their phases begin with, and what those of the present visit have come to."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from aims_pax.dataset.store import RunStore
from aims_pax.frame import Frame
from aims_pax.protocols import NO_TRAJECTORY
from aims_pax.reference.charged import as_computed
from aims_pax.settings.methods.reference import ReferenceSettings
from aims_pax.stages.memory import Memory, pack, unpack
from aims_pax.stages.playing.cast import Role
from aims_pax.stages.states import PLAYS
from aims_pax.structures.augmentation.streams import Streams
from aims_pax.structures.building.phase import Built, built
from aims_pax.trajectory import pack_arrays, unpack_arrays

SAID: Final = ("system", "trajectory", "md_step", "generation", "charge", "spin", "config_type")
ARRAYS: Final = ("numbers", "positions", "cell", "pbc")
"""What a structure is made of."""

PICTURES: Final = " picture "
"""In names under which it is kept what phases have begun with and come to."""

PRESENT: Final = "present"
"""Under which the structure is kept that the present phase has begun with."""


class Scenes:
    """Builds structures, and remembers them as long as the visit goes on.

    Parameters
    ----------
    key : str
        What names in the store begin with.
    roles : sequence of Role
        By player.
    references : mapping of str to ReferenceSettings
        What labels the structures of each system, by its name.
    seed : int
        Of all that is drawn.
    """

    def __init__(
        self,
        memory: Memory,
        key: str,
        roles: Sequence[Role],
        *,
        references: Mapping[str, ReferenceSettings],
        seed: int,
    ) -> None:
        self._memory, self._key, self._roles = memory, key, roles
        self._references, self._seed = references, seed
        self._of: dict[int, dict[str, Built]] = {}
        self._changed: set[int] = set()
        self._shown: dict[tuple[str, int], tuple[Built, Built]] = {}

    def build(self, player: int, *, visit: int, phase: int) -> Built:
        """The structure that a phase begins with; from now on it is the present one.

        What is drawn depends on the workflow, the phase, the replica and the visit alone.

        Raises
        ------
        NotBuilt
            It can't be made.
        """
        role, own = self._roles[player], self._own(player)
        if phase == 0:
            own.clear()
        new = scene(role, phase, visit=visit, earlier=own, seed=self._seed)
        new = replace(new, frame=as_computed(new.frame, self._references[role.workflow.system]))
        own[PRESENT] = new
        self._changed.add(player)
        return new

    def present(self, player: int) -> Built:
        """What the present phase has begun with."""
        return self._own(player)[PRESENT]

    def over(self, player: int, *, phase: int, frame: Frame) -> None:
        """A phase has come to its end at a structure, which later ones may begin from."""
        own = self._own(player)
        before = own.pop(PRESENT)
        after = replace(before, frame=replace(frame, trajectory=NO_TRAJECTORY, md_step=0))
        own[self._roles[player].phase(phase).name] = after
        self._changed.add(player)
        self._shown[self._roles[player].workflow.name, phase] = before, after

    def keep(self) -> None:
        """Write what has changed, within the caller's transaction."""
        for player in sorted(self._changed):
            packed = {name: _packed(one) for name, one in self._of[player].items()}
            self._memory.keep_bytes(f"{self._key} player {player}", pack(packed))
        self._changed.clear()
        for (workflow, phase), (before, after) in self._shown.items():
            ends = {"begin": _packed(before), "end": _packed(after)}
            self._memory.keep_bytes(f"{self._key}{PICTURES}{workflow} {phase:03d}", pack(ends))
        self._shown.clear()

    def _own(self, player: int) -> dict[str, Built]:
        if player not in self._of:
            stored = self._memory.recall_bytes(f"{self._key} player {player}")
            packed = {} if stored is None else unpack(stored)
            self._of[player] = {name: _unpacked(data) for name, data in packed.items()}
        return self._of[player]


def pictures(memory: Memory, store: RunStore, stage: str) -> dict[tuple[str, int], tuple[Built, Built]]:
    """What phases have begun with and come to, when they were last played to their ends, by workflow and number."""
    prefix = f"{PLAYS}{stage}{PICTURES}"
    found = {}
    for name in store.state_names(prefix):
        workflow, _, number = name.removeprefix(prefix).rpartition(" ")
        packed = unpack(memory.recall_bytes(name) or b"")
        found[workflow, int(number)] = _unpacked(packed["begin"]), _unpacked(packed["end"])
    return found


def scene(role: Role, phase: int, *, visit: int, earlier: Mapping[str, Built], seed: int) -> Built:
    """The structure that a phase of a visit begins with.

    Parameters
    ----------
    earlier : mapping of str to Built
        What the phases before have come to, by their names.

    Raises
    ------
    NotBuilt
        It can't be made.
    """
    this, system = role.phase(phase), role.workflow.system
    if this.settings.geometry is None:
        before = role.phase(phase - 1).name
        return replace(earlier[before], words=f"goes on from {before}")

    def read(path: Path) -> Frame:
        return replace(role.workflow.structures[path], system=system)

    rng = Streams(seed).of(f"{role.workflow.name} {this.name}", str(role.replica), visit)
    return built(this.settings.geometry, earlier=earlier, read=read, rng=rng, system=system)


def packed_frame(frame: Frame) -> bytes:
    """A structure with its identity, as bytes."""
    said, arrays = ({name: getattr(frame, name) for name in names} for names in (SAID, ARRAYS))
    return pack({"said": json.dumps(said).encode(), "arrays": pack_arrays(arrays)})


def unpacked_frame(data: bytes) -> Frame:
    """What :func:`packed_frame` has packed."""
    packed = unpack(data)
    arrays = unpack_arrays(packed["arrays"], ARRAYS)
    said: dict[str, Any] = json.loads(packed["said"])
    return Frame(**said | arrays)


def _packed(one: Built) -> bytes:
    said = {"parts": {name: list(atoms) for name, atoms in one.parts.items()}, "words": one.words}
    return pack({"said": json.dumps(said).encode(), "frame": packed_frame(one.frame)})


def _unpacked(data: bytes) -> Built:
    packed = unpack(data)
    said = json.loads(packed["said"])
    parts = {name: tuple(atoms) for name, atoms in said["parts"].items()}
    return Built(unpacked_frame(packed["frame"]), parts, said["words"])
