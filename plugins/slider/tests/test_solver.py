"""What an answer says, and when there is none."""

import json
from dataclasses import replace

import numpy as np
import pytest

from loupette.plugin import Challenge, Unsolvable
from loupette_slider.confidence import Calibration
from loupette_slider.detector import Box, Candidate, Detections
from loupette_slider.solver import SliderSolver, check_piece, lead_of, settle, weigh_places

from .conftest import LabelledScene, Pixels, picture

SINGLE = Calibration(0.0, (1.0, 1.0, 1.0, 0.0))
MATCHED = Calibration(-2.0, (3.0, 1.0, 2.0, 1.0, 0.0))


class FixedFinder:
    def __init__(self, gaps: list[Candidate], pieces: list[Candidate]) -> None:
        self.found = Detections(tuple(gaps), tuple(pieces))

    def detect(self, rgb: object) -> Detections:
        return self.found

    def sharpen(self, rgb: object, found: Detections) -> Detections:
        return found

    def look(self, rgb: object, candidate: Candidate, kind: int) -> Candidate:
        return candidate


class Sharper(FixedFinder):
    """Its second look moves every box to x = 123, as sure as told."""

    def __init__(self, sure: float) -> None:
        super().__init__([], [])
        self.sure = sure

    def look(self, rgb: object, candidate: Candidate, kind: int) -> Candidate:
        return replace(candidate, box=replace(candidate.box, x=123.0), sure=self.sure)


def seen(*gaps: Candidate, pieces: tuple[Candidate, ...] = ()) -> SliderSolver:
    return SliderSolver(FixedFinder(list(gaps), list(pieces)), SINGLE, MATCHED)


@pytest.fixture
def noise() -> Challenge:
    pixels = np.random.default_rng(1).integers(0, 255, (160, 320, 3), dtype=np.uint8)
    return Challenge(picture(pixels))


@pytest.mark.parametrize(("sure", "x"), [(0.9, 123.0), (0.3, 120.0)])
def test_a_posted_pieces_place_is_moved_only_by_a_sure_second_look(sure: float, x: float) -> None:
    rgb, fit = np.zeros((160, 320, 3), np.uint8), Candidate(Box(120, 40, 50, 48), 3.0)
    settled = settle(Sharper(sure), rgb, fit)
    assert (settled.box, settled.sure) == (Box(x, 40, 50, 48), sure)


def reason_of(solver: SliderSolver, challenge: Challenge) -> str:
    with pytest.raises(Unsolvable) as caught:
        solver.solve(challenge)
    return str(caught.value.reason)


def test_answer_is_the_left_edge_with_its_facts(noise: Challenge) -> None:
    solver = seen(Candidate(Box(199.6, 40.2, 50.0, 48.1), 0.9), Candidate(Box(90, 9, 50, 48), 0.2))
    answer = solver.solve(noise)
    assert answer.result == "200"
    assert answer.detail["box"] == [200, 40, 50, 48]
    assert answer.detail["image_size"] == [320, 160]
    assert [c["score"] for c in answer.detail["candidates"]] == [0.9, 0.2]
    assert "piece" not in answer.detail and "distance" not in answer.detail
    json.dumps(answer.detail)


def test_answer_with_drawn_piece_gives_the_distance(noise: Challenge) -> None:
    piece = Candidate(Box(8, 40, 50, 48), 0.9)
    answer = seen(Candidate(Box(200, 41, 50, 48), 0.9), pieces=(piece,)).solve(noise)
    assert answer.detail["piece"] == [8, 40, 50, 48]
    assert answer.detail["distance"] == 192


def test_x_and_distance_are_scaled_to_the_width_of_the_page(noise: Challenge) -> None:
    piece, gap = Candidate(Box(8, 40, 50, 48), 0.9), Candidate(Box(200.4, 41, 50, 48), 0.9)
    shown = replace(noise, options={"width": 240})
    answer = seen(gap, pieces=(piece,)).solve(shown)
    assert answer.result == "150"
    assert answer.detail["distance"] == 144
    assert answer.detail["box"] == [200, 41, 50, 48]


