"""Sessions that run out of time end a chain of them when nothing gets done."""

from pathlib import Path

import pytest

from aims_pax.campaign.barren import ending_barren_sessions
from aims_pax.dataset.run_folder import RunFolder
from aims_pax.dataset.store import RunStore
from aims_pax.departure import Departed, Reason
from aims_pax.errors import CampaignStopped
from aims_pax.stages.memory import Memory


def session(folder: Path, reason: Reason, *, done: str | None = None) -> None:
    """One session of a run, by a process of its own, that may have done something before it leaves."""
    with RunStore.open(folder) as store:
        memory = Memory(store, RunFolder(folder, folder / "calculations"))
        with ending_barren_sessions(store, memory):
            if done is not None:
                with store.transaction():
                    memory.keep_json("learner.active", done)
            raise Departed(reason)


def test_third_session_in_a_row_with_nothing_done_stops_the_campaign(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(Departed, match=Reason.WALLTIME):
        session(tmp_path, Reason.WALLTIME, done="step 10")
    for words in ("this session has ended", "2 sessions in a row have ended"):
        with pytest.raises(Departed, match=Reason.WARNED):
            session(tmp_path, Reason.WARNED)
        assert f"{words} for lack of time with no label, MD step or epoch done" in caplog.messages[-1]
    for n_barren in (3, 4):
        with pytest.raises(CampaignStopped, match=f"{n_barren} sessions in a row .* Give it more time"):
            session(tmp_path, Reason.WALLTIME)
    with pytest.raises(Departed, match=Reason.WALLTIME):
        session(tmp_path, Reason.WALLTIME, done="step 20")
    assert len(caplog.messages) == 2


def test_sessions_that_people_end_are_not_counted(tmp_path: Path) -> None:
    with pytest.raises(Departed, match=Reason.WALLTIME):
        session(tmp_path, Reason.WALLTIME, done="step 10")
    for _ in range(4):
        with pytest.raises(Departed, match=Reason.INTERRUPTED):
            session(tmp_path, Reason.INTERRUPTED)
