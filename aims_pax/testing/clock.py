"""A time that does not pass by itself."""


class Clock:
    """A time that stands still until it is moved.

    Parameters
    ----------
    now : float, s
    tick_s : float, s
        By how much it moves whenever it is looked at.
    """

    def __init__(self, now: float = 1.8e9, *, tick_s: float = 0.0) -> None:
        self.now = now
        self._tick_s = tick_s

    def __call__(self) -> float:
        """The present moment, s."""
        self.now += self._tick_s
        return self.now

    def advance(self, seconds: float) -> None:
        """Let so much time pass."""
        self.now += seconds
