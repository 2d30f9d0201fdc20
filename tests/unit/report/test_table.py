"""Columns of numbers."""

import sys

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


def test_frame_without_pandas_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(UserError, match="pandas is not installed"):
        TABLE.frame()
