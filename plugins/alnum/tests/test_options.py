"""Options bind whatever the model sees: log-probabilities come from a recogniser made up here."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loupette.plugin import Answer, Challenge, OptionValue, Picture, Pixels, Unsolvable
from loupette.toolkit.ctc import LogProbs, log_probability, log_softmax, restrict
from loupette_alnum.model import ALPHABET
from loupette_alnum.solver import load

STEPS = 12
REASONS = {"options", "no_text", "unsure"}


class Seer:
    """Sees the same in every picture."""

    alphabet = ALPHABET

    def __init__(self, log_probs: LogProbs) -> None:
        self._log_probs = log_probs

    def read(self, pictures: Sequence[Pixels]) -> LogProbs:
        return np.stack([self._log_probs] * len(pictures))


def page() -> Picture:
    frames = np.full((1, 40, 120, 4), 255, np.uint8)
    frames[0, 10:30, 10:110:4, :3] = 0
    return Picture(frames, "png")


def solve(log_probs: LogProbs, **options: OptionValue) -> Answer | Unsolvable:
    try:
        return load(recognizer=Seer(log_probs)).solve(Challenge(page(), options=options))
    except Unsolvable as refusal:
        return refusal


def spelled(text: str, *, sureness: float = 9.0, steps: int = STEPS) -> LogProbs:
    """What a model gives that sees this text, a symbol every second step."""
    logits = np.zeros((steps, ALPHABET.blank + 1), np.float32)
    path = [ALPHABET.blank] * steps
    path[: 2 * len(text) : 2] = ALPHABET.encode(text)
    logits[np.arange(steps), path] = sureness
    return log_softmax(logits)


def guesses(seed: int, *, sharpness: float, blankness: float) -> LogProbs:
    logits = np.random.default_rng(seed).normal(0, sharpness, (STEPS, ALPHABET.blank + 1))
    logits[:, ALPHABET.blank] += blankness
    return log_softmax(logits)


LETTERS = ALPHABET.symbols + "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@settings(max_examples=100, deadline=None)
@given(
    log_probs=st.builds(
        guesses, st.integers(0, 10**6), sharpness=st.floats(1, 40), blankness=st.floats(-5, 20)
    ),
    charset=st.none() | st.text(LETTERS + "_é中", min_size=1, max_size=40),
    case=st.sampled_from([None, "keep", "upper", "lower"]),
    least=st.none() | st.integers(1, STEPS + 2),
    most=st.none() | st.integers(1, STEPS + 2),
)
def test_an_answer_keeps_to_every_option(
    log_probs: LogProbs,
    charset: str | None,
    case: str | None,
    least: int | None,
    most: int | None,
) -> None:
    asked = {"charset": charset, "case": case, "min_length": least, "max_length": most}
    options = {name: value for name, value in asked.items() if value is not None}
    answer = solve(log_probs, **options)
    if isinstance(answer, Unsolvable):
        assert answer.reason in REASONS
        return
    candidates = answer.detail["candidates"]
    assert isinstance(candidates, list)
    for text in (answer.result, *(candidate["text"] for candidate in candidates)):
        assert set(text) <= set(charset or LETTERS)
        assert (least or 1) <= len(text) <= (most or 64)
        assert text == {"upper": text.upper(), "lower": text.lower()}.get(case or "keep", text)
    assert 0 < answer.confidence <= 1


def test_the_confidence_is_the_probability_among_allowed_texts() -> None:
    log_probs = spelled("a8b3", sureness=6.0)
    log_probs[2, ALPHABET.encode("b")] = log_probs[2, ALPHABET.encode("8")] - 0.2
    free, narrowed = solve(log_probs), solve(log_probs, charset="abc3")
    assert isinstance(free, Answer)
    assert isinstance(narrowed, Answer)
    allowed = restrict(log_softmax(log_probs), ALPHABET, "abc3")
    exact = np.exp(log_probability(allowed, ALPHABET.encode("abb3"), ALPHABET.blank))
    assert (free.result, narrowed.result) == ("a8b3", "abb3")
    assert narrowed.confidence == pytest.approx(exact, abs=0.01)
    assert narrowed.confidence > free.confidence


def test_a_known_length_finds_what_is_less_likely() -> None:
    log_probs = spelled("k7m", sureness=7.0)
    log_probs[7, ALPHABET.encode("p")] = log_probs[7, ALPHABET.blank] - 0.7
    free, known = solve(log_softmax(log_probs)), solve(log_softmax(log_probs), min_length=4)
    assert isinstance(free, Answer)
    assert isinstance(known, Answer)
    assert (free.result, known.result) == ("k7m", "k7mp")
    alone = log_probability(log_softmax(log_probs), ALPHABET.encode("k7mp"), ALPHABET.blank)
    assert known.confidence > 1.3 * np.exp(alone)


def test_a_length_that_nothing_supports_is_refused_not_guessed() -> None:
    for least in (5, 9, STEPS + 1, 64):
        refusal = solve(spelled("k7m"), min_length=least)
        assert isinstance(refusal, Unsolvable)
        assert refusal.reason in {"unsure", "no_text"}


def test_a_shorter_text_than_seen_is_refused_not_cut() -> None:
    refusal = solve(spelled("k7m4p"), max_length=3)
    assert isinstance(refusal, Unsolvable)
    assert refusal.reason == "unsure"


@pytest.mark.parametrize(
    ("charset", "case", "expected"),
    [
        ("abc", "lower", "abc"),
        ("ABC", "upper", "ABC"),
        ("aABbcC", "upper", "ABC"),
        ("aABbcC", "keep", "abc"),
        ("aBc", "keep", "aBc"),
    ],
)
def test_case_and_charset_bind_together(charset: str, case: str, expected: str) -> None:
    answer = solve(spelled("abc"), charset=charset, case=case)
    assert isinstance(answer, Answer)
    assert answer.result == expected


@pytest.mark.parametrize(("charset", "case"), [("abc", "upper"), ("ABC", "lower")])
def test_a_case_that_the_charset_lacks_is_refused(charset: str, case: str) -> None:
    refusal = solve(spelled("abc"), charset=charset, case=case)
    assert isinstance(refusal, Unsolvable)
    assert refusal.reason == "options"


def test_nothing_seen_is_no_text_whatever_is_asked() -> None:
    for options in ({}, {"min_length": 4}, {"charset": "0123456789"}):
        refusal = solve(spelled(""), **options)
        assert isinstance(refusal, Unsolvable)
        assert refusal.reason == "no_text"
