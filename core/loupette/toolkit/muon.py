"""Muon for convolutions: steps whose directions are all of one size. Needs the ``train`` extra.

Keras' Muon takes matrices only, and AdamW for what a convolution learns. This one takes a kernel
as the matrix (rows x columns x inputs, outputs), as its authors do, and iterates on the small
square of it, which costs less.

Sources: Jordan et al., "Muon: an optimizer for hidden layers in neural networks" (2024); Liu et
al., "Muon is scalable for LLM training" (2025), for the size of a step, that of AdamW's.
"""

from typing import Any

import keras

Tensor = Any
"""A tensor of whatever backend Keras runs on; they share no type."""

_ITERATIONS = 5
_STEP = 0.2
"""Root mean square of a step of rate 1, about that of AdamW."""


class ConvolutionMuon(keras.optimizers.Muon):  # type: ignore[misc]  # Keras has no types
    """Muon for kernels of convolutions, AdamW for all else.

    Args:
        rate: learning rate of both.
        weight_decay: share of rate by which kernels shrink; all else by a hundredth of it.
    """

    def __init__(self, rate: float, *, weight_decay: float) -> None:
        super().__init__(
            rate,
            weight_decay=weight_decay,
            adam_weight_decay=weight_decay / 100,
            clipnorm=5.0,
            name="muon",
        )

    def _should_use_adamw(self, variable: Tensor) -> bool:
        return len(variable.shape) != 4

    def _muon_update_step(self, gradient: Tensor, variable: Tensor, lr: Tensor, m: Tensor) -> None:
        ops = keras.ops
        self.assign_add(m, gradient + m * (self.momentum - 1))
        matrix = ops.reshape(gradient + self.momentum * m, (-1, variable.shape[-1]))
        size = _STEP * max(matrix.shape) ** 0.5
        step = lr * size * orthogonalise(matrix)
        self.assign_sub(variable, ops.reshape(step, variable.shape))


def orthogonalise(matrix: Tensor) -> Tensor:
    """A matrix with the same singular vectors, and singular values between 0.7 and 1.2.

    Newton and Schulz' iteration with Jordan's coefficients, on the Gram matrix: all powers of it
    commute, so that only the first and the last product are as large as the matrix.

    Args:
        matrix: float32, (rows, columns).
    """
    ops = keras.ops
    tall = matrix.shape[0] > matrix.shape[1]
    matrix = matrix / (ops.norm(matrix) + 1e-7)
    gram = ops.matmul(ops.transpose(matrix), matrix) if tall else matrix @ ops.transpose(matrix)
    one = ops.eye(gram.shape[0])
    change = one
    for _ in range(_ITERATIONS):
        factor = 3.4445 * one - 4.7750 * gram + 2.0315 * gram @ gram
        change = factor @ change
        gram = factor @ factor @ gram
    return matrix @ change if tall else change @ matrix
