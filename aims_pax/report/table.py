"""Numbers of a run by columns: arrays of NumPy, and a frame of pandas where that is installed."""

import csv
import io
from pathlib import Path
from typing import Any, TextIO

from numpy.typing import NDArray

from aims_pax.dataset.durable import replacing
from aims_pax.errors import Problem, UserError


class Table(dict[str, NDArray[Any]]):
    """Columns of equal length by their names; what is measured carries its unit last."""

    @property
    def n_rows(self) -> int:
        """Length of each column."""
        return len(next(iter(self.values()), ()))

    def frame(self) -> Any:
        """The same as a DataFrame.

        Raises
        ------
        UserError
            There is no pandas here.
        """
        try:
            import pandas
        except ImportError:
            found, advice = "pandas is not installed.", "Install it, or take the columns, which are arrays of NumPy."
            raise UserError(Problem("frame()", found, "", advice)) from None
        return pandas.DataFrame(dict(self))

    def write_csv(self, path: Path) -> None:
        """Write it with a line of names; numbers keep every digit, and what was not measured is ``nan``."""
        with replacing(path) as file:
            self._write(file)

    def csv_text(self) -> str:
        """The same as a text."""
        text = io.StringIO()
        self._write(text)
        return text.getvalue()

    def _write(self, file: TextIO) -> None:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(self)
        writer.writerows(zip(*(values.tolist() for values in self.values()), strict=True))

    def __repr__(self) -> str:
        return f"Table of {self.n_rows} rows: {', '.join(self)}"
