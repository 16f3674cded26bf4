"""What the comparison asks and sums up, with recognisers that need no model; Loupette's process."""

import sys
from dataclasses import replace
from pathlib import Path
from string import ascii_letters
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "bench"))

import accuracy  # noqa: E402  # scripts, not a package
import peers  # noqa: E402
from accuracy import Case  # noqa: E402
from peers import (  # noqa: E402
    COMPARISONS,
    Source,
    find_compared,
    make_report,
    measure,
    measure_memory,
    print_figures,
    request,
    start,
    summarise,
)

TEXT, SLIDERS, PAIRS = COMPARISONS
WAYS = COMPARISONS[TEXT]
SAMPLE = ROOT / "plugins/alnum/src/loupette_alnum/samples/sample.png"
GAP = ROOT / "plugins/slider/src/loupette_slider/sample.png"


def text_case(truth: str) -> Case:
    return accuracy._text_case(Path(), {"file": "0.png", "answer": truth})


def slider_case(left_px: int, **row: str) -> Case:
    labels = {"file": "0.png", "x": str(left_px), **row}
    return accuracy._slider_case(Path(), labels, piece="piece_file" in row)


def source(*cases: Case, name: str = "source", charset: str = "ab") -> Source:
    return Source(name, cases, charset)


class Fake:
    """Says one text and notes when it was asked."""

    def __init__(self, name: str, text: str, asked: list[tuple[str, dict[str, Any]]]) -> None:
        self._name, self._text, self._asked = name, text, asked

    def ask(self, **request: Any) -> dict[str, Any]:
        self._asked.append((self._name, request))
        ms = 2.0 if self._name == "loupette" else 3.0
        return {"text": self._text, "ms": ms} if request else {"rss_mib": len(self._asked)}


def fakes(
    ways: peers.Ways = WAYS, **texts: str
) -> tuple[dict[str, Any], list[tuple[str, dict[str, Any]]]]:
    asked: list[tuple[str, dict[str, Any]]] = []
    return {name: Fake(name, texts.get(name, ""), asked) for name in ways}, asked


@pytest.fixture
def data(tmp_path: Path) -> Path:
    for name, labels in {
        "text/plain": "file,answer\n0.png,Ab1\n1.png,b22\n",
        "text/digits": "file,answer\n0.png,12\n",
        "text/sums": "file,answer,expression\n0.png,7,3+4=?\n",
        "slider/gaps": "file,x,piece_file,decoys\n0.png,9,0p.png,1\n1.png,8,,0\n2.png,7,,\n",
        "slider/twins": "file,x,decoys\n0.png,9,1\n",
    }.items():
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "labels.csv").write_text(labels)
    return tmp_path


def test_each_comparison_has_the_sources_that_it_can_decide(data: Path) -> None:
    found = {
        name: {source.name: [case.truth for case in source.cases] for source in sources}
        for name, sources in find_compared(data, limit=60).items()
    }
    assert found == {
        TEXT: {"digits": ["12"], "plain": ["Ab1", "b22"], "sums": ["7"]},
        SLIDERS: {"gaps": ["8", "7"]},
        PAIRS: {"gaps + image2": ["9"]},
    }


def test_the_limit_counts_what_can_be_decided(data: Path) -> None:
    (gaps,) = find_compared(data, limit=1)[SLIDERS]
    assert [case.truth for case in gaps.cases] == ["8"]


def test_a_source_is_told_the_kinds_of_all_its_characters(data: Path) -> None:
    digits, plain, sums = find_compared(data, limit=1)[TEXT]
    assert digits.charset == peers.DIGITS
    assert plain.charset == peers.DIGITS + ascii_letters
    assert sums.charset == peers.SUMS


def test_a_comparison_without_sources_is_left_out(data: Path) -> None:
    assert find_compared(data / "text", limit=1) == {}


def test_the_order_turns_around_with_every_image() -> None:
    readers, asked = fakes()
    measure(readers, source(text_case("a"), text_case("a")), ways=WAYS)
    order = [name for name, request in asked[len(WAYS) :] if request["way"] == "free"]
    assert order == [*list(WAYS)[::-1], *WAYS]


def test_only_who_is_asked_freely_is_told_no_characters() -> None:
    readers, asked = fakes()
    measure(readers, source(text_case("a"), charset="xyz"), ways=WAYS)
    told = {(request["way"], request["charset"]) for _, request in asked}
    assert told == {("free", ""), ("ranges", "xyz"), ("charset", "xyz")}


def test_sliders_are_asked_of_their_own_recognisers() -> None:
    ways = COMPARISONS[SLIDERS]
    readers, asked = fakes(ways, **{"loupette": "100", "captcha-recognizer": "104.5"})
    outcome = measure(readers, source(slider_case(102), slider_case(107)), ways=ways)
    assert outcome.right == {"loupette, free": 0.5, "captcha-recognizer, free": 1.0}
    assert outcome.ms == {"loupette": 2.0, "captcha-recognizer": 3.0}
    assert len(asked) == 2 + 2 * 2


def test_a_request_names_the_piece() -> None:
    asked = request(slider_case(1, piece_file="p.png"))
    assert (asked["image"], asked["image2"]) == ("0.png", "p.png")
    assert request(slider_case(1))["image2"] is None


def test_memory_is_told_after_one_image_of_each_source() -> None:
    readers, asked = fakes()
    memory = measure_memory(readers, [text_case("a"), text_case("b")])
    assert memory == {"loupette": 7, "ddddocr": 8, "beta": 9}
    assert all(request["way"] == "free" for _, request in asked[:6])


def test_figures_compare_means_times_and_memory(capsys: pytest.CaptureFixture[str]) -> None:
    readers, _ = fakes(loupette="ab", beta="AB")
    one = measure(readers, source(text_case("ab"), text_case("cd"), name="one"), ways=WAYS)
    other = measure(readers, source(text_case("cd"), name="other"), ways=WAYS)
    figures = summarise([one, other], dict.fromkeys(WAYS, 70.0))
    assert figures["means"] == {
        "50200": {
            f"{name}, {way}": 0.0 if name == "ddddocr" else 0.25
            for name, ways in WAYS.items()
            for way in ways
        }
    }
    assert figures["times_as_long"] == {"loupette": 1, "ddddocr": 1.5, "beta": 1.5}
    print_figures(TEXT, {"versions": dict.fromkeys(WAYS, "1.0"), **figures})
    assert "mean of 50200" in capsys.readouterr().out


def test_a_report_has_texts_as_before_and_sliders_under_their_names() -> None:
    report = make_report({TEXT: {"means": 1 / 3}, SLIDERS: {"means": 2 / 3}}, limit=60)
    assert report["command"] == "make bench-peers DATA=folder"
    assert (report["limit"], report["means"], report[SLIDERS]) == (60, 0.3333, {"means": 0.6667})


def test_loupettes_own_process_reads_files_and_tells_its_memory() -> None:
    plain, gap = replace(text_case(""), image=SAMPLE), replace(slider_case(0), image=GAP)
    with start(sys.executable, "loupette") as reader:
        said = reader.ask(**request(plain))
        told = reader.ask(**request(plain, way="charset", charset="r7k4m"))
        assert said["text"] == told["text"] == "r7k4m"
        assert reader.ask(**request(gap))["text"] == "270"
        assert 0 < said["ms"] < 60_000
        assert 10 < reader.ask()["rss_mib"] < 1000


def test_a_reader_that_cannot_start_is_said() -> None:
    with pytest.raises(SystemExit, match="ended"), start(sys.executable, "nobody"):
        pass
