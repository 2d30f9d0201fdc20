"""When a member has stopped improving: the rule behind optimizer resets and behind the end of convergence."""

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Stagnation:
    """Best validation loss of one member on one dataset, and how long ago it was.

    Parameters
    ----------
    patience : int
        Epochs without improvement that count as stagnation.
    margin : float
        A loss is an improvement when it is below the best one by more than this, in the loss's own unit.
    best : float or None
        Best loss so far.
    n_epochs : int
        Epochs since then.
    """

    patience: int
    margin: float
    best: float | None = None
    n_epochs: int = 0

    @property
    def is_reached(self) -> bool:
        """Whether the member has stagnated."""
        return self.n_epochs >= self.patience

    def after(self, loss: float | None, *, n_epochs: int = 1) -> "Stagnation":
        """The state after further epochs, the last of which gave this validation loss (None: not measured)."""
        if loss is not None and (self.best is None or loss < self.best - self.margin):
            return replace(self, best=loss, n_epochs=0)
        return replace(self, n_epochs=self.n_epochs + n_epochs)

    def restarted(self) -> "Stagnation":
        """Count again from here, against the same best loss: the optimizer was reset."""
        return replace(self, n_epochs=0)

    def afresh(self) -> "Stagnation":
        """Forget the best loss: the validation set has changed, so that losses can't be compared."""
        return replace(self, best=None, n_epochs=0)
