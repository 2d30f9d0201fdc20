"""What keeps a structure from being built."""

from aims_pax.errors import AimsPaxError


class NotBuilt(AimsPaxError):
    """A structure can't be built as it was asked for.

    Parameters
    ----------
    found : str
        What failed, in a sentence.
    advice : str
        What to change, in another, by the keys of the workflow's file.
    """

    def __init__(self, found: str, advice: str) -> None:
        self.found, self.advice = found, advice
        super().__init__(f"{found} {advice}")
