"""Each check passes a good solver and fails one that falls short in just that way."""

import itertools
import json
import os
import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

import fakes
from loupette.manager import Plugin
from loupette.plugin import TEXT_OPTIONS, Answer, Challenge, Option, SolverSpec, Unsolvable
from loupette.testing import CHECKS, NotMet, Subject, conformance
from loupette.toolkit.weights import hash_file

pytestmark = pytest.mark.usefixtures("forget_modules")

RUN = {check.name: check.run for check in CHECKS}
SAMPLE = fakes.draw_png(30, 20, "red")


def is_sample(challenge: Challenge) -> bool:
    return challenge.image.rgb[0, 0].tolist() == [255, 0, 0]


def read(challenge: Challenge) -> Answer:
    """A good solver: it knows its sample, keeps to the options and refuses all else."""
    if not is_sample(challenge):
        raise Unsolvable("no_text", "nothing to read")
    text = {"upper": "AB"}.get(str(challenge.options.get("case")), "ab")
    fits = set(text) <= set(str(challenge.options.get("charset", text)))
    least, most = challenge.options.get("min_length", 1), challenge.options.get("max_length", 9)
    if not fits or not int(least) <= 2 <= int(most):
        raise Unsolvable("options", "nothing fits")
    return Answer(text, 0.9)


def subject(solve: Callable[[Challenge], object] = read, **changes: object) -> Subject:
    spec = SolverSpec(
        type_id=60400,
        name="试",
        name_en="trial",
        price=Decimal("0.01"),
        load=lambda: fakes.Fake(solve),
        sample=lambda: SAMPLE,
        sample_answer="ab",
        options=TEXT_OPTIONS,
    )
    spec = replace(spec, **changes)  # type: ignore[arg-type]  # checked by use
    return Subject(Plugin("trial", "", "fakes", (spec,)), spec)


ALONE = [name for name in RUN if name not in ("processes", "import", "loaded", "card")]


@pytest.mark.parametrize("name", ALONE)
def test_good_solver_meets_each_check(name: str) -> None:
    assert RUN[name](subject())


def grow(kept: list[bytearray]) -> Callable[[Challenge], Answer]:
    def solve(challenge: Challenge) -> Answer:
        kept.append(bytearray(os.urandom(1024)) * 1024)
        return read(challenge)

    return solve


def drift() -> Callable[[Challenge], Answer]:
    counter = itertools.count()
    return lambda challenge: replace(read(challenge), confidence=0.9 - next(counter) / 1000)


def share() -> Callable[[Challenge], Answer]:
    """One state for all solvers, which a second thread overwrites."""
    owner: list[int] = []

    def solve(challenge: Challenge) -> Answer:
        owner[:] = [threading.get_ident()]
        time.sleep(0.02)  # time for the other thread to come; what happens then is the test
        if owner != [threading.get_ident()]:
            return Answer("mixed up", 0.9)
        return read(challenge)

    return solve


def burn(challenge: Challenge) -> Answer:
    until = time.process_time() + 0.02
    while time.process_time() < until:
        pass
    return read(challenge)


def sleep(challenge: Challenge) -> Answer:
    time.sleep(0.02)  # what takes time and no CPU is the test
    return read(challenge)


def crash(challenge: Challenge) -> Answer:
    if challenge.image.width == 1:
        raise ZeroDivisionError("one pixel")
    return read(challenge)


@pytest.mark.parametrize(
    ("name", "faulty", "said"),
    [
        ("type_id", {"type_id": 777}, "777 is below 60000"),
        ("type_id", {"type_id": 50200}, "'试' is not documented under it"),
        ("sample", {"sample_answer": "xy"}, "'xy', it reads as: ab"),
        ("determinism", {"solve": drift()}, r"read as 'ab' \(0.9000\), then as"),
        ("options", {"options": (Option("charset", "text", "", ""),)}, "needs a minimum"),
        ("options", {"options": (Option("colour", "choice", "", ""),)}, "has no choices"),
        (
            "options",
            {"options": (Option("n", "integer", "", "", default=9, minimum=1, maximum=2),)},
            "does not take its own 9",
        ),
        ("options", {"solve": lambda _: Answer("ab", 0.9)}, "charset='AB' it answers 'ab'"),
        ("blank", {"solve": lambda _: Answer("ab", 0.9)}, "a white image is answered 'ab'"),
        ("hostile", {"solve": crash}, "'one pixel': ZeroDivisionError"),
        ("hostile", {"solve": lambda _: {"result": "ab"}}, "solve gave dict, not Answer"),
        ("time", {"solve": burn}, r"[23]\d\.\d ms of CPU time; 0.01 s are allowed"),
        ("time", {"solve": sleep}, r"2\d\.\d ms, and \d\.\d ms of CPU time; 0.01 s are allowed"),
        ("hostile", {"solve": sleep}, r"it took 2\d\.\d ms, and .* ends it after 0.01 s"),
        ("memory", {"solve": grow([])}, "does it keep what it read"),
        ("threads", {"solve": share()}, "'mixed up'"),
    ],
)
def test_check_says_where_a_solver_falls_short(
    name: str, faulty: dict[str, object], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conformance, "MEDIAN_S", 0.01)
    monkeypatch.setattr(conformance, "DEADLINE_S", 0.01 if faulty.get("solve") is sleep else 5.0)
    solve = faulty.pop("solve", read)
    with pytest.raises(NotMet, match=said):
        RUN[name](subject(solve, **faulty))  # type: ignore[arg-type]  # a solver's function


