"""Which structures train, validate and test: by how they were made."""

from collections import Counter

from aims_pax.frame import Split
from aims_pax.structures.augmentation.streams import Streams
from aims_pax.structures.splitting import splits_of

from .starts import made, salt, silicon


def places(*, valid: float = 0.1, test: float = 0.1, seed: int = 1) -> list[tuple[str, str, Split]]:
    augment = {"inputs": True, "isolated": True, "distort": 20, "slabs": True, "dimers": 5, "vacancies": 5}
    frames = made([silicon(), salt()], **augment).frames
    splits = splits_of(frames, valid_ratio=valid, test_ratio=test, streams=Streams(seed))
    return [(frame.system, frame.config_type, split) for frame, split in zip(frames, splits, strict=True)]


def test_the_same_shares_of_each_way_of_making_them_validate_and_test() -> None:
    counts = Counter(places())
    for system in ("silicon", "salt"):
        assert counts[system, "distorted", Split.VALIDATION] == 2
        assert counts[system, "distorted", Split.TEST] == 2
        assert counts[system, "distorted", Split.TRAINING] == 16


def test_inputs_isolated_atoms_and_dimers_always_train() -> None:
    for _, kind, split in places(valid=0.4, test=0.4):
        assert split is Split.TRAINING or kind not in ("input", "IsolatedAtom", "dimer")


def test_small_groups_make_up_for_each_other() -> None:
    found = [split for _, kind, split in places() if kind in ("slab", "vacancies")]
    assert len(found) == 16
    assert Counter(found)[Split.VALIDATION] + Counter(found)[Split.TEST] in (2, 3, 4)


def test_places_depend_on_the_seed_alone() -> None:
    assert places() == places()
    assert places() != places(seed=2)
    assert Split.TEST not in {split for *_, split in places(test=0.0)}
