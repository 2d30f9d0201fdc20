"""What every source of structures owes to those who collect from it."""

import numpy as np
import pytest

from aims_pax.errors import StructureError
from aims_pax.protocols import NO_TRAJECTORY, Source


class SourceContract:
    """Derive from it, and give :meth:`make` and :meth:`broken`."""

    def make(self) -> Source:
        """A source that gives at least two structures."""
        raise NotImplementedError("say how a source is made")

    def broken(self) -> Source | None:
        """One that can't give what it was asked for; None where that can't be."""
        return None

    @pytest.fixture
    def source(self) -> Source:
        """A source that is well."""
        return self.make()

    def test_it_has_a_name_for_messages_and_the_dataset(self, source: Source) -> None:
        """One line without blanks at its ends."""
        assert source.name.strip() == source.name != ""
        assert "\n" not in source.name

    def test_frames_are_numbered_and_belong_to_no_trajectory(self, source: Source) -> None:
        """So that the name of the source and a number tell each of them."""
        frames = list(source.frames())
        assert len(frames) >= 2
        assert [frame.md_step for frame in frames] == list(range(1, len(frames) + 1))
        assert {(frame.trajectory, frame.generation) for frame in frames} == {(NO_TRAJECTORY, 0)}
        assert all(frame.system for frame in frames)

    def test_structures_are_sound(self, source: Source) -> None:
        """Finite, of elements, and with a cell where they are periodic."""
        for frame in source.frames():
            assert frame.n_atoms > 0
            assert np.isfinite(frame.positions).all()
            assert ((frame.numbers > 0) & (frame.numbers < 119)).all()
            assert np.linalg.norm(frame.cell[frame.pbc], axis=1).all()

    def test_it_gives_the_same_structures_in_the_same_order_again(self, source: Source) -> None:
        """Asked twice, or made twice: a run that goes on must find what it has stored."""
        first, again, others = list(source.frames()), list(source.frames()), list(self.make().frames())
        for one, *more in zip(first, again, others, strict=True):
            for other in more:
                assert (one.system, one.md_step) == (other.system, other.md_step)
                np.testing.assert_array_equal(one.positions, other.positions)
                np.testing.assert_array_equal(one.numbers, other.numbers)
                np.testing.assert_array_equal(one.cell, other.cell)

    def test_its_frames_are_the_takers_own(self, source: Source) -> None:
        """Who moves the atoms of one moves no others."""
        frame = next(source.frames())
        expected = frame.positions.copy()
        frame.positions[:] = 0.0
        np.testing.assert_array_equal(next(source.frames()).positions, expected)

    def test_a_source_that_is_well_has_no_problems(self, source: Source) -> None:
        """They are looked for before a run begins."""
        assert source.problems() == []

    def test_what_it_can_not_give_is_told_beforehand_and_when_it_is_asked(self) -> None:
        """In the same words."""
        source = self.broken()
        if source is None:
            pytest.skip("can't be broken")
        (problem, *_) = source.problems()
        assert problem.where
        assert problem.found
        with pytest.raises(StructureError, match=r".") as caught:
            list(source.frames())
        assert problem in caught.value.problems
