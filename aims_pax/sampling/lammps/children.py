"""The processes of many trajectories, of which each may be lost by itself."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from aims_pax.sampling.lammps.child import Message
from aims_pax.sampling.lammps.conversation import Conversation, Lost


class Children:
    """Children by trajectory. One that fails is ended, and its problem is added to those that are handed in.

    Parameters
    ----------
    folder : Path
        Where each trajectory has a folder of its own.
    patience_s : float, s
        Longest wait for each answer.
    """

    def __init__(self, folder: Path, *, patience_s: float) -> None:
        self._folder = folder
        self._patience_s = patience_s
        self._talks = dict[int, Conversation]()
        self._spoken_to = set[int]()

    @property
    def processes(self) -> dict[int, int]:
        """Their numbers in the operating system, by trajectory."""
        return {trajectory: talk.pid for trajectory, talk in self._talks.items()}

    def start(self, trajectories: Iterable[int]) -> dict[int, str]:
        """See that each has a child; the folders for restart files of those that are new.

        One that was left in the middle of a question is replaced.
        """
        found = dict[int, str]()
        for trajectory in trajectories:
            if trajectory in self._spoken_to:
                self.close(trajectory)
            if trajectory not in self._talks:
                folder = self._folder / f"trajectory_{trajectory:03d}"
                folder.mkdir(parents=True, exist_ok=True)
                self._talks[trajectory] = Conversation(folder, patience_s=self._patience_s)
                found[trajectory] = self._talks[trajectory].scratch
        return found

    def say(self, messages: Mapping[int, Message], problems: dict[int, str]) -> None:
        """Tell each of them something."""
        for trajectory, message in messages.items():
            self._spoken_to.add(trajectory)
            try:
                self._talks[trajectory].say(message)
            except Lost as loss:
                self._lose(trajectory, str(loss), problems)

    def hear(self, trajectories: Iterable[int], problems: dict[int, str]) -> dict[int, Message]:
        """What each of them says that has no problem yet; also the last words of those that fail."""
        found = dict[int, Message]()
        for trajectory in trajectories:
            if trajectory not in self._talks:
                continue
            try:
                message = found[trajectory] = self._talks[trajectory].hear()
            except Lost as loss:
                self._lose(trajectory, str(loss), problems)
                continue
            if message.kind == "failed":
                self._lose(trajectory, f"LAMMPS: {message.facts['words']}", problems)
            elif message.kind != "asks":
                self._spoken_to.discard(trajectory)
        return found

    def close(self, trajectory: int) -> None:
        """End a child, if there is one."""
        self._spoken_to.discard(trajectory)
        if trajectory in self._talks:
            self._talks.pop(trajectory).close()

    def close_all(self) -> None:
        """End all of them."""
        for trajectory in list(self._talks):
            self.close(trajectory)

    def _lose(self, trajectory: int, words: str, problems: dict[int, str]) -> None:
        problems[trajectory] = words
        self.close(trajectory)
