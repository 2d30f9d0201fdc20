"""Many numbers of each structure in two: those along which structures differ the most."""

import numpy as np

from aims_pax.frame import FloatArray


def principal(descriptors: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The first two principal components of some structures (n, 2), and the shares of the variance that they hold (2,).

    Signs are such that the largest coefficient of each is positive.
    """
    centred = descriptors - descriptors.mean(axis=0)
    covariance = centred.T @ centred
    values, vectors = np.linalg.eigh(covariance)
    vectors = vectors[:, ::-1][:, :2]
    vectors = vectors * np.sign(vectors[np.abs(vectors).argmax(axis=0), [0, 1]])
    total = float(values.sum()) or 1.0
    places: FloatArray = centred @ vectors
    return places, np.clip(values[::-1][:2] / total, 0.0, 1.0)
