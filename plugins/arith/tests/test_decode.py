"""The search against brute force, and its behaviour on hand-made recogniser outputs."""

import itertools
import time
from fractions import Fraction

import numpy as np
import numpy.typing as npt
import pytest

from loupette_arith.decode import ExpressionDecoder, Reading, average
from loupette_arith.expression import ExpressionError, evaluate
from loupette_arith.grammar import DRAWN

LogProbs = npt.NDArray[np.float32]
ALPHABET = "0123456789+-×÷*/=?一二三十百加减乘除以等于几"


def log_softmax(scores: npt.NDArray[np.float64]) -> LogProbs:
    return (scores - np.logaddexp.reduce(scores, axis=1, keepdims=True)).astype(np.float32)


def spoken(text: str, alphabet: str = ALPHABET, *, steps: int = 40, sure: float = 12.0) -> LogProbs:
    """What a recogniser sure of a text would put out; the blank is class 0."""
    scores = np.zeros((steps, len(alphabet) + 1))
    scores[:, 0] = sure
    for place, char in enumerate(text):
        scores[(2 * place + 1) * steps // (2 * len(text)), alphabet.index(char) + 1] = 2 * sure
    return log_softmax(scores)


def by_brute_force(log_probs: LogProbs, alphabet: str) -> dict[Fraction, float]:
    """Probability of each value, over all alignments."""
    values: dict[Fraction, float] = {}
    for path in itertools.product(range(len(alphabet) + 1), repeat=len(log_probs)):
        text = "".join(alphabet[c - 1] for c, _ in itertools.groupby(path) if c)
        try:
            value = evaluate(text, DRAWN)
        except ExpressionError:
            continue
        probability = float(np.exp(sum(log_probs[t, c] for t, c in enumerate(path))))
        values[value] = values.get(value, 0.0) + probability
    return values


@pytest.mark.parametrize("seed", range(12))
def test_search_agrees_with_brute_force(seed: int) -> None:
    alphabet = "12+×=" if seed % 2 else "3/0-三"
    rng = np.random.default_rng(seed)
    log_probs = log_softmax(rng.normal(0, 1.5, (5, len(alphabet) + 1)))
    expected = by_brute_force(log_probs, alphabet)
    readings = ExpressionDecoder(alphabet, beam=10_000).read(log_probs)
    found = {r.value: r.probability for r in readings}
    for value in expected.keys() | found.keys():
        assert found.get(value, 0.0) == pytest.approx(expected.get(value, 0.0), rel=1e-2, abs=1e-5)
    assert readings[0].value == max(expected, key=lambda value: expected[value])
    assert sum(r.share for r in readings) == pytest.approx(1.0)


@pytest.mark.parametrize("blank", [0, 3, 6])
def test_blank_may_be_any_class(blank: int) -> None:
    alphabet = "123+-="
    rng = np.random.default_rng(blank)
    first = log_softmax(rng.normal(0, 1, (6, 7)))
    order = [*range(1, blank + 1), 0, *range(blank + 1, 7)]
    expected = ExpressionDecoder(alphabet).read(first)
    moved = ExpressionDecoder(alphabet, blank=blank).read(first[:, order])
    assert [(r.value, r.expression) for r in moved] == [(r.value, r.expression) for r in expected]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("12+7=?", 19),
        ("11×99=", 1089),
        ("3-8", -5),
        ("8÷3", Fraction(8, 3)),
        ("三乘以5等于几", 15),
        ("一百一十一-十一", 100),
        ("9-9×7=?", -54),
    ],
)
def test_sure_outputs_are_read_with_high_confidence(text: str, value: Fraction) -> None:
    best = ExpressionDecoder(ALPHABET).read(spoken(text))[0]
    assert (best.expression, best.value) == (text, value)
    assert best.probability > 0.9


def test_best_text_that_is_no_expression_gives_way_to_the_best_that_is() -> None:
    log_probs = spoken("3+5=7", sure=6.0)
    step = int(log_probs[:, ALPHABET.index("7") + 1].argmax())
    log_probs[step, ALPHABET.index("?") + 1] = log_probs[step].max() - 1
    best = ExpressionDecoder(ALPHABET).read(log_probs)[0]
    assert best.value == 8
    assert best.probability < 0.5 < best.share


