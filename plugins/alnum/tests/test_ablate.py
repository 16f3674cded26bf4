"""The comparison of architectures begins from the one that is shipped; it needs the train extra."""

import sys
from pathlib import Path

import pytest

pytest.importorskip("tensorflow", reason="training needs the train extra")

from loupette.toolkit.network import build_model

TRAINING = Path(__file__).parents[1] / "training"


def test_the_first_variant_is_the_shipped_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(TRAINING))
    for name in ("ablate", "generate", "evaluate", "subject"):  # other plugins have such files
        monkeypatch.delitem(sys.modules, name, raising=False)
    import ablate

    variant = next(iter(ablate.VARIANTS.values()))
    built = ablate.build(36, variant.height, variant.width, **variant.options)
    shipped = build_model(36, variant.height, variant.width)
    shapes = [sorted(tuple(w.shape) for w in model.weights) for model in (built, shipped)]
    assert shapes[0] == shapes[1]
    for name in ("ablate", "generate", "evaluate"):
        monkeypatch.delitem(sys.modules, name, raising=False)
