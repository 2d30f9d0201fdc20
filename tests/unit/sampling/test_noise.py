"""The noise of a trajectory is a function of seed, trajectory and step."""

import numpy as np
import pytest

from aims_pax.sampling.noise import NoiseStream


def test_noise_does_not_depend_on_the_pieces_it_is_read_in() -> None:
    whole = NoiseStream(3, 0, 5).steps(0, 300)
    stream = NoiseStream(3, 0, 5)
    first, pieces = 0, []
    for n_steps in (1, 62, 1, 1, 130, 0, 64, 41):
        pieces.append(stream.steps(first, n_steps))
        first += n_steps
    assert np.array_equal(np.concatenate(pieces), whole)
    assert np.array_equal(stream.steps(70, 9), whole[70:79])


@pytest.mark.parametrize("other", [NoiseStream(3, 1, 5), NoiseStream(4, 0, 5)])
def test_streams_of_other_trajectories_and_seeds_are_uncorrelated(other: NoiseStream) -> None:
    n_steps = 2000
    ours, theirs = NoiseStream(3, 0, 5).steps(0, n_steps).ravel(), other.steps(0, n_steps).ravel()
    # Four standard errors of a correlation coefficient of independent numbers.
    assert abs(np.corrcoef(ours, theirs)[0, 1]) < 4 / np.sqrt(len(ours))


def test_noise_is_standard_normal() -> None:
    noise = NoiseStream(1, 0, 10).steps(0, 4000).ravel()
    assert abs(noise.mean()) < 4 / np.sqrt(len(noise))
    assert abs(noise.var() - 1) < 4 * np.sqrt(2 / len(noise))
    assert abs((noise**4).mean() - 3) < 4 * np.sqrt(96 / len(noise))


def test_each_drawing_of_momenta_is_another_one() -> None:
    stream = NoiseStream(1, 0, 4)
    assert np.array_equal(stream.momenta(2), NoiseStream(1, 0, 4).momenta(2))
    assert not np.array_equal(stream.momenta(2), stream.momenta(3))
    assert not np.array_equal(stream.momenta(0), stream.steps(0, 1)[0])