class Batching(fakes.Fake):
    """Reads several at once, as wrongly as it is told."""

    def __init__(self, wrong: Callable[[list[Answer | Unsolvable]], list[object]]) -> None:
        super().__init__(read)
        self._wrong = wrong

    def solve_batch(self, challenges: Sequence[Challenge]) -> Sequence[object]:
        answers: list[Answer | Unsolvable] = []
        for challenge in challenges:
            try:
                answers.append(self.solve(challenge))
            except Unsolvable as refusal:
                answers.append(refusal)
        return self._wrong(answers)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda answers: answers[:-1], "gives 2 answers for 3 images"),
        (lambda answers: answers[::-1], "image 0 is"),
        (lambda answers: [Answer("ab", 0.5), *answers[1:]], r"\('ab', 0.9\) alone"),
    ],
)
def test_batch_must_be_as_each_alone(
    wrong: Callable[[list[Answer | Unsolvable]], list[object]], said: str
) -> None:
    with pytest.raises(NotMet, match=said):
        RUN["batch"](subject(load=lambda: Batching(wrong), batch=True))
    right = subject(load=lambda: Batching(lambda answers: [*answers]), batch=True)
    assert RUN["batch"](right) == "read together as each alone"


@contextmanager
def packaged(folder: Path, source: str = "") -> Iterator[Subject]:
    """The good type in a package of its own, which its author is to spoil."""
    package = folder / "loupette_spoilt"
    package.mkdir()
    (package / "__init__.py").write_text(source)
    one = subject()
    yield Subject(replace(one.plugin, module="loupette_spoilt"), one.spec)


def test_model_without_a_card_or_with_another_models_card_is_not_met(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    with packaged(tmp_path) as spoilt:
        assert spoilt.folder
        (spoilt.folder / "model.onnx").write_bytes(b"weights")
        with pytest.raises(NotMet, match=r"model\.onnx has no card\.json beside it"):
            RUN["card"](spoilt)
        card = {"model_file": "model.onnx", "sha256": "0" * 64}
        (spoilt.folder / "card.json").write_text(json.dumps(card))
        with pytest.raises(NotMet, match=r"card\.json has the hash of another model file"):
            RUN["card"](spoilt)


@pytest.mark.parametrize(
    ("models", "line"),
    [
        ((), "it packages no model"),
        (("one",), "1 card fits its model"),
        (("one", "two"), "2 cards fit their models"),
    ],
)
def test_cards_that_fit_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, models: tuple[str, ...], line: str
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    with packaged(tmp_path) as good:
        assert good.folder
        for name in models:
            folder = good.folder / name
            folder.mkdir()
            (folder / "model.onnx").write_bytes(name.encode())
            card = {"model_file": "model.onnx", "sha256": hash_file(folder / "model.onnx")}
            (folder / "card.json").write_text(json.dumps(card))
        assert RUN["card"](good) == line


def test_framework_that_is_imported_to_list_types_is_not_met(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=":")
    source = "import cv2\ndef loupette_solvers(): return []\n"
    with packaged(tmp_path, source) as spoilt, pytest.raises(NotMet, match="imports cv2"):
        RUN["import"](spoilt)


def test_hooks_of_an_object_are_listed_without_a_framework(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=":")
    source = "class Offer:\n    def loupette_solvers(self): return []\noffer = Offer()\n"
    with packaged(tmp_path, source) as good:
        named = replace(good.plugin, module="loupette_spoilt:offer")
        assert RUN["import"](replace(good, plugin=named))


def test_processes_that_fail_beside_each_other_are_not_met() -> None:
    with pytest.raises(NotMet, match="no loaded plugin reads type 60400"):
        RUN["processes"](subject())


HOLDS = """
from dataclasses import replace
import fakes
held = b"x" * {size}
def loupette_solvers():
    spec = fakes._spec(fakes.ECHO)
    return [replace(spec, type_id=60400{spoilt})]
"""


@pytest.mark.parametrize(
    ("size", "spoilt", "said"),
    [
        (300_000_000, "", r"it takes (28[6-9]|29\d) MiB, 256 are allowed"),
        (0, ", sample_answer='other'", "in a process of its own: its own sample, 'other'"),
        (0, ", load=lambda: exit(3)", "in a process of its own: .* SystemExit: 3"),
    ],
)
def test_what_holds_much_memory_or_does_not_load_alone_is_not_met(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int, spoilt: str, said: str
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=":")
    with (
        packaged(tmp_path, HOLDS.format(size=size, spoilt=spoilt)) as spoilt_one,
        pytest.raises(NotMet, match=said),
    ):
        RUN["loaded"](spoilt_one)


def test_what_it_takes_is_said_though_it_is_little(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=":")
    with packaged(tmp_path, HOLDS.format(size=20 << 20, spoilt="")) as good:
        assert re.fullmatch(r"loaded, it takes 2\d MiB", RUN["loaded"](good))
