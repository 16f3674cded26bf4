import itertools
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from loupette.toolkit.ctc import (
    Alphabet,
    beam_search,
    greedy,
    log_probability,
    log_softmax,
    restrict,
)
from loupette.toolkit.metrics import edit_distance

ABC = Alphabet("abc")
FOLDED = Alphabet("01ab", fold_case=True)


def logits(steps=5, outputs=4):
    values = st.floats(-4, 4, width=32)
    return arrays(np.float32, (steps, outputs), elements=values)


def peaky(steps, outputs):
    """As a trained model's: most of them near certainty."""
    return arrays(np.float32, (steps, outputs), elements=st.floats(-60, 60, width=32))


def brute_force(log_probs, alphabet):
    """Every text's probability, by summing over all paths."""
    steps, outputs = log_probs.shape
    found = {}
    for path in itertools.product(range(outputs), repeat=steps):
        merged = [code for code, _ in itertools.groupby(path)]
        text = alphabet.decode(merged)
        chance = np.exp(sum(log_probs[t, code] for t, code in enumerate(path)))
        found[text] = found.get(text, 0.0) + chance
    return found


def test_alphabet_codes_there_and_back():
    assert ABC.decode(ABC.encode("cab")) == "cab"
    assert ABC.blank == 3


def test_alphabet_folds_case_only_when_asked():
    assert FOLDED.encode("A0b") == [2, 0, 3]
    with pytest.raises(ValueError):
        ABC.encode("A")


def test_greedy_merges_repeats_but_not_across_a_blank():
    path = [0, 0, 3, 0, 1, 1, 3]
    sure = log_softmax(np.eye(4, dtype=np.float32)[path] * 20)
    assert greedy(sure, 3) == [0, 0, 1]


@settings(max_examples=30, deadline=None)
@given(logits())
def test_forward_probability_equals_the_sum_over_all_paths(values):
    log_probs = log_softmax(values)
    for text, chance in brute_force(log_probs, ABC).items():
        ours = np.exp(log_probability(log_probs, ABC.encode(text), ABC.blank))
        assert ours == pytest.approx(chance, rel=1e-3, abs=1e-7)


@settings(max_examples=30, deadline=None)
@given(logits())
def test_a_wide_beam_finds_the_likeliest_text_of_all(values):
    log_probs = log_softmax(values)
    chances = brute_force(log_probs, ABC)
    best = beam_search(log_probs, ABC, width=400)[0]
    assert best.probability == pytest.approx(max(chances.values()), rel=1e-2)


@settings(max_examples=100, deadline=None)
@given(peaky(8, 5), st.sets(st.sampled_from("01ab"), min_size=1), st.integers(1, 8), st.integers())
def test_every_text_keeps_to_the_set_and_the_lengths(values, allowed, least, more):
    most = least + more % 4
    narrowed = restrict(log_softmax(values), FOLDED, allowed)
    readings = beam_search(narrowed, FOLDED, min_length=least, max_length=most)
    assert all(set(reading.text) <= allowed for reading in readings)
    assert all(least <= len(reading.text) <= most for reading in readings)


@settings(max_examples=100, deadline=None)
@given(peaky(7, 5), st.sets(st.sampled_from("01ab"), min_size=1), st.integers(1, 8), st.integers())
def test_a_text_is_found_exactly_when_one_of_its_length_is_possible(values, allowed, least, more):
    narrowed = restrict(log_softmax(values), FOLDED, allowed)
    readings = beam_search(narrowed, FOLDED, min_length=least, max_length=least + more % 4)
    # One symbol alone needs blanks between.
    needed = least if len(allowed) > 1 else 2 * least - 1
    assert bool(readings) == (needed <= len(values))


@settings(max_examples=60, deadline=None)
@given(logits(), st.integers(0, 5))
def test_a_known_length_shares_out_what_other_lengths_took(values, length):
    log_probs = log_softmax(values)
    chances = brute_force(log_probs, ABC)
    fitting = sum(chance for text, chance in chances.items() if len(text) == length)
    for reading in beam_search(log_probs, ABC, width=400, min_length=length, max_length=length)[:1]:
        expected = chances[reading.text] / max(fitting, 0.2)
        assert reading.probability == pytest.approx(expected, rel=3e-2, abs=1e-7)


@pytest.mark.parametrize(("least", "most"), [(3, 3), (5, 6), (9, 9)])
def test_lengths_are_found_far_from_what_was_written(least, most):
    """A beam alone keeps only texts near the likeliest one, of four letters here."""
    path = [3, 0, 0, 3, 1, 3, 3, 2, 2, 3, 0, 3]
    sure = log_softmax(np.eye(4, dtype=np.float32)[path] * 30)
    best = beam_search(sure, ABC, min_length=least, max_length=most)[0]
    assert least <= len(best.text) <= most
    assert edit_distance(best.text, "abca") == (least - 4 if least > 4 else 4 - most)


def test_a_length_that_fits_changes_no_text_and_makes_it_likelier():
    values = np.random.default_rng(2).normal(0, 3, (9, 4)).astype(np.float32)
    free = beam_search(log_softmax(values), ABC)[0]
    length = len(free.text)
    known = beam_search(log_softmax(values), ABC, min_length=length, max_length=length)[0]
    assert known.text == free.text
    assert free.probability < known.probability <= 1


def test_a_long_rest_is_read_over():
    path = [0, *[3] * 400, 0, *[3] * 400]
    values = np.eye(4, dtype=np.float32)[path] * 9
    assert beam_search(log_softmax(values), ABC)[0].text == "aa"


def test_readings_come_likeliest_first():
    values = np.random.default_rng(1).normal(0, 1, (10, 4)).astype(np.float32)
    scores = [reading.log_prob for reading in beam_search(log_softmax(values), ABC)]
    assert scores == sorted(scores, reverse=True)


def test_restrict_shares_out_the_probability_of_what_is_forbidden():
    narrowed = restrict(log_softmax(np.zeros((2, 4), np.float32)), ABC, "a")
    assert np.exp(narrowed[0]) == pytest.approx([0.5, 0, 0, 0.5])


def test_restrict_to_everything_changes_nothing():
    log_probs = log_softmax(np.random.default_rng(0).normal(size=(3, 4)))
    assert restrict(log_probs, ABC, "abc") is log_probs


def test_temperature_makes_less_sure():
    values = np.array([[3.0, 0, 0, 0]], np.float32)
    assert log_softmax(values, temperature=2.0).max() < log_softmax(values).max()


def test_importing_the_decoder_loads_no_framework():
    heavy = "('tensorflow', 'keras', 'cv2', 'skimage', 'ai_edge_litert')"
    code = f"import sys, loupette.toolkit.ctc; sys.exit(any(m in sys.modules for m in {heavy}))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
