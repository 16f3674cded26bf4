"""The plugin's promises: what it offers, what it reads, what it refuses, what options bind."""

import io
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import loupette_alnum
from loupette.plugin import Answer, Challenge, OptionValue, Picture, SolverSpec, Unsolvable
from loupette.toolkit.ctc import Alphabet, beam_search
from loupette.toolkit.images import open_picture
from loupette.toolkit.looks import is_in_doubt
from loupette.toolkit.metrics import Labelled, read_labels
from loupette.toolkit.recognizer import CtcRecognizer
from loupette.toolkit.text import Rules, TextSolver, read_rules
from loupette.toolkit.weights import read_card
from loupette_alnum.solver import WEIGHTS, load

SAMPLES = Path(__file__).parent / "samples"
FLOOR = 0.6
"""Of the samples beside this file the released model reads more; fewer means that it broke."""

OTHERS = Path(__file__).parent / "others"
FLOOR_OTHERS = 0.8
"""The same for pictures that were not drawn here; others/ORIGIN.md says where they are from."""

ALPHABET = Alphabet("0123456789abcdefghijklmnopqrstuvwxyz", fold_case=True)


@pytest.fixture(scope="module")
def solver() -> TextSolver:
    return load()


@pytest.fixture(scope="module")
def spec() -> SolverSpec:
    (only,) = loupette_alnum.loupette_solvers()
    return only


def picture(rgb: np.ndarray) -> Picture:
    rgba = np.full((1, *rgb.shape[:2], 4), 255, np.uint8)
    rgba[0, ..., :3] = rgb
    return Picture(rgba, "png")


def sample(spec: SolverSpec) -> Picture:
    with Image.open(io.BytesIO(spec.sample())) as image:
        return picture(np.asarray(image.convert("RGB")))


def read(solver: TextSolver, image: Picture, **options: OptionValue) -> Answer | Unsolvable:
    try:
        return solver.solve(Challenge(image, options=options))
    except Unsolvable as refusal:
        return refusal


def right(solver: TextSolver, items: Sequence[Labelled]) -> int:
    answers = [read(solver, open_picture(item.path)) for item in items]
    return sum(
        isinstance(answer, Answer) and answer.result == item.answer.lower()
        for answer, item in zip(answers, items, strict=True)
    )


def test_the_type_is_the_documented_one(spec: SolverSpec) -> None:
    assert spec.type_id == 50200
    assert spec.name == "通用数英"
    assert {option.name for option in spec.options} == {
        "charset",
        "min_length",
        "max_length",
        "case",
    }


def test_the_sample_is_read_surely(solver: TextSolver, spec: SolverSpec) -> None:
    answer = solver.solve(Challenge(sample(spec)))
    assert answer.result == spec.sample_answer
    assert 0.5 < answer.confidence <= 1


def test_samples_of_unseen_fonts_and_styles_are_read(solver: TextSolver) -> None:
    items = read_labels(SAMPLES)
    assert right(solver, items) >= FLOOR * len(items)


def test_pictures_of_other_generators_are_read(solver: TextSolver) -> None:
    items = read_labels(OTHERS)
    assert right(solver, items) >= FLOOR_OTHERS * len(items)


def test_the_card_fits_the_model_and_states_its_scores() -> None:
    card = read_card(WEIGHTS)
    assert card.symbols == ALPHABET.symbols
    assert card.facts["scores"]["mean"] >= 0.75
    assert card.facts["held_out"]["exact"]["n"] >= 1000


def test_weights_stay_small() -> None:
    assert sum(file.stat().st_size for file in WEIGHTS.iterdir()) <= 3_000_000


@pytest.mark.parametrize("level", [0, 127, 255])
def test_a_blank_picture_is_refused(solver: TextSolver, level: int) -> None:
    refusal = read(solver, picture(np.full((40, 120, 3), level, np.uint8)))
    assert isinstance(refusal, Unsolvable)
    assert refusal.reason == "no_text"


