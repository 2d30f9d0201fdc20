"""The dataset of a run and everything else that must outlive it.

``store`` is the run's one durable file (SQLite), built from ``database`` (connection, transactions), ``schema``
(tables and their upgrades), ``lock`` (one run folder, one campaign), ``records`` (the values that go in and come out)
and ``blobs`` (arrays as bytes). What it holds: ``structures`` with their origin, ``labels`` that were asked of
references, ``splits`` (who learns from what), ``predictions`` of the committee before it learned, ``history`` (scores,
learning curves, events, states), ``sessions`` (who has worked on it, with what). ``extxyz`` is the way to other
programs.
"""

from aims_pax.dataset.records import Counts, EpochRow, JobStatus, JournalEntry, ScoreRow, StoredJob
from aims_pax.dataset.store import RunStore

__all__ = ["Counts", "EpochRow", "JobStatus", "JournalEntry", "RunStore", "ScoreRow", "StoredJob"]
