"""Steps of Muon: all directions of one size."""

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="training needs the train extra")

import keras

from loupette.toolkit.muon import ConvolutionMuon, orthogonalise


@pytest.mark.parametrize("shape", [(90, 12), (12, 90), (30, 30)])
def test_all_singular_values_become_about_one(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(1)
    # The last direction a fiftieth as long as the first.
    left, _, right = np.linalg.svd(rng.normal(size=shape), full_matrices=False)
    sizes = np.geomspace(1.0, 0.02, min(shape))
    matrix = ((left * sizes) @ right).astype(np.float32)
    result = np.asarray(orthogonalise(keras.ops.convert_to_tensor(matrix)))
    found_left, values, found_right = np.linalg.svd(result, full_matrices=False)
    assert values.min() > 0.6
    assert values.max() < 1.3
    assert np.allclose(found_left @ found_right, left @ right, atol=0.02)


def test_a_step_of_a_kernel_has_the_size_of_one_of_adam() -> None:
    kernel = keras.Variable(np.zeros((3, 3, 24, 48), np.float32))
    gradient = np.random.default_rng(1).normal(size=kernel.shape).astype(np.float32)
    optimizer = ConvolutionMuon(1e-3, weight_decay=0.0)
    optimizer.apply([keras.ops.convert_to_tensor(gradient)], [kernel])
    assert np.sqrt(np.mean(np.asarray(kernel) ** 2)) == pytest.approx(2e-4, rel=0.3)


def test_what_is_no_kernel_takes_steps_of_adam() -> None:
    bias = keras.Variable(np.zeros(4, np.float32))
    gradient = np.array([1.0, -2.0, 30.0, -0.1], np.float32)
    optimizer = ConvolutionMuon(1e-3, weight_decay=0.0)
    optimizer.apply([keras.ops.convert_to_tensor(gradient)], [bias])
    assert np.asarray(bias) == pytest.approx(-1e-3 * np.sign(gradient), rel=0.01)
