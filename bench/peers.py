"""Loupette and ddddocr side by side: the same images, one thread and one core each, in turns.

``python bench/peers.py DATA --peer PYTHON [--limit N] [--json FILE]`` reads the labelled folders
``DATA/text/*`` (see ``accuracy.py``). PYTHON has ddddocr installed; ``make bench-peers`` makes such
an environment and throws it away. Texts are compared without case. Of arithmetic the value counts:
ddddocr's text is worked out by the same parser as Loupette's own reading.

Each recogniser is a process of its own (``reader.py``), asked for one image after the other, in an
order that turns around with every image. Milliseconds are from the file's bytes to the text, given
no characters. "charset" allows the kinds of characters of a source: digits, or digits and letters
in both cases, or what sums are written with. Memory is that of a process that has read one image
of each source, given no characters.
"""

import argparse
import json
import os
import platform
import re
import statistics
import string
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track
from rich.table import Table

from accuracy import ALNUM, ARITH, Case, characters, find_sources
from loupette_arith.expression import ExpressionError, evaluate, format_value
from reader import DIGITS, SUMS

READER = Path(__file__).with_name("reader.py")
WAYS = {
    "loupette": ("free", "charset"),
    "ddddocr": ("free", "ranges", "charset"),
    "beta": ("free", "ranges", "charset"),
}
"""Each recogniser, and the ways it is asked; beta: ddddocr with its other model."""

KINDS = (DIGITS, string.ascii_letters)


@dataclass(frozen=True)
class Source:
    """What came of one source.

    Attributes:
        right: share of right texts, by "recogniser, way".
        ms: median milliseconds, by recogniser.
    """

    type_id: int
    source: str
    n: int
    right: dict[str, float]
    ms: dict[str, float]