@pytest.mark.parametrize("seed", range(5))
def test_noise_gets_no_confident_answer(solver: TextSolver, seed: int) -> None:
    noise = np.random.default_rng(seed).integers(0, 255, (50, 160, 3), dtype=np.uint8)
    answer = read(solver, picture(noise))
    assert isinstance(answer, Unsolvable) or answer.confidence < 0.3


@pytest.mark.parametrize("seed", range(5))
def test_a_landscape_gets_no_confident_answer(solver: TextSolver, seed: int) -> None:
    coarse = np.random.default_rng(seed).integers(0, 255, (4, 7, 3), dtype=np.uint8)
    smooth = Image.fromarray(coarse).resize((200, 100), Image.Resampling.BICUBIC)
    answer = read(solver, picture(np.asarray(smooth)))
    assert isinstance(answer, Unsolvable) or answer.confidence < 0.3


def test_a_refusal_carries_no_reading(solver: TextSolver) -> None:
    """It is free: asked for more letters than there are, it must not spell the ones there are."""
    sample = open_picture(SAMPLES / "00.png")
    refusals = [
        read(solver, sample, min_length=length, max_length=length) for length in range(1, 20)
    ]
    details = [refusal.detail for refusal in refusals if isinstance(refusal, Unsolvable)]
    assert details
    assert all(set(detail) <= {"confidence"} for detail in details)


@pytest.mark.parametrize("size", [(4, 100), (10, 2000), (900, 30)])
def test_what_cannot_be_a_line_of_text_is_refused(
    solver: TextSolver, size: tuple[int, int]
) -> None:
    rgb = np.full((*size, 3), 255, np.uint8)
    rgb[1:3] = 0
    refusal = read(solver, picture(rgb))
    assert isinstance(refusal, Unsolvable)
    assert refusal.reason == "bad_shape"


@pytest.mark.parametrize("charset", ["0123456789", "abcXYZ", "7k", "RKM74"])
def test_a_charset_binds_every_answer(solver: TextSolver, charset: str) -> None:
    for item in read_labels(SAMPLES)[:12]:
        answer = read(solver, open_picture(item.path), charset=charset)
        if isinstance(answer, Answer):
            assert set(answer.result) <= set(charset)


