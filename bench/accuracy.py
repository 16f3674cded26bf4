"""Accuracy of the served endpoint on labelled folders, source by source.

``python bench/accuracy.py DATA [--charset] [--limit N] [--json FILE]`` starts a server of its
own on loopback, posts every image of ``DATA/text/*`` and ``DATA/slider/*`` as a caller would, and
compares with each folder's ``labels.csv``. Columns of text: ``file,answer[,expression]`` (an
expression: arithmetic, compared by value); of slider:
``file,x,y,w,h[,piece_file][,piece_x][,decoys]``.

Every reading is asked for (``min_confidence`` 0) and counts as right or wrong; "answered" and
"precision" are those at the type's own threshold in registry.toml, from the same replies. With
``--charset`` plain texts are posted a second time with the characters of their source as an option.
"""

import argparse
import csv
import json
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path

from rich.console import Console
from rich.progress import track
from rich.table import Table

from loupette.toolkit.metrics import wilson
from smoke import LOUPETTE, free_port, wait_until_ready

SLIDER, ARITH, ALNUM = 10200, 50100, 50200
NEAR_PX, FAR_PX = 3, 5
WITH_PIECE = " + image2"
REFUSED = -1.0


@dataclass(frozen=True)
class Case:
    """One labelled image: what to post, and how right a result is (a level for each column).

    Attributes:
        decidable: False where only the piece, neither given nor drawn, could tell two gaps apart.
    """

    type_id: int
    image: Path
    image2: Path | None
    truth: str
    judge: Callable[[str], tuple[bool, bool]]
    decidable: bool = True


@dataclass(frozen=True)
class Reply:
    """What came back; for a refusal `hits` are both False and the confidence is below any other."""

    confidence: float
    hits: tuple[bool, bool]
    ms: float


@dataclass(frozen=True)
class Score:
    """One source. Strict and lenient are: exact and case-insensitive; within 3 px and 5 px.

    Attributes:
        low, high: 95 % Wilson interval of `lenient`.
        answered: share at or above the type's threshold.
        precision: lenient hits among those answered; None if there are none.
        charset: the same pictures with the characters of the source given.
    """

    type_id: int
    source: str
    n: int
    strict: float
    lenient: float
    low: float
    high: float
    answered: float
    precision: float | None
    median_ms: float
    charset: "Score | None" = None


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--limit", type=int, help="images per source")
    parser.add_argument(
        "--charset", action="store_true", help="plain texts again, with their source's characters"
    )
    parser.add_argument(
        "--json", type=Path, help="write the scores, with date and command, here too"
    )
    arguments = parser.parse_args()
    sources = list(find_sources(arguments.data))
    if not sources:
        sys.exit(f"no labels.csv under {arguments.data}/text/* or {arguments.data}/slider/*")
    scores = []
    with serve() as (url, key), ThreadPoolExecutor(2) as threads:
        thresholds = read_thresholds(url)

        def measure(name: str, cases: list[Case], **options: object) -> Score:
            options = {"min_confidence": 0, **options}
            replies = list(threads.map(lambda case: post(url, key, case, options), cases))
            return summarise(name, cases[0].type_id, replies, thresholds[cases[0].type_id])

        for name, cases in track(sources, description="sources"):
            chosen = cases[: arguments.limit]
            score = measure(name, chosen)
            if arguments.charset and score.type_id == ALNUM:
                again = measure(name, chosen, charset=characters(cases))
                score = replace(score, charset=again)
            scores.append(score)
    print_scores(scores)
    if arguments.json:
        write_scores(scores, thresholds, arguments)


def find_sources(data: Path) -> Iterator[tuple[str, list[Case]]]:
    """Every labelled folder; a slider source once alone, and once with its pieces if it has any."""
    for folder in sorted(data.glob("text/*/labels.csv")):
        yield folder.parent.name, [_text_case(folder.parent, row) for row in _rows(folder)]
    for folder in sorted(data.glob("slider/*/labels.csv")):
        rows, name = list(_rows(folder)), folder.parent.name
        yield name, [_slider_case(folder.parent, row, piece=False) for row in rows]
        with_piece = [row for row in rows if row.get("piece_file")]
        if with_piece:
            cases = [_slider_case(folder.parent, row, piece=True) for row in with_piece]
            yield name + WITH_PIECE, cases


def _rows(labels: Path) -> Iterator[dict[str, str]]:
    with labels.open(newline="", encoding="utf-8") as file:
        yield from csv.DictReader(file)


def _text_case(folder: Path, row: dict[str, str]) -> Case:
    truth = row["answer"]
    if "expression" in row:

        def judge(result: str) -> tuple[bool, bool]:
            return (result == truth, _same_value(result, truth))

    else:

        def judge(result: str) -> tuple[bool, bool]:
            return (result == truth, result.casefold() == truth.casefold())

    return Case(ARITH if "expression" in row else ALNUM, folder / row["file"], None, truth, judge)


def characters(cases: Sequence[Case]) -> str:
    """All that occur in the answers of a source: what its owner would know."""
    return "".join(sorted({char for case in cases for char in case.truth}))


def _same_value(result: str, truth: str) -> bool:
    try:
        return Fraction(result) == Fraction(truth)
    except ValueError:
        return False


def _slider_case(folder: Path, row: dict[str, str], *, piece: bool) -> Case:
    left_px = float(row["x"])

    def judge(result: str) -> tuple[bool, bool]:
        error_px = abs(float(result) - left_px)
        return (error_px <= NEAR_PX, error_px <= FAR_PX)

    second = folder / row["piece_file"] if piece else None
    decidable = piece or bool(row.get("piece_x")) or not int(row.get("decoys") or 0)
    return Case(SLIDER, folder / row["file"], second, row["x"], judge, decidable)


