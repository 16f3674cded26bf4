"""What the comparison counts, with recognisers that need no model; and Loupette's own process."""

import sys
from pathlib import Path
from typing import Any

import pytest

BENCH = Path(__file__).parents[2] / "bench"
sys.path.insert(0, str(BENCH))

import peers  # noqa: E402  # a script, not a package
from accuracy import ALNUM, ARITH, Case  # noqa: E402
from peers import WAYS, is_right, measure, print_report, start, summarise, work_out  # noqa: E402

SAMPLE = Path(__file__).parents[2] / "plugins" / "alnum" / "src/loupette_alnum/samples/sample.png"


def text_case(truth: str) -> Case:
    return Case(
        ALNUM, Path("0.png"), None, truth, lambda said: (said == truth, said.lower() == truth)
    )


def sum_case(truth: str) -> Case:
    return Case(ARITH, Path("0.png"), None, truth, lambda said: (said == truth, said == truth))


class Fake:
    """Says one text and notes when it was asked."""

    def __init__(self, name: str, text: str, asked: list[tuple[str, dict[str, Any]]]) -> None:
        self._name, self._text, self._asked = name, text, asked

    def ask(self, **request: Any) -> dict[str, Any]:
        self._asked.append((self._name, request))
        return {"text": self._text, "ms": 2.0 if self._name == "loupette" else 3.0}


def fakes(**texts: str) -> tuple[dict[str, Any], list[tuple[str, dict[str, Any]]]]:
    asked: list[tuple[str, dict[str, Any]]] = []
    return {name: Fake(name, texts.get(name, ""), asked) for name in WAYS}, asked


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3+4=?", "7"),
        ("3t4", "7"),
        ("83十45", "128"),
        ("2-o=", "2"),
        ("1*7三", "7"),
        ("6+7x6", "48"),
        ("8÷2=9", "4"),
        ("31-l9", "12"),
        ("3119", "3119"),
        ("4/0", ""),
        ("子-子", ""),
        ("", ""),
    ],
)
def test_a_text_is_worked_out_kindly(text: str, value: str) -> None:
    assert work_out(text) == value


def test_only_the_peers_text_is_worked_out() -> None:
    assert is_right(sum_case("7"), "3+4=?", of_peer=True)
    assert not is_right(sum_case("7"), "3+4=?", of_peer=False)
    assert is_right(text_case("ab1"), "AB1", of_peer=True)


def test_the_order_turns_around_with_every_image() -> None:
    readers, asked = fakes()
    measure(readers, "source", [text_case("a")] * 2, "a")
    order = [name for name, request in asked[len(WAYS) :] if request["way"] == "free"]
    assert order == [*reversed(WAYS), *WAYS]


@pytest.mark.parametrize(("seen", "charset"), [("0123", "0123456789"), ("aB1", peers.DIGITS)])
def test_a_source_is_told_its_kinds_of_characters(seen: str, charset: str) -> None:
    readers, asked = fakes()
    measure(readers, "source", [text_case("a")], seen)
    told = {request["charset"] for _, request in asked if request["way"] != "free"}
    letters = peers.string.ascii_letters if seen == "aB1" else ""
    assert told == {charset + letters}
    assert all(request["charset"] == "" for _, request in asked if request["way"] == "free")


def test_a_report_compares_means_times_and_memory(capsys: pytest.CaptureFixture[str]) -> None:
    readers, _ = fakes(loupette="ab", beta="AB")
    one = measure(readers, "one", [text_case("ab"), text_case("cd")], "abcd")
    other = measure(readers, "other", [text_case("cd")], "cd")
    memory, versions = dict.fromkeys(WAYS, 70.0), dict.fromkeys(WAYS, "1.0")
    report = summarise([one, other], memory, versions, limit=60)
    assert report["means"] == {
        "50200": {
            f"{name}, {way}": 0.0 if name == "ddddocr" else 0.25
            for name, ways in WAYS.items()
            for way in ways
        }
    }
    assert report["times_as_long"] == {"loupette": 1, "ddddocr": 1.5, "beta": 1.5}
    print_report(report)
    assert "mean of 50200" in capsys.readouterr().out


def test_loupettes_own_process_reads_a_file_and_tells_its_memory() -> None:
    with start(sys.executable, "loupette") as reader:
        said = reader.ask(way="free", image=str(SAMPLE), type=ALNUM, charset="")
        told = reader.ask(way="charset", image=str(SAMPLE), type=ALNUM, charset="r7k4m")
        assert said["text"] == told["text"] == "r7k4m"
        assert 0 < said["ms"] < 60_000
        assert 10 < reader.ask()["rss_mib"] < 1000


def test_a_reader_that_cannot_start_is_said() -> None:
    with pytest.raises(SystemExit, match="ended"), start(sys.executable, "nobody"):
        pass
