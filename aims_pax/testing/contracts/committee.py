"""What every committee owes to the stages that it learns in, and to those who use its files."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from aims_pax.errors import ModelError, ShapeError
from aims_pax.frame import Frame, LabelledFrame, Split
from aims_pax.protocols import Committee, EpochPlan, Predictor
from aims_pax.testing.contracts.structures import batch_of, cluster, crystal, points, rattled

UNKNOWN_ELEMENT = 79
UNMEASURED = EpochPlan(valid_skip=10**9, validates_last=False)


class CommitteeContract:
    """Derive from it, and give the methods that build, load and read."""

    ENERGY_TOLERANCE_EV = 1e-8
    FORCE_TOLERANCE_EV_PER_ANG = 1e-8
    """Of a file's predictions against those of the member that it was written by, and of one batch against another."""

    N_EPOCHS_TO_LEARN = 20
    """After so many the errors are below those of the beginning."""

    HAS_STAGE_TWO = True
    """Whether training has a loss of stage two; what is fitted anew has one loss alone."""

    def build(self, labelled: Sequence[LabelledFrame], *, seeds: Sequence[int]) -> Committee:
        """An untrained committee for copper, which has these points."""
        raise NotImplementedError("say how a committee is built")

    def load(self, path: Path) -> Committee:
        """The committee that :meth:`Committee.save` has written."""
        raise NotImplementedError("say how a committee is loaded")

    def read(self, paths: Sequence[Path]) -> Predictor:
        """The models of some files that :meth:`Committee.export` has written."""
        raise NotImplementedError("say how models are read")

    @pytest.fixture
    def committee(self) -> Committee:
        """Two members that share six points for training and two for validation."""
        return self.build(points(6, 2), seeds=(1, 2))

    @pytest.fixture
    def frames(self) -> list[Frame]:
        """Structures that it has not seen."""
        return [rattled(cluster(), 50), rattled(crystal(), 51), rattled(cluster(), 52)]

    # -- other labels --

    def test_other_labels_shift_energies_and_keep_forces(self, committee: Committee, frames: Sequence[Frame]) -> None:
        """By a reference whose energies lie elsewhere: what was learned of forces goes on, on another scale."""
        committee.train(2)
        shift_ev = 12.5
        other = [
            replace(one, label=replace(one.label, energy=one.label.energy + shift_ev * one.frame.n_atoms))
            for one in points(6, 2)
        ]
        again = committee.relabelled(other)
        assert again.generation > committee.generation
        assert [again.n_train(member) for member in (0, 1)] == [6, 6]
        committee.centre_energies()
        for before, after in zip(committee.predict(frames), again.predict(frames), strict=True):
            np.testing.assert_allclose(after.forces, before.forces, atol=self.FORCE_TOLERANCE_EV_PER_ANG)
            n_atoms = before.forces.shape[1]
            # atomic energies are differences of large numbers: of a microelectronvolt nobody knows
            np.testing.assert_allclose(after.energies - before.energies, shift_ev * n_atoms, atol=1e-6)
        again.train(1)
        with pytest.raises(ShapeError, match="needs labelled points"):
            committee.relabelled([])

    def test_a_committee_may_follow_another(self, committee: Committee) -> None:
        """Its generations are counted on, and its epochs."""
        for generation, n_epochs in ((41, 7), (42, 0)):
            committee.succeed(generation, n_epochs=n_epochs)
            assert (committee.generation, committee.n_epochs) == (generation + 1, 7)

    # -- predictions --

    def test_predictions_are_of_every_member_in_order(self, committee: Committee, frames: Sequence[Frame]) -> None:
        """(M, B), (M, N, 3) and (M, B, 6) in double precision; some members in the order asked for."""
        batch = batch_of(committee, frames)
        said = committee.evaluate(batch, want_stress=True)
        assert said.energies.shape == (2, 3)
        assert said.forces.shape == (2, batch.positions.shape[0], 3)
        assert said.stress is not None
        assert said.stress.shape == (2, 3, 6)
        assert {said.energies.dtype, said.forces.dtype, said.stress.dtype} == {torch.float64}
        assert not said.forces.requires_grad
        swapped = committee.evaluate(batch, members=(1, 0))
        assert torch.equal(swapped.forces, said.forces.flip(0))
        assert torch.equal(committee.evaluate(batch, members=(1,)).energies, said.energies[1:])
        assert committee.evaluate(batch).stress is None

    def test_stress_is_that_of_crystals(self, committee: Committee, frames: Sequence[Frame]) -> None:
        """A molecule has none; and none is given that was not wanted."""
        said = committee.predict(frames, want_stress=True)
        assert [one.stress is not None for one in said] == [False, True, False]
        assert said[1].stress is not None
        assert said[1].stress.shape == (2, 6)
        assert all(one.stress is None for one in committee.predict(frames))

    def test_frames_are_predicted_as_in_a_batch(self, committee: Committee, frames: Sequence[Frame]) -> None:
        """One by one, in their order; and nothing for nothing."""
        whole = committee.evaluate(batch_of(committee, frames))
        ends = np.cumsum([frame.n_atoms for frame in frames])
        for index, one in enumerate(committee.predict(frames)):
            np.testing.assert_allclose(
                one.energies, whole.energies[:, index].numpy(force=True), atol=self.ENERGY_TOLERANCE_EV
            )
            forces = whole.forces[:, ends[index] - frames[index].n_atoms : ends[index]].numpy(force=True)
            np.testing.assert_allclose(one.forces, forces, atol=self.FORCE_TOLERANCE_EV_PER_ANG)
        assert committee.predict([]) == []

    def test_descriptors_see_no_turns_places_and_exchanged_atoms(self, committee: Committee) -> None:
        """But tell structures apart."""
        start = rattled(cluster(), 60)
        turned = start.positions @ np.array([[0.0, 1, 0], [0, 0, 1], [1, 0, 0]]) + 3.0
        alike = [replace(start, positions=one) for one in (start.positions, turned, start.positions[::-1].copy())]
        first, *others, last = committee.descriptors([*alike, rattled(cluster(), 61)])
        for other in others:
            np.testing.assert_allclose(other, first, rtol=1e-9, atol=1e-12)
        assert np.abs(last - first).max() > 1e-6

    def test_opinions_are_those_of_the_newest_generation(self, committee: Committee, frames: Sequence[Frame]) -> None:
        """However cheap they are when the same structures come again."""
        batch = batch_of(committee, frames)
        before = committee.opinions(batch).forces.clone()
        assert torch.equal(before, committee.evaluate(batch).forces)
        assert torch.equal(committee.opinions(batch).forces, before)
        moved = batch.at(batch.positions + 0.01 * torch.arange(3))
        assert torch.equal(committee.opinions(moved).forces, committee.evaluate(moved).forces)
        committee.train(2)
        after = committee.opinions(batch).forces
        assert torch.equal(after, committee.evaluate(batch).forces)
        assert not torch.equal(after, before)

    def test_members_disagree(self, committee: Committee, frames: Sequence[Frame]) -> None:
        """Else there is nothing to pick by."""
        committee.train(1)
        forces = committee.evaluate(batch_of(committee, frames)).forces
        assert float((forces[0] - forces[1]).abs().max()) > 1e-4

    def test_elements_that_it_does_not_know_are_refused(self, committee: Committee) -> None:
        """In predictions and among its points, by a message for the user."""
        gold = replace(cluster(), numbers=np.full(4, UNKNOWN_ELEMENT))
        assert committee.numbers == (29,)
        with pytest.raises(ModelError, match="Au"):
            committee.evaluate(batch_of(committee, [gold]))
        (point,) = points(1, first_id=90)
        with pytest.raises(ModelError, match="Au"):
            committee.add([replace(point, frame=gold)])

    # -- points --

    def test_points_go_to_their_member_or_to_all(self) -> None:
        """Training and validation apart; none is taken twice."""
        first, second, third, fourth = points(4)
        committee = self.build([first], seeds=(1, 2))
        committee.add([replace(second, member=1), replace(third, split=Split.VALIDATION), first])
        committee.add([replace(fourth, member=0, split=Split.VALIDATION), replace(second, member=1)])
        assert [committee.n_train(member) for member in (0, 1)] == [1, 2]
        assert [committee.n_valid(member) for member in (0, 1)] == [2, 1]

    def test_points_for_testing_are_nobodys(self) -> None:
        """Errors on what a committee has seen are no errors."""
        first, second = points(2)
        committee = self.build([first, replace(second, split=Split.TEST)], seeds=(1, 2))
        assert [(committee.n_train(member), committee.n_valid(member)) for member in (0, 1)] == [(1, 0), (1, 0)]

    def test_points_change_no_prediction_before_they_are_learned(
        self, committee: Committee, frames: Sequence[Frame]
    ) -> None:
        """Nor the generation."""
        batch = batch_of(committee, frames)
        before, generation = committee.evaluate(batch), committee.generation
        committee.add(points(2, first_id=20))
        assert torch.equal(committee.evaluate(batch).forces, before.forces)
        assert committee.generation == generation

    @pytest.mark.parametrize(("validation_trains", "sizes"), [(False, (3, 1)), (True, (4, 0))])
    def test_points_that_are_shared_are_everybodys(self, validation_trains: bool, sizes: tuple[int, int]) -> None:
        """Nothing that was paid for stays one member's own."""
        first, second, third, fourth = points(4)
        owned = [replace(second, member=1), replace(third, member=0), replace(fourth, member=1, split=Split.VALIDATION)]
        committee = self.build([first, *owned], seeds=(1, 2))
        committee.share_points(validation_trains=validation_trains)
        assert [(committee.n_train(member), committee.n_valid(member)) for member in (0, 1)] == [sizes] * 2

    # -- training --

    def test_epochs_are_told_one_after_the_other_with_every_member(self, committee: Committee) -> None:
        """And count on over all calls."""
        assert committee.generation == 0
        reports = committee.train(2)
        assert [(one.epoch, one.member) for one in reports] == [(1, 0), (1, 1), (2, 0), (2, 1)]
        assert all(one.errors is not None and one.train_loss >= 0 for one in reports)
        assert committee.generation == 1
        assert [(one.epoch, one.member) for one in committee.train(1, members=[1])] == [(3, 1)]
        assert committee.generation == 2
        assert committee.train(0) == []
        assert committee.generation == 2

    def test_only_those_who_train_change(self, committee: Committee, frames: Sequence[Frame]) -> None:
        """In their predictions, as far as weights and averages go."""
        batch = batch_of(committee, frames)
        before = committee.evaluate(batch).forces
        committee.train(2, members=[1])
        after = committee.evaluate(batch).forces
        assert torch.equal(after[0], before[0])
        assert not torch.equal(after[1], before[1])

    def test_errors_fall_while_it_learns(self, committee: Committee) -> None:
        """And are those of its predictions."""
        before = committee.errors()
        reports = committee.train(self.N_EPOCHS_TO_LEARN)
        after = committee.errors()
        for member, (old, new) in enumerate(zip(before, after, strict=True)):
            assert old is not None
            assert new is not None
            assert new.loss < old.loss
            assert new.force_mae_ev_per_ang < old.force_mae_ev_per_ang
            last = [one for one in reports if one.member == member][-1]
            assert last.errors is not None
            assert last.errors.loss == pytest.approx(new.loss, rel=1e-9)
        valid = points(6, 2)[6:]
        said = committee.predict([point.frame for point in valid])
        for member, new in enumerate(after):
            errors = [np.abs(one.forces[member] - point.label.forces) for one, point in zip(said, valid, strict=True)]
            assert new is not None
            assert new.force_mae_ev_per_ang == pytest.approx(float(np.mean(np.concatenate(errors))), rel=1e-5)

    def test_errors_are_measured_as_often_as_the_plan_says(self, committee: Committee) -> None:
        """By the count of a member's epochs; the last of a call in any case, unless the plan says otherwise."""
        committee.train(1)
        reports = committee.train(4, members=[0], plan=EpochPlan(valid_skip=3, validates_last=False))
        assert [one.epoch for one in reports if one.errors is not None] == [3]
        reports = committee.train(3, members=[0], plan=EpochPlan(valid_skip=100))
        assert [one.epoch for one in reports if one.errors is not None] == [8]

    def test_what_can_not_be_measured_or_learned_is_said(self) -> None:
        """No validation points: no errors. No training points: nothing to train on."""
        first, second = points(2)
        committee = self.build([replace(first, member=0), replace(second, member=0)], seeds=(1, 2))
        assert committee.errors() == [None, None]
        assert [one.errors for one in committee.train(1, members=[0])] == [None]
        with pytest.raises(ShapeError, match=r"members \[1\] have no training points"):
            committee.train(1)

    def test_the_best_weights_of_a_convergence_come_back(self, committee: Committee, frames: Sequence[Frame]) -> None:
        """Those of the least validation loss since its beginning, which counts, too."""
        committee.train(2)
        batch = batch_of(committee, frames)
        committee.begin_convergence([0])
        start, untouched = committee.errors(), committee.evaluate(batch, members=(1,)).forces
        committee.set_learning_rate(0, factor=30.0)  # so large that it may well get worse
        reports = committee.train(6, members=[0])
        generation = committee.generation
        committee.end_convergence()
        seen = [errors.loss for errors in (start[0], *(one.errors for one in reports)) if errors is not None]
        now = committee.errors([0])[0]
        assert now is not None
        assert len(seen) == 7
        assert now.loss == pytest.approx(min(seen), rel=1e-9)
        assert committee.generation > generation
        assert torch.equal(committee.evaluate(batch, members=(1,)).forces, untouched)

    def test_stage_two_has_a_loss_and_best_weights_of_its_own(self, committee: Committee) -> None:
        """Of one member, until the convergence ends; beginning it twice is beginning it once."""
        if not self.HAS_STAGE_TWO:
            pytest.skip("models of this family are fitted to one loss")
        committee.train(2)
        first = committee.errors()
        committee.begin_convergence()
        committee.begin_stage_two(0)
        second = committee.errors()
        assert second[1] == first[1]
        assert second[0] is not None
        assert first[0] is not None
        assert second[0].loss != first[0].loss
        assert second[0].force_mae_ev_per_ang == first[0].force_mae_ev_per_ang
        seen = [second[0].loss]
        for _ in range(3):
            committee.begin_stage_two(0)
            reports = committee.train(1, members=[0])
            seen += [one.errors.loss for one in reports if one.errors is not None]
        committee.end_convergence()
        back = committee.errors([0])[0]
        committee.begin_stage_two(0)
        kept = committee.errors([0])[0]
        assert back is not None
        assert kept is not None
        assert kept.loss == pytest.approx(min(seen), rel=1e-9)
        assert back.loss != kept.loss

    def test_centred_energies_are_right_on_average(self, committee: Committee) -> None:
        """On each member's training points; forces do not feel it."""
        committee.train(1)
        train = points(6, 2)[:6]
        before, generation = committee.predict([point.frame for point in train]), committee.generation
        committee.centre_energies()
        after = committee.predict([point.frame for point in train])
        for member in (0, 1):
            errors = [
                (one.energies[member] - point.label.energy) / point.frame.n_atoms
                for one, point in zip(after, train, strict=True)
            ]
            assert float(np.mean(errors)) == pytest.approx(0.0, abs=1e-6)
        np.testing.assert_allclose(after[0].forces, before[0].forces, atol=self.FORCE_TOLERANCE_EV_PER_ANG)
        assert committee.generation > generation

    # -- files --

    def test_a_loaded_committee_is_the_one_that_was_saved(
        self, committee: Committee, frames: Sequence[Frame], tmp_path: Path
    ) -> None:
        """To the last bit, also of what it learns later; when it has got its points again."""
        committee.train(2)
        committee.add(points(1, first_id=30))
        committee.begin_convergence()
        committee.begin_stage_two(1)
        committee.set_learning_rate(0, factor=0.5)
        committee.train(1, plan=UNMEASURED)  # so that the best weights are not the newest
        committee.save(tmp_path / "committee")
        loaded = self.load(tmp_path / "committee")
        for what in ("generation", "names", "seeds"):
            assert getattr(loaded, what) == getattr(committee, what)
        assert [loaded.n_train(member) for member in (0, 1)] == [0, 0], "points are the store's"
        loaded.add([*points(6, 2), *points(1, first_id=30)])
        batch = batch_of(committee, frames)
        assert torch.equal(loaded.evaluate(batch).forces, committee.evaluate(batch).forces)
        for one in (committee, loaded):
            one.train(2, plan=UNMEASURED)
        assert torch.equal(loaded.evaluate(batch).energies, committee.evaluate(batch).energies)
        assert loaded.errors() == committee.errors()
        for one in (committee, loaded):
            one.end_convergence()
        assert torch.equal(loaded.evaluate(batch).energies, committee.evaluate(batch).energies)

    def test_saving_changes_nothing_and_leaves_one_file(self, committee: Committee, tmp_path: Path) -> None:
        """Also when there is one already."""
        for _ in range(2):
            committee.train(1)
            committee.save(tmp_path / "committee")
        assert [path.name for path in tmp_path.iterdir()] == ["committee"]
        with pytest.raises(OSError, match="nowhere"):
            committee.save(tmp_path / "nowhere" / "committee")

    @pytest.mark.parametrize("harm", ["missing", "empty", "cut short", "another's"])
    def test_a_file_that_is_no_committee_is_told_by_its_name(
        self, committee: Committee, tmp_path: Path, harm: str
    ) -> None:
        """A run that goes on must not begin with half of its models."""
        path = tmp_path / "damaged"
        committee.save(path)
        content = path.read_bytes()
        path.write_bytes({"empty": b"", "cut short": content[: len(content) // 2]}.get(harm, b"not a committee"))
        if harm == "missing":
            path.unlink()
        with pytest.raises(ModelError, match="damaged"):
            self.load(path)

    def test_a_models_file_predicts_what_its_member_does(
        self, committee: Committee, frames: Sequence[Frame], tmp_path: Path
    ) -> None:
        """One file for each member, named after its seed; the committee goes on as it was."""
        committee.train(2)
        said = committee.predict(frames)
        paths = committee.export(tmp_path, "product")
        assert [path.name for path in paths] == ["product_1.model", "product_2.model"]
        models = self.read(paths)
        assert models.n_members == 2
        assert models.numbers == committee.numbers
        for one, other in zip(models.predict(frames), said, strict=True):
            np.testing.assert_allclose(one.energies, other.energies, atol=self.ENERGY_TOLERANCE_EV)
            np.testing.assert_allclose(one.forces, other.forces, atol=self.FORCE_TOLERANCE_EV_PER_ANG)
        (second,) = committee.export(tmp_path, "second", members=[1])
        np.testing.assert_allclose(
            self.read([second]).predict(frames)[0].forces[0],
            said[0].forces[1],
            atol=self.FORCE_TOLERANCE_EV_PER_ANG,
        )
        np.testing.assert_array_equal(committee.predict(frames)[0].forces, said[0].forces)

    @pytest.mark.parametrize("harm", ["missing", "empty", "another's"])
    def test_a_file_that_is_no_model_is_told_by_its_name(self, tmp_path: Path, harm: str) -> None:
        """By a message for the user."""
        path = tmp_path / "damaged.model"
        if harm != "missing":
            path.write_bytes(b"" if harm == "empty" else b"not a model")
        with pytest.raises(ModelError, match=r"damaged\.model"):
            self.read([path])
        with pytest.raises(ModelError, match="no model file is given"):
            self.read([])
