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

ABC = Alphabet("abc")
FOLDED = Alphabet("01ab", fold_case=True)


def logits(steps=5, outputs=4):
    values = st.floats(-4, 4, width=32)
    return arrays(np.float32, (steps, outputs), elements=values)


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
    assert best.probability == pytest.approx(max(chances.values()), rel=2e-3)


@settings(max_examples=60, deadline=None)
@given(logits(8, 5), st.sets(st.sampled_from("01ab"), min_size=1))
def test_no_answer_leaves_the_allowed_set(values, allowed):
    narrowed = restrict(log_softmax(values), FOLDED, allowed)
    for reading in beam_search(narrowed, FOLDED):
        assert set(reading.text) <= allowed


@settings(max_examples=60, deadline=None)
@given(logits(8, 5), st.integers(1, 3), st.integers(0, 3))
def test_lengths_keep_to_their_limits(values, least, more):
    readings = beam_search(
        log_softmax(values), FOLDED, min_length=least, max_length=least + more, width=40
    )
    assert readings
    assert all(least <= len(reading.text) <= least + more for reading in readings)


def test_restrict_shares_out_the_probability_of_what_is_forbidden():
    narrowed = restrict(log_softmax(np.zeros((2, 4), np.float32)), ABC, "a")
    assert np.exp(narrowed[0]) == pytest.approx([0.5, 0, 0, 0.5])


def test_a_grammar_binds_the_beam():
    log_probs = log_softmax(np.zeros((6, 4), np.float32))
    readings = beam_search(
        log_probs,
        ABC,
        may_extend=lambda prefix, char: not prefix or prefix[-1] != char,
        is_complete=lambda text: text.endswith("b"),
    )
    assert readings
    assert all(r.text.endswith("b") and "aa" not in r.text for r in readings)


def test_temperature_makes_less_sure():
    values = np.array([[3.0, 0, 0, 0]], np.float32)
    assert log_softmax(values, temperature=2.0).max() < log_softmax(values).max()


def test_importing_the_decoder_loads_no_framework():
    heavy = "('tensorflow', 'keras', 'cv2', 'skimage', 'ai_edge_litert')"
    code = f"import sys, loupette.toolkit.ctc; sys.exit(any(m in sys.modules for m in {heavy}))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
