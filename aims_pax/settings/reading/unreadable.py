"""What a structure file says that can't be taken as it was meant."""


class Unreadable(Exception):
    """A structure file whose meaning would be lost, or that holds nothing.

    Parameters
    ----------
    found, allowed, advice : str
        As in :class:`aims_pax.errors.Problem`.
    line : int or None
        Where in the file, from 1.
    """

    def __init__(self, found: str, allowed: str = "", advice: str = "", *, line: int | None = None) -> None:
        super().__init__(found)
        self.found, self.allowed, self.advice, self.line = found, allowed, advice, line
