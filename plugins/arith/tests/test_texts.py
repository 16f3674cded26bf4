"""What the recogniser is trained on: the drawn texts and their symbols."""

import importlib.util
from collections import Counter
from itertools import pairwise
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from loupette_arith.expression import ExpressionError, parse
from loupette_arith.grammar import DRAWN
from loupette_arith.model import ALPHABET, WIDTH

TRAINING = Path(__file__).parents[1] / "training"


@pytest.fixture(scope="module")
def texts() -> ModuleType:
    spec = importlib.util.spec_from_file_location("arith_texts", TRAINING / "texts.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def drawn(texts: ModuleType) -> list[str]:
    rng = np.random.default_rng(7)
    return [texts.draw_sum(rng) for _ in range(4000)]


def test_drawn_sums_are_the_same_for_the_same_seed(texts: ModuleType, drawn: list[str]) -> None:
    rng = np.random.default_rng(7)
    assert [texts.draw_sum(rng) for _ in range(50)] == drawn[:50]


def test_every_symbol_is_drawn_and_no_other(texts: ModuleType, drawn: list[str]) -> None:
    seen = Counter(char for text in drawn for char in texts.to_symbols(text))
    assert set(seen) == set(ALPHABET.symbols)
    assert min(seen.values()) >= 5


def test_drawn_sums_fit_the_recogniser(texts: ModuleType, drawn: list[str]) -> None:
    for text in drawn:
        symbols = texts.to_symbols(text)
        repeats = sum(a == b for a, b in pairwise(symbols))
        assert len(symbols) + repeats <= WIDTH // 4


def test_all_but_the_jumbled_are_sums_that_the_grammar_takes(
    texts: ModuleType, drawn: list[str]
) -> None:
    refused = 0
    for text in drawn:
        try:
            parse(texts.to_symbols(text), DRAWN)
        except ExpressionError:
            refused += 1
    assert 0.03 < refused / len(drawn) < 0.08