def test_answer_is_surer_with_a_larger_lead(noise: Challenge) -> None:
    first, weak = Candidate(Box(200, 40, 50, 48), 0.8), Candidate(Box(90, 9, 50, 48), 0.1)
    rival = Candidate(Box(90, 9, 30, 28), 0.6)
    sure, unsure = seen(first, weak).solve(noise), seen(first, rival).solve(noise)
    assert 0 <= unsure.confidence < sure.confidence <= 1


def test_solver_refuses_two_equal_gaps_and_names_both(noise: Challenge) -> None:
    twins = [Candidate(Box(200, 40, 50, 48), 0.8), Candidate(Box(90, 90, 50, 48), 0.79)]
    with pytest.raises(Unsolvable) as caught:
        seen(*twins).solve(noise)
    assert caught.value.reason == "ambiguous_gaps"
    assert len(caught.value.detail["candidates"]) == 2


def test_without_a_piece_a_weaker_gap_of_the_same_size_may_be_the_true_one(
    noise: Challenge,
) -> None:
    best, like = Candidate(Box(200, 40, 50, 48), 0.8), Candidate(Box(90, 90, 48, 50), 0.4)
    with pytest.raises(Unsolvable) as caught:
        seen(best, like).solve(noise)
    assert caught.value.reason == "ambiguous_gaps"
    unlike, weak = replace(like, box=Box(90, 90, 30, 48)), replace(like, score=0.3)
    piece = Candidate(Box(8, 20, 22, 48), 0.5)  # of neither gap, but something is drawn
    for gaps, pieces in (((best, unlike), ()), ((best, weak), ()), ((best, like), (piece,))):
        assert seen(*gaps, pieces=pieces).solve(noise).result == "200"


def test_drawn_piece_decides_between_equal_gaps(noise: Challenge) -> None:
    twins = [Candidate(Box(200, 20, 50, 48), 0.8), Candidate(Box(90, 100, 50, 48), 0.79)]
    piece = Candidate(Box(8, 101, 50, 48), 0.9)
    assert seen(*twins, pieces=(piece,)).solve(noise).result == "90"


def test_a_logo_that_no_gap_goes_with_is_no_piece(noise: Challenge) -> None:
    logo = Candidate(Box(8, 8, 22, 20), 0.5)
    gaps = Candidate(Box(200, 90, 50, 48), 0.8), Candidate(Box(150, 10, 22, 20), 0.1)
    answer = seen(*gaps, pieces=(logo,)).solve(noise)
    assert answer.result == "200"
    assert "piece" not in answer.detail


def test_a_piece_that_a_weaker_gap_goes_with_is_believed(noise: Challenge) -> None:
    piece = Candidate(Box(8, 10, 50, 48), 0.9)
    gaps = Candidate(Box(200, 100, 30, 28), 0.8), Candidate(Box(130, 10, 50, 48), 0.4)
    answer = seen(*gaps, pieces=(piece,)).solve(noise)
    assert (answer.result, answer.detail["piece"]) == ("130", [8, 10, 50, 48])


def test_of_two_like_gaps_the_one_that_looks_like_the_piece_is_chosen() -> None:
    pixels = np.full((160, 320, 3), 150, np.uint8)
    rng = np.random.default_rng(3)
    content, other = (rng.integers(0, 255, (40, 40, 3), dtype=np.uint8) for _ in range(2))
    pixels[60:100, 10:50] = content
    pixels[60:100, 120:160] = other // 2
    pixels[62:102, 220:260] = content // 2
    gaps = Candidate(Box(120, 60, 40, 40), 0.8), Candidate(Box(220, 62, 40, 40), 0.78)
    piece = Candidate(Box(10, 60, 40, 40), 0.9)
    answer = seen(*gaps, pieces=(piece,)).solve(Challenge(picture(pixels)))
    assert answer.result == "220"