@pytest.mark.parametrize(
    ("drawn", "meant"), [("3一5", "3-5"), ("三一五", "三-五"), ("-+2", "一+2")]
)
def test_minus_and_one_are_told_apart_by_the_grammar(drawn: str, meant: str) -> None:
    alphabet = ALPHABET + "五"
    best = ExpressionDecoder(alphabet).read(spoken(drawn, alphabet))[0]
    assert best.expression == meant
    assert best.probability > 0.01
    assert best.share > 0.9


def doubtful(text: str, place: int, other: str, alphabet: str = ALPHABET) -> LogProbs:
    """Sure of a text but for one character, which may as well be another."""
    log_probs = spoken(text, alphabet)
    step = (2 * place + 1) * len(log_probs) // (2 * len(text))
    log_probs[step, alphabet.index(other) + 1] = log_probs[step].max() - 0.5
    return log_probs


@pytest.mark.parametrize(
    ("text", "place", "other", "meant"),
    [
        ("5÷4=", 1, "-", "5-4="),  # division comes out whole
        ("8÷4=", 1, "-", "8÷4="),
        ("8-七", 2, "1", "8-1"),  # digits stay among themselves
        ("八-1", 2, "七", "八-七"),
    ],
)
def test_unusual_sums_give_way_to_usual_ones(text: str, place: int, other: str, meant: str) -> None:
    alphabet = ALPHABET + "七八"
    readings = ExpressionDecoder(alphabet).read(doubtful(text, place, other, alphabet))
    assert readings[0].expression == meant


def test_unusual_sums_are_read_where_nothing_else_fits() -> None:
    readings = ExpressionDecoder(ALPHABET + "五").read(spoken("7÷2+五=?", ALPHABET + "五"))
    assert readings[0].value == Fraction(17, 2)
    assert readings[0].confidence > 0.9


def test_expressions_of_one_value_count_together() -> None:
    log_probs = spoken("2×3")
    step = int(log_probs[:, ALPHABET.index("×") + 1].argmax())
    log_probs[step, ALPHABET.index("*") + 1] = log_probs[step].max()
    readings = ExpressionDecoder(ALPHABET).read(log_probs - np.log(2) / len(log_probs))
    assert readings[0].value == 6
    assert readings[0].share > 0.9


@pytest.mark.parametrize("text", ["", "123", "5/0", "0÷0=?", "=?", "加"])
def test_outputs_without_an_expression_give_no_likely_reading(text: str) -> None:
    readings = ExpressionDecoder(ALPHABET).read(spoken(text))
    assert all(reading.probability < 1e-3 for reading in readings)


def test_long_inputs_do_not_underflow() -> None:
    rng = np.random.default_rng(0)
    log_probs = log_softmax(rng.normal(0, 0.1, (2000, len(ALPHABET) + 1)))
    for reading in ExpressionDecoder(ALPHABET).read(log_probs):
        assert 0.0 <= reading.probability <= 1.0
        assert 0.0 < reading.share <= 1.0


def test_search_is_quick_on_noise() -> None:
    rng = np.random.default_rng(0)
    log_probs = log_softmax(rng.normal(0, 3, (48, len(ALPHABET) + 1)))
    decoder = ExpressionDecoder(ALPHABET)
    decoder.read(log_probs)
    start = time.process_time()
    for _ in range(20):
        decoder.read(log_probs)
    # Measured 4 ms on one busy core; the bound only catches a search that lost its limits.
    assert (time.process_time() - start) / 20 < 0.05


def test_an_average_adds_up_what_looks_say_of_a_value() -> None:
    looks = [
        [Reading(Fraction(3), "1+2", 0.4, 0.8), Reading(Fraction(5), "1+4", 0.3, 0.2)],
        [Reading(Fraction(5), "2+3", 0.5, 0.9), Reading(Fraction(3), "1+2=", 0.1, 0.1)],
    ]
    assert average(looks) == [
        Reading(Fraction(5), "2+3", pytest.approx(0.4), pytest.approx(0.55)),
        Reading(Fraction(3), "1+2", pytest.approx(0.25), pytest.approx(0.45)),
    ]


def test_a_value_that_one_look_has_not_is_none_to_it() -> None:
    (only,) = average([[Reading(Fraction(3), "1+2", 0.4, 0.8)], []])
    assert (only.probability, only.share) == (pytest.approx(0.2), pytest.approx(0.4))
