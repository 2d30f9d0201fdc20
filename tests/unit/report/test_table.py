"""Columns of numbers."""

import sys
from pathlib import Path

import numpy as np
import pytest

from aims_pax.errors import UserError
from aims_pax.report.table import Table

TABLE = Table(stage=np.array(["initial", "active"], dtype=object), score=np.array([0.1, 0.2]))


def test_table_is_its_columns() -> None:
    assert TABLE.n_rows == 2
    assert TABLE["score"].sum() == pytest.approx(0.3)
    assert repr(TABLE) == "Table of 2 rows: stage, score"
    assert Table().n_rows == 0


def test_a_table_is_written_digit_by_digit(tmp_path: Path) -> None:
    table = Table(name=np.array(['a,"b"', "c"], dtype=object), x=np.array([0.1 + 0.2, np.nan]), n=np.array([1, 2]))
    table.write_csv(tmp_path / "table.csv")
    assert (tmp_path / "table.csv").read_text() == 'name,x,n\n"a,""b""",0.30000000000000004,1\nc,nan,2\n'


def test_frame_without_pandas_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(UserError, match="pandas is not installed"):
        TABLE.frame()