@contextmanager
def serve() -> Iterator[tuple[str, str]]:
    """A server with an empty database; gives its address and a key without limits that matter."""
    with tempfile.TemporaryDirectory() as folder:
        create = ("keys", "create", "bench", "--balance", "10000", "--rate", "100000", "--json")
        made = subprocess.run(
            [LOUPETTE, *create], cwd=folder, check=True, capture_output=True, text=True
        )
        port = free_port()
        registry = Path("registry.toml").resolve()
        command = [LOUPETTE, "--registry", str(registry), "serve", "--port", str(port)]
        server = subprocess.Popen(command, cwd=folder, stderr=subprocess.DEVNULL)
        try:
            wait_until_ready(f"http://127.0.0.1:{port}")
            yield f"http://127.0.0.1:{port}", json.loads(made.stdout)["key"]
        finally:
            server.terminate()
            server.wait()


def read_thresholds(url: str) -> dict[int, float]:
    """Each type's own ``min_confidence``, as the server tells it."""
    with urllib.request.urlopen(f"{url}/types") as reply:
        types = json.load(reply)["data"]["types"]
    return {entry["type"]: entry["min_confidence"] for entry in types}


def post(url: str, key: str, case: Case, options: dict[str, object]) -> Reply:
    """Post one image; anything but an answer or a refusal is a fault of the bench."""
    fields: dict[str, object] = {
        "type": case.type_id,
        "image": _base64(case.image),
        "options": options,
    }
    if case.image2:
        fields["image2"] = _base64(case.image2)
    headers = {"Content-Type": "application/json", "X-API-Key": key}
    request = urllib.request.Request(
        f"{url}/api/v1/captcha.php", json.dumps(fields).encode(), headers
    )
    started_s = time.perf_counter()
    try:
        with urllib.request.urlopen(request) as reply:
            body = json.load(reply)
    except urllib.error.HTTPError as error:
        body = json.load(error)
        if body["msg"] != "识别失败":
            raise RuntimeError(f"{case.image}: {body}") from error
    ms = (time.perf_counter() - started_s) * 1000
    if body["code"] != 200:
        return Reply(REFUSED, (False, False), ms)
    data = body["data"]
    return Reply(data["detail"]["confidence"], case.judge(data["result"]), ms)


def _base64(path: Path) -> str:
    return b64encode(path.read_bytes()).decode()


def summarise(source: str, type_id: int, replies: list[Reply], threshold: float) -> Score:
    """Shares over one source."""
    n = len(replies)
    answered = [reply for reply in replies if reply.confidence >= threshold]
    lenient = sum(reply.hits[1] for reply in replies)
    low, high = wilson(lenient, n)
    return Score(
        type_id,
        source,
        n,
        sum(reply.hits[0] for reply in replies) / n,
        lenient / n,
        low,
        high,
        len(answered) / n,
        sum(reply.hits[1] for reply in answered) / len(answered) if answered else None,
        statistics.median(reply.ms for reply in replies),
    )


def write_scores(
    scores: list[Score], thresholds: dict[int, float], arguments: argparse.Namespace
) -> None:
    """What the documents quote: the scores, the day, the thresholds and the command."""
    measured = {
        "date": datetime.now(UTC).date().isoformat(),
        "command": "make bench-accuracy DATA=folder" + " CHARSET=1" * arguments.charset,
        "thresholds": thresholds,
        "scores": [asdict(score) for score in scores],
    }
    rounded = json.loads(json.dumps(measured), parse_float=lambda text: round(float(text), 4))
    arguments.json.write_text(json.dumps(rounded, indent=1) + "\n")


def print_scores(scores: list[Score]) -> None:
    """One table a type, with the mean over its sources."""
    titles = {
        ALNUM: ("alnum 50200", "exact", "any case"),
        ARITH: ("arith 50100", "exact", "value"),
        SLIDER: ("slider 10200", f"≤{NEAR_PX} px", f"≤{FAR_PX} px"),
    }
    for type_id, (title, strict, lenient) in titles.items():
        chosen = [score for score in scores if score.type_id == type_id]
        if not chosen:
            continue
        columns = ("source", "n", strict, lenient, "95 %", "answered", "precision", "median ms")
        table = Table(*columns, *(["charset"] if chosen[0].charset else []), title=title)
        for score in chosen:
            interval = f"{score.low:.2f}-{score.high:.2f}"
            table.add_row(score.source, *_cells([score], interval))
        table.add_section()
        for name, group in means_of(chosen).items():
            table.add_row(name, *_cells(group, ""))
        Console(width=120).print(table)


def _cells(group: Sequence[Score], interval: str) -> list[str]:
    """The columns after the name; means, where a group has more than one source."""
    cells = [
        str(sum(score.n for score in group)),
        _mean([score.strict for score in group]),
        _mean([score.lenient for score in group]),
        interval,
        _mean([score.answered for score in group]),
        _mean([score.precision for score in group]),
        f"{statistics.median(score.median_ms for score in group):.1f}",
    ]
    charset = [score.charset.lenient for score in group if score.charset]
    return [*cells, _mean(charset)] if charset else cells


def _mean(values: Sequence[float | None]) -> str:
    """Over those that exist: a source that is never answered has no precision."""
    known = [value for value in values if value is not None]
    return f"{statistics.mean(known):.3f}" if known else "-"


def means_of(scores: list[Score]) -> dict[str, list[Score]]:
    """What goes into one mean: a slider alone and with its piece are different questions."""
    alone = [score for score in scores if not score.source.endswith(WITH_PIECE)]
    paired = [score for score in scores if score.source.endswith(WITH_PIECE)]
    return {"mean": alone, f"mean{WITH_PIECE}": paired} if paired else {"mean": alone}


if __name__ == "__main__":
    main()
