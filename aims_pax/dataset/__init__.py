"""The dataset of a run and everything else that must outlive it.

``store`` is the run's one durable file (SQLite), put together from ``tables/``; ``records`` are the values that go in
and come out, ``shares`` says who learns from what, ``lock`` lets one campaign work in a folder, ``run_folder`` says
where everything lies, ``extxyz`` and ``hdf5/`` are the ways to other programs, and ``first_sets`` cuts what comes from
there.
"""

from aims_pax.dataset.records import Counts, EpochRow, JobStatus, JournalEntry, ScoreRow, StoredJob
from aims_pax.dataset.store import RunStore

__all__ = ["Counts", "EpochRow", "JobStatus", "JournalEntry", "RunStore", "ScoreRow", "StoredJob"]