def test_the_network_is_asked_only_where_places_of_a_piece_are_close(
    plain_scene: LabelledScene,
) -> None:
    class Asked(FixedFinder):
        asked = 0

        def detect(self, rgb: Pixels) -> Detections:
            self.asked += 1
            return self.found

    assert plain_scene.piece is not None
    finder, rgb = Asked([], []), plain_scene.image.rgb
    piece = check_piece(picture(plain_scene.piece), rgb)
    assert lead_of(weigh_places(finder, rgb, piece)) > 0.3
    assert finder.asked == 0
    twice = np.concatenate([rgb, rgb], axis=1)
    assert lead_of(weigh_places(finder, twice, piece)) < 0.3
    assert finder.asked == 1


def test_solver_refuses_when_nothing_is_found(noise: Challenge) -> None:
    assert reason_of(seen(), noise) == "no_gap"
    with pytest.raises(Unsolvable) as caught:
        seen(Candidate(Box(200, 40, 50, 48), 0.1)).solve(noise)
    assert caught.value.reason == "no_gap"
    assert caught.value.detail["candidates"] == [{"box": [200, 40, 50, 48], "score": 0.1}]


@pytest.mark.parametrize(
    ("width", "height", "reason"),
    [(200, 400, "portrait_image"), (60, 30, "image_too_small"), (300, 40, "image_too_small")],
)
def test_solver_refuses_images_that_are_no_slider(
    solver: SliderSolver, width: int, height: int, reason: str
) -> None:
    pixels = np.random.default_rng(2).integers(0, 255, (height, width, 3), dtype=np.uint8)
    assert reason_of(solver, Challenge(picture(pixels))) == reason


@pytest.mark.parametrize("tone", [0, 128, 255])
def test_solver_refuses_a_blank_image(solver: SliderSolver, tone: int) -> None:
    pixels = np.full((160, 320, 3), tone, np.uint8)
    assert reason_of(solver, Challenge(picture(pixels))) == "blank_image"


def test_solver_refuses_a_plain_gradient(solver: SliderSolver) -> None:
    ramp = np.linspace(40, 200, 320, dtype=np.uint8)
    pixels = np.repeat(np.tile(ramp, (160, 1))[..., None], 3, axis=2)
    assert reason_of(solver, Challenge(picture(pixels))) == "no_gap"


def test_solver_refuses_a_piece_larger_than_the_background(
    solver: SliderSolver, background: Challenge
) -> None:
    large = np.full((background.image.height + 1, 40, 4), 200, np.uint8)
    assert reason_of(solver, Challenge(background.image, picture(large))) == "piece_too_large"


def test_solver_refuses_a_transparent_piece(solver: SliderSolver, background: Challenge) -> None:
    empty = np.zeros((50, 50, 4), np.uint8)
    assert reason_of(solver, Challenge(background.image, picture(empty))) == "empty_piece"


def test_solver_refuses_the_background_as_its_own_piece(
    solver: SliderSolver, background: Challenge
) -> None:
    assert reason_of(solver, Challenge(background.image, background.image)) == "piece_too_large"


def test_solver_gives_the_same_answer_twice(
    solver: SliderSolver, scenes: list[LabelledScene]
) -> None:
    def read(scene: LabelledScene) -> str:
        try:
            return solver.solve(Challenge(scene.image)).result
        except Unsolvable as refusal:
            return refusal.reason

    assert [read(scene) for scene in scenes[:8]] == [read(scene) for scene in scenes[:8]]


def test_a_gap_that_no_detector_saw_is_found_by_the_outline_of_a_drawn_piece() -> None:
    pixels = np.full((160, 320, 3), 128, np.uint8)
    pixels[60:100, 10:50], pixels[60:100, 180:220] = 210, 122
    pixels[72:84, 50:58], pixels[72:84, 220:228] = 210, 122
    elsewhere = Candidate(Box(120, 100, 30, 30), 0.8)
    piece = Candidate(Box(10, 60, 48, 40), 0.4)
    answer = seen(elsewhere, pieces=(piece,)).solve(Challenge(picture(pixels)))
    assert (answer.result, answer.detail["piece"]) == ("180", [10, 60, 48, 40])
    plain = np.where(pixels == 122, 128, pixels).astype(np.uint8)
    assert seen(elsewhere, pieces=(piece,)).solve(Challenge(picture(plain))).result == "120"