def test_an_upper_case_charset_gives_upper_case(solver: TextSolver, spec: SolverSpec) -> None:
    answer = read(solver, sample(spec), charset="ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
    assert isinstance(answer, Answer)
    assert answer.result == spec.sample_answer.upper()


@pytest.mark.parametrize(("case", "expected"), [("upper", "R7K4M"), ("lower", "r7k4m")])
def test_case_is_written_as_asked(
    solver: TextSolver, spec: SolverSpec, case: str, expected: str
) -> None:
    answer = read(solver, sample(spec), case=case)
    assert isinstance(answer, Answer)
    assert answer.result == expected


@pytest.mark.parametrize(("least", "most"), [(1, 4), (5, 5), (6, 8)])
def test_lengths_bind_every_answer(solver: TextSolver, least: int, most: int) -> None:
    for item in read_labels(SAMPLES)[:12]:
        answer = read(solver, open_picture(item.path), min_length=least, max_length=most)
        if isinstance(answer, Answer):
            assert least <= len(answer.result) <= most


@pytest.mark.parametrize(
    "options", [{"charset": "中文"}, {"min_length": 5, "max_length": 4}], ids=["charset", "lengths"]
)
def test_options_that_nothing_fits_are_refused(
    solver: TextSolver, spec: SolverSpec, options: dict[str, OptionValue]
) -> None:
    refusal = read(solver, sample(spec), **options)
    assert isinstance(refusal, Unsolvable)
    assert refusal.reason == "options"


def test_a_charset_with_both_cases_leaves_letters_as_read() -> None:
    rules: Rules = read_rules({"charset": "aAbB1"}, ALPHABET)
    assert rules.symbols == "1ab"
    assert rules.spell("ab1") == "ab1"


def test_candidates_begin_with_the_answer(solver: TextSolver, spec: SolverSpec) -> None:
    answer = solver.solve(Challenge(sample(spec)))
    candidates = answer.detail["candidates"]
    assert isinstance(candidates, list)
    assert candidates[0] == {"text": answer.result, "confidence": round(answer.confidence, 4)}


def test_characters_spell_the_answer_within_the_picture(solver: TextSolver) -> None:
    for item in read_labels(SAMPLES):
        posted = open_picture(item.path)
        answer = read(solver, posted, case="upper")
        if isinstance(answer, Unsolvable):
            continue
        parts = answer.detail["characters"]
        assert isinstance(parts, list)
        assert "".join(part["text"] for part in parts) == answer.result
        together = np.prod([part["confidence"] for part in parts])
        if not is_in_doubt(answer.confidence):  # else it is the mean of several looks
            assert together == pytest.approx(answer.confidence, abs=0.02)
        boxes = np.array([part["box"] for part in parts])
        ends = boxes[:, 0] + boxes[:, 2]
        assert (boxes[1:, 0] == ends[:-1]).all()
        assert (boxes[:, 2] > 0).all() and boxes[0, 0] >= 0 and ends[-1] <= posted.width
        assert (boxes[:, 1::2] == [0, posted.height]).all()


def test_a_closer_look_tells_places_in_the_whole_picture(solver: TextSolver) -> None:
    """Small and at the right of a wide canvas: what the model is given again is a part of it."""
    text = picture(np.asarray(Image.open(SAMPLES / "05.png").convert("RGB")))
    wide = np.full((1, text.height, 3 * text.width, 4), text.frames[0, 0, 0], np.uint8)
    wide[:, :, -text.width :] = text.frames
    answer = read(solver, Picture(wide, "png"))
    assert isinstance(answer, Answer)
    parts = answer.detail["characters"]
    assert isinstance(parts, list)
    alone = read(solver, text)
    assert isinstance(alone, Answer) and alone.result == answer.result
    expected = alone.detail["characters"]
    assert isinstance(expected, list)
    for part, other in zip(parts, expected, strict=True):
        middle = part["box"][0] + part["box"][2] / 2
        assert abs(middle - 2 * text.width - (other["box"][0] + other["box"][2] / 2)) < 10


def test_fading_frames_are_read_together(solver: TextSolver, spec: SolverSpec) -> None:
    whole = sample(spec).frames
    half = whole.shape[2] // 2
    frames = np.concatenate([whole, whole])
    frames[0, :, :half, :3] = 255
    frames[1, :, half:, :3] = 255
    answer = solver.solve(Challenge(Picture(frames, "gif")))
    assert answer.result == spec.sample_answer


def test_noise_that_moves_over_still_letters_is_seen_through(
    solver: TextSolver, spec: SolverSpec
) -> None:
    whole = sample(spec).frames
    frames = np.concatenate([whole] * 6)
    for place, frame in enumerate(frames):
        frame[place::6, :, :3] = 40
    answer = solver.solve(Challenge(Picture(frames, "gif")))
    assert answer.result == spec.sample_answer


def test_pictures_read_together_are_read_as_each_alone() -> None:
    recognizer = CtcRecognizer(WEIGHTS)
    pictures = [open_picture(item.path).rgb for item in read_labels(SAMPLES)[:6]]
    together = recognizer.read(pictures)
    alone = np.concatenate([recognizer.read([picture]) for picture in pictures])
    for one, other in zip(together, alone, strict=True):
        first, second = (beam_search(seen, ALPHABET)[0] for seen in (one, other))
        assert first.text == second.text
        assert first.probability == pytest.approx(second.probability, abs=0.01)


def test_listing_loads_no_framework_and_solving_no_tensorflow() -> None:
    code = """
import io, sys
import numpy as np
import loupette_alnum
(spec,) = loupette_alnum.loupette_solvers()
heavy = {"tensorflow", "keras", "cv2", "skimage", "fontTools"}
assert not heavy & set(sys.modules) and "ai_edge_litert" not in sys.modules
from PIL import Image
from loupette.plugin import Challenge, Picture
rgba = np.asarray(Image.open(io.BytesIO(spec.sample())).convert("RGBA"))
answer = spec.load().solve(Challenge(Picture(rgba[None], "png")))
assert answer.result == spec.sample_answer
assert not heavy & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True)