class Reader:
    """A recogniser's process."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self.version = str(self._receive()["version"])

    def ask(self, **request: object) -> dict[str, Any]:
        """Send one request, wait for its answer."""
        assert self._process.stdin
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return self._receive()

    def _receive(self) -> dict[str, Any]:
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit("a reader ended; what it said is above")
        answer: dict[str, Any] = json.loads(line)
        return answer


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--peer", required=True, help="the Python that has ddddocr")
    parser.add_argument("--limit", type=int, default=60, help="images per source")
    parser.add_argument("--json", type=Path, help="write the figures, with date and command, here")
    arguments = parser.parse_args()
    sources = [
        (name, cases, characters(cases))
        for name, cases in find_sources(arguments.data)
        if cases[0].type_id in (ALNUM, ARITH)
    ]
    if not sources:
        sys.exit(f"no labels.csv under {arguments.data}/text/*")
    with start_all(arguments.peer) as readers:
        measured = [
            measure(readers, name, cases[: arguments.limit], seen)
            for name, cases, seen in track(sources, description="sources")
        ]
        versions = {name: reader.version for name, reader in readers.items()}
    with start_all(arguments.peer) as readers:
        memory = measure_memory(readers, [cases[0] for _, cases, _ in sources])
    report = summarise(measured, memory, versions, limit=arguments.limit)
    print_report(report)
    if arguments.json:
        arguments.json.write_text(json.dumps(report, indent=1) + "\n")


@contextmanager
def start_all(peer: str) -> Iterator[dict[str, Reader]]:
    """Every recogniser, under the Python that has it."""
    with ExitStack() as stack:
        pythons = {name: sys.executable if name == "loupette" else peer for name in WAYS}
        yield {name: stack.enter_context(start(python, name)) for name, python in pythons.items()}


@contextmanager
def start(python: str, name: str) -> Iterator[Reader]:
    """A recogniser's process on the first of this one's cores; all share it, as they take turns."""
    core = str(min(os.sched_getaffinity(0)))
    with subprocess.Popen(
        [python, str(READER), name, core], stdin=-1, stdout=-1, text=True, encoding="utf-8"
    ) as process:
        try:
            yield Reader(process)
        finally:
            process.terminate()


def measure(readers: dict[str, Reader], source: str, cases: Sequence[Case], seen: str) -> Source:
    """Ask all recognisers for every image, in turns."""
    type_id = cases[0].type_id
    charset = SUMS if type_id == ARITH else "".join(k for k in KINDS if set(k) & set(seen))
    hits: dict[str, int] = {f"{name}, {way}": 0 for name, ways in WAYS.items() for way in ways}
    ms: dict[str, list[float]] = {name: [] for name in WAYS}
    for reader in readers.values():  # the first image of a size is slower
        reader.ask(way="free", image=str(cases[0].image), type=type_id, charset="")
    for number, case in enumerate(cases):
        for name in list(WAYS)[:: 1 if number % 2 else -1]:
            for way in WAYS[name]:
                allowed = "" if way == "free" else charset
                said = readers[name].ask(
                    way=way, image=str(case.image), type=type_id, charset=allowed
                )
                if way == "free":
                    ms[name].append(said["ms"])
                hits[f"{name}, {way}"] += is_right(case, said["text"], of_peer=name != "loupette")
    right = {name: hit / len(cases) for name, hit in hits.items()}
    medians = {name: statistics.median(values) for name, values in ms.items()}
    return Source(type_id, source, len(cases), right, medians)


def measure_memory(readers: dict[str, Reader], cases: Sequence[Case]) -> dict[str, float]:
    """MiB of each recogniser."""
    for case in cases:
        for reader in readers.values():
            reader.ask(way="free", image=str(case.image), type=case.type_id, charset="")
    return {name: reader.ask()["rss_mib"] for name, reader in readers.items()}


def is_right(case: Case, text: str, *, of_peer: bool) -> bool:
    """Whether a text is the answer, or works out to it."""
    if case.type_id == ARITH and of_peer:
        text = work_out(text)
    return case.judge(text)[1]


def work_out(text: str) -> str:
    """The value of the sum that a text reads as; "" if it is none.

    Kind to who reads letters: what looks like a sign or a digit counts as one. What follows the
    equals sign is no part of the sum.
    """
    plain = text.translate(ALIKE).split("=")[0].rstrip("?")
    try:
        return format_value(evaluate(plain))
    except ExpressionError:
        return ""


ALIKE = str.maketrans(
    dict.fromkeys("xX×＊", "*")
    | dict.fromkeys("t十＋", "+")
    | dict.fromkeys("—–_一", "-")
    | dict.fromkeys("三二＝", "=")
    | dict.fromkeys("oO", "0")
    | dict.fromkeys("lI|", "1")
    | {"÷": "/", "？": "?", " ": None}
)


def summarise(
    sources: Sequence[Source],
    memory: dict[str, float],
    versions: dict[str, str],
    *,
    limit: int,
) -> dict[str, Any]:
    """Sources, means over them for each type, and how fast each is next to Loupette."""
    medians = {name: statistics.median(s.ms[name] for s in sources) for name in WAYS}
    means = {
        str(type_id): {
            way: statistics.mean(source.right[way] for source in group) for way in group[0].right
        }
        for type_id in (ALNUM, ARITH)
        if (group := [source for source in sources if source.type_id == type_id])
    }
    report = {
        "date": datetime.now(UTC).date().isoformat(),
        "command": "make bench-peers DATA=folder",
        "limit": limit,
        "versions": versions,
        "processor": _processor(),
        "sources": [vars(source) for source in sources],
        "means": means,
        "median_ms": medians,
        "times_as_long": {name: medians[name] / medians["loupette"] for name in WAYS},
        "rss_mib": memory,
    }
    rounded: dict[str, Any] = json.loads(
        json.dumps(report), parse_float=lambda text: round(float(text), 4)
    )
    return rounded


def _processor() -> str:
    """What the milliseconds depend on."""
    found = re.search(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text())
    return found[1] if found else platform.machine()


def print_report(report: dict[str, Any]) -> None:
    """Accuracy, then time and memory."""
    console = Console(width=130)
    ways = list(report["sources"][0]["right"])
    heads = [way.replace(", ", "\n") for way in ways]
    table = Table("source", "n", *heads, title="right, without case or by value")
    for type_id, mean in report["means"].items():
        for source in (s for s in report["sources"] if str(s["type_id"]) == type_id):
            shares = [f"{source['right'][way]:.3f}" for way in ways]
            table.add_row(source["source"], str(source["n"]), *shares)
        table.add_section()
        table.add_row(f"mean of {type_id}", "", *(f"{mean[way]:.3f}" for way in ways))
        table.add_section()
    console.print(table)
    peers = [name for name in WAYS if name != "loupette"]
    heads = [*(f"{name} ms" for name in WAYS), *(f"{name} / loupette" for name in peers)]
    table = Table("source", *heads, title="median milliseconds")
    for name, ms in [
        *((source["source"], source["ms"]) for source in report["sources"]),
        ("median of sources", report["median_ms"]),
    ]:
        ratios = [f"{ms[peer] / ms['loupette']:.2f}" for peer in peers]
        table.add_row(name, *(f"{ms[each]:.1f}" for each in WAYS), *ratios)
    console.print(table)
    for name, version in report["versions"].items():
        console.print(f"{name} {version}: {report['rss_mib'][name]:.0f} MiB")


if __name__ == "__main__":
    main()
