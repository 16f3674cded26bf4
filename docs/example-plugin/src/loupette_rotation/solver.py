"""Finds the disc, then the angle at which its rim fits the picture around it."""

import numpy as np
import numpy.typing as npt

from loupette.plugin import Answer, Challenge, Pixels, Unsolvable

Floats = npt.NDArray[np.float64]

SMALLEST = 60
"""Pixels; a smaller picture has too short a rim."""

LEAST_FIT = 0.5
"""Correlation along the rim; noise reaches less."""

_ANGLES = 720
_GAP = 2
"""Pixels between the rim and what is compared: the rim itself is a blend."""


class RotationSolver:
    """Loaded once in each worker; a model would be kept here."""

    def solve(self, challenge: Challenge) -> Answer:
        """Answer with the degrees by which the disc must be turned counter-clockwise.

        Raises:
            Unsolvable: ``too_small`` or ``no_disc``.
        """
        rgb = challenge.image.rgb
        if min(rgb.shape[:2]) < SMALLEST:
            raise Unsolvable("too_small", f"a side is shorter than {SMALLEST} pixels")
        radii = np.linspace(0.2, 0.47, 100) * min(rgb.shape[:2])
        gap = max(_GAP, 0.01 * min(rgb.shape[:2]))
        inside, outside = sample(rgb, radii - gap), sample(rgb, radii + gap)
        rim = int(np.abs(outside - inside).mean(axis=(1, 2)).argmax())
        fits = correlate(inside[rim], outside[rim])
        best = int(fits.argmax())
        if fits[best] < LEAST_FIT:
            raise Unsolvable("no_disc", "inside and outside of a disc fit at no angle")
        degrees = round(best * 360 / _ANGLES) % 360
        return Answer(str(degrees), confidence(fits, best), {"radius": round(float(radii[rim]))})


def sample(rgb: Pixels, radii: Floats) -> Floats:
    """The colours along circles around the centre of a picture.

    Args:
        rgb: uint8, (height, width, 3).
        radii: float64, (count,), in pixels.

    Returns:
        float64, (count, _ANGLES, 3), clockwise from the right; between pixels, interpolated.
    """
    turn = np.linspace(0, 2 * np.pi, _ANGLES, endpoint=False)
    height, width = rgb.shape[:2]
    x = np.clip(width / 2 - 0.5 + radii[:, None] * np.cos(turn), 0, width - 1.001)
    y = np.clip(height / 2 - 0.5 + radii[:, None] * np.sin(turn), 0, height - 1.001)
    left, top = x.astype(int), y.astype(int)
    right, down = (x - left)[..., None], (y - top)[..., None]
    upper = rgb[top, left] * (1 - right) + rgb[top, left + 1] * right
    lower = rgb[top + 1, left] * (1 - right) + rgb[top + 1, left + 1] * right
    circles: Floats = upper * (1 - down) + lower * down
    return circles


def correlate(inside: Floats, outside: Floats) -> Floats:
    """How well two circles fit, for each step by which the first was turned clockwise.

    Args:
        inside: float64, (_ANGLES, 3).
        outside: float64, the same.

    Returns:
        float64, (_ANGLES,), -1..1; zeros where a circle has one colour.
    """
    first, second = inside - inside.mean(axis=0), outside - outside.mean(axis=0)
    scale = float(np.sqrt((first**2).sum() * (second**2).sum()))
    if scale < 1e-6:
        return np.zeros(len(first))
    spectrum = np.fft.fft(first, axis=0) * np.conj(np.fft.fft(second, axis=0))
    fits: Floats = np.fft.ifft(spectrum, axis=0).real.sum(axis=1) / scale
    return fits


def confidence(fits: Floats, best: int) -> float:
    """0..1: how well the best angle fits, less how well another one does."""
    away = np.roll(fits, -best)[20:-20]  # more than ten degrees from it
    return float(np.clip(fits[best] * (fits[best] - away.max()) * 2.5, 0.0, 1.0))
