"""Frames of windows that are labelled if no better one comes."""

from dataclasses import dataclass

from aims_pax.dataset.records import ScoreRow
from aims_pax.dataset.store import RunStore
from aims_pax.frame import Frame
from aims_pax.learner.workflows import Submit
from aims_pax.stages.memory import Memory, pack, unpack
from aims_pax.stages.playing.scenes import packed_frame, unpacked_frame


@dataclass(frozen=True, slots=True)
class Scored:
    """A structure that was judged, in a window that is not over."""

    number: int
    md_step: int
    generation: int
    score: float
    threshold: float


@dataclass(frozen=True, slots=True)
class Unwritten:
    """Scores of windows that are not over, by player; a value that can be journalled."""

    players: tuple[int, ...] = ()
    scores: tuple[Scored, ...] = ()


class Windows:
    """What is kept of each player's present window: its best frame, and the scores of all.

    Scores are written when it is known which structure was picked.

    Parameters
    ----------
    key : str
        What names in the store begin with.
    stage, kind : str
        Of the scores in the store.
    """

    def __init__(self, memory: Memory, key: str, *, stage: str, kind: str) -> None:
        self._memory, self._key, self._stage, self._kind = memory, key, stage, kind
        stored = memory.recall_bytes(f"{key} held")
        packed = {} if stored is None else unpack(stored)
        self._held = {int(name): unpacked_frame(data) for name, data in packed.items()}
        open_scores = memory.recall(f"{key} scores", Unwritten) or Unwritten()
        self._open = list(zip(open_scores.players, open_scores.scores, strict=True))
        self._rows: list[ScoreRow] = []

    def hold(self, player: int, frame: Frame) -> None:
        """Keep a structure: the best one of its window until now."""
        self._held[player] = frame

    def frame(self, asked: Submit) -> Frame:
        """The structure that is asked for."""
        frame = self._held[asked.player]
        assert frame.md_step == asked.md_step, "the learner asks for the structure that it had kept"
        return frame

    def scored(self, player: int, score: Scored) -> None:
        """A structure was judged."""
        self._open.append((player, score))

    def over(self, player: int, *, selector: str, picked: int | None) -> None:
        """A window has come to its end; `picked` is the MD step of the structure that is labelled."""
        own = [one for index, one in self._open if index == player]
        self._open = [(index, one) for index, one in self._open if index != player]
        self._rows += [
            ScoreRow(
                one.number,
                player,
                one.md_step,
                one.generation,
                one.score,
                one.threshold,
                one.md_step == picked,
                self._stage,
                selector,
                self._kind,
            )
            for one in own
        ]
        self._held.pop(player, None)

    def keep(self, store: RunStore) -> None:
        """Write all of it, within the caller's transaction."""
        store.append_scores(self._rows)
        self._rows = []
        packed = {str(player): packed_frame(frame) for player, frame in self._held.items()}
        self._memory.keep_bytes(f"{self._key} held", pack(packed))
        self._memory.keep(
            f"{self._key} scores",
            Unwritten(tuple(index for index, _ in self._open), tuple(one for _, one in self._open)),
        )
