"""Where the time of a program goes: the stack of its main thread, looked at again and again by a timer's signal.

Another thread that looks (``sys._current_frames``) crashed Python 3.11 within minutes. A signal's handler runs in the
main thread itself, as soon as a call into C has returned.
"""

import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

INTERVAL_S = 0.003

MODELS = "models: forward, backward"
BUILDING = "building the models"
ELSEWHERE = "everything else"

WITHIN = {"committee/mace/build": BUILDING, "/copy.py": BUILDING, "committee/mace/trained/foundation": BUILDING}
"""Whatever is called from here belongs to it, however deep."""

PLACES = {
    "packages/mace/": MODELS,
    "e3nn/": MODELS,
    "torch/autograd/": MODELS,
    "committee/mace/loss": MODELS,
    "torch/optim/": "optimizer and averaging",
    "committee/mace/optimizer": "optimizer and averaging",
    "committee/mace/averaging": "optimizer and averaging",
    "nn/utils/clip_grad": "optimizer and averaging",
    "committee/checkpoint": "checkpoints of the models",
    "committee/mace/modelfile": "checkpoints of the models",
    "sampling/neighbours": "neighbour lists",
    "aims_pax/batch": "neighbour lists",
    "sampling/": "integrator",
    "committee/mace/graph": "batches of graphs",
    "aims_pax/committee/": "calls of the models",
    "aims_pax/selection/": "uncertainty",
    "aims_pax/dataset/": "run store",
    "aims_pax/stages/memory": "run store",
    "aims_pax/reference/": "labels",
    "aims_pax/labelling/": "labels",
    "outcome/results": "results and figures",
    "outcome/evaluate": "results and figures",
    "aims_pax/report/figures": "results and figures",
    "aims_pax/learner/": "learner",
    "aims_pax/stages/": "learner",
    "aims_pax/campaign/": "learner",
}
"""What code belongs to, by a part of its file's name. The first that fits counts, from the innermost call outwards."""


class Stacks:
    """How often the main thread was found at each place."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Watch while the block runs; to be called in the main thread."""
        before = signal.signal(signal.SIGALRM, self._look)
        signal.setitimer(signal.ITIMER_REAL, INTERVAL_S, INTERVAL_S)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0.0)
            signal.signal(signal.SIGALRM, before)

    def _look(self, _signal: int, frame: FrameType | None) -> None:
        self.counts[place_of(frame)] += 1

    def shares(self) -> dict[str, float]:
        """Fraction of the time at each place, the largest first."""
        return {place: count / self.counts.total() for place, count in self.counts.most_common()}


def place_of(frame: FrameType | None) -> str:
    """What a stack is at work on."""
    files = []
    while frame is not None:
        files.append(frame.f_code.co_filename)
        frame = frame.f_back
    for places in (WITHIN, PLACES):
        for file in files:
            for part, place in places.items():
                if part in file:
                    return place
    return ELSEWHERE
