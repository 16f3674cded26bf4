"""Loupette and others side by side: the same images, one thread and one core each, in turns.

``python bench/peers.py DATA --peer PYTHON [--limit N] [--json FILE]`` reads the labelled folders
``DATA/text/*`` and ``DATA/slider/*`` (see ``accuracy.py``). PYTHON has ddddocr and
captcha-recognizer installed; ``make bench-peers`` makes such an environment and throws it away.

There are three comparisons, each with recognisers of its own. Texts are compared without case; of
arithmetic the value counts. Of a slider the left edge counts, within 3 px: once found in one image,
where that can be decided, and once with the piece too. No answer is a wrong one.

Each recogniser is a process of its own (``reader.py``) in the environment of a server's worker,
asked for one image after the other, in an order that turns around with every image. Milliseconds
are of processor time (others on the machine stretch the clock on the wall, and not all alike), from
the files' bytes to the text, given no characters. "charset" allows the kinds of characters of a
source: digits, or digits and letters in both cases, or what sums are written with. Memory is that
of a process that has read one image of each source, given no characters.
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
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track
from rich.table import Table

from accuracy import ALNUM, ARITH, SLIDER, WITH_PIECE, Case, characters, find_sources
from loupette.processes import RETURNS_MEMORY
from verdict import is_right

READER = Path(__file__).with_name("reader.py")

Ways = Mapping[str, Sequence[str]]
"""Recognisers that are asked the same, and the ways each is asked."""

COMPARISONS: dict[str, Ways] = {
    "text": {
        "loupette": ("free", "charset"),
        "ddddocr": ("free", "ranges", "charset"),
        "beta": ("free", "ranges", "charset"),
    },
    "slider": {"loupette": ("free",), "captcha-recognizer": ("free",)},
    "slider" + WITH_PIECE: {"loupette": ("free",), "slide_match": ("free",)},
}
"""beta: ddddocr with its other model; slide_match: ddddocr without a model."""

DIGITS = "0123456789"
SUMS = DIGITS + "+-*/=?xX×÷"
KINDS = (DIGITS, string.ascii_letters)


@dataclass(frozen=True)
class Source:
    """Images of one kind, and the characters that they are said to hold."""

    name: str
    cases: Sequence[Case]
    charset: str


@dataclass(frozen=True)
class Outcome:
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
    parser.add_argument("--peer", required=True, help="the Python that has the other recognisers")
    parser.add_argument("--limit", type=int, default=60, help="images per source")
    parser.add_argument("--json", type=Path, help="write the figures, with date and command, here")
    arguments = parser.parse_args()
    found = find_compared(arguments.data, limit=arguments.limit)
    if not found:
        sys.exit(f"no labels.csv under {arguments.data}/text/* or {arguments.data}/slider/*")
    figures = {name: compare(arguments.peer, name, found[name]) for name in found}
    for name, compared in figures.items():
        print_figures(name, compared)
    if arguments.json:
        report = make_report(figures, limit=arguments.limit)
        arguments.json.write_text(json.dumps(report, indent=1) + "\n")


def find_compared(data: Path, *, limit: int) -> dict[str, list[Source]]:
    """The sources of each comparison that has any, without the images that nobody could decide."""
    found: dict[str, list[Source]] = {name: [] for name in COMPARISONS}
    for name, cases in find_sources(data):
        comparison = "text"
        if cases[0].type_id == SLIDER:
            comparison = "slider" + WITH_PIECE * bool(cases[0].image2)
        charset = SUMS if cases[0].type_id == ARITH else kinds_of(characters(cases))
        decidable = [case for case in cases if case.decidable]
        if decidable:
            found[comparison].append(Source(name, decidable[:limit], charset))
    return {name: sources for name, sources in found.items() if sources}


def kinds_of(seen: str) -> str:
    """All characters of the kinds that were seen."""
    return "".join(kind for kind in KINDS if set(kind) & set(seen))


def compare(peer: str, comparison: str, sources: Sequence[Source]) -> dict[str, Any]:
    """The figures of one comparison; memory is that of fresh processes."""
    ways = COMPARISONS[comparison]
    with start_all(peer, ways) as readers:
        outcomes = [
            measure(readers, source, ways=ways) for source in track(sources, description=comparison)
        ]
        versions = {name: reader.version for name, reader in readers.items()}
    with start_all(peer, ways) as readers:
        memory = measure_memory(readers, [source.cases[0] for source in sources])
    return {"versions": versions, **summarise(outcomes, memory)}


@contextmanager
def start_all(peer: str, names: Iterable[str]) -> Iterator[dict[str, Reader]]:
    """Every recogniser, under the Python that has it."""
    with ExitStack() as stack:
        pythons = {name: sys.executable if name == "loupette" else peer for name in names}
        yield {name: stack.enter_context(start(python, name)) for name, python in pythons.items()}


@contextmanager
def start(python: str, name: str) -> Iterator[Reader]:
    """A recogniser's process on the first of this one's cores; all share it, as they take turns."""
    core = str(min(os.sched_getaffinity(0)))
    with subprocess.Popen(
        [python, str(READER), name, core],
        stdin=-1,
        stdout=-1,
        text=True,
        encoding="utf-8",
        env=RETURNS_MEMORY | os.environ,
    ) as process:
        try:
            yield Reader(process)
        finally:
            process.terminate()


def measure(readers: Mapping[str, Reader], source: Source, *, ways: Ways) -> Outcome:
    """Ask all recognisers for every image, in turns."""
    hits = {f"{name}, {way}": 0 for name in ways for way in ways[name]}
    ms: dict[str, list[float]] = {name: [] for name in ways}
    for reader in readers.values():  # the first image of a size is slower
        reader.ask(**request(source.cases[0]))
    for number, case in enumerate(source.cases):
        for name in list(ways)[:: 1 if number % 2 else -1]:
            for way in ways[name]:
                charset = "" if way == "free" else source.charset
                said = readers[name].ask(**request(case, way=way, charset=charset))
                if way == "free":
                    ms[name].append(said["ms"])
                hits[f"{name}, {way}"] += is_right(case, said["text"], of_peer=name != "loupette")
    n = len(source.cases)
    right = {way: hit / n for way, hit in hits.items()}
    medians = {name: statistics.median(values) for name, values in ms.items()}
    return Outcome(source.cases[0].type_id, source.name, n, right, medians)


def request(case: Case, *, way: str = "free", charset: str = "") -> dict[str, object]:
    """What a recogniser is asked for one image."""
    image2 = str(case.image2) if case.image2 else None
    return {
        "way": way,
        "type": case.type_id,
        "image": str(case.image),
        "image2": image2,
        "charset": charset,
    }


def measure_memory(readers: Mapping[str, Reader], cases: Sequence[Case]) -> dict[str, float]:
    """MiB of each recogniser."""
    for case in cases:
        for reader in readers.values():
            reader.ask(**request(case))
    return {name: reader.ask()["rss_mib"] for name, reader in readers.items()}


def summarise(outcomes: Sequence[Outcome], memory: dict[str, float]) -> dict[str, Any]:
    """Sources, means over them for each type, and how fast each is next to Loupette."""
    medians = {name: statistics.median(o.ms[name] for o in outcomes) for name in outcomes[0].ms}
    means = {
        str(type_id): {
            way: statistics.mean(outcome.right[way] for outcome in group) for way in group[0].right
        }
        for type_id in (ALNUM, ARITH, SLIDER)
        if (group := [outcome for outcome in outcomes if outcome.type_id == type_id])
    }
    return {
        "sources": [vars(outcome) for outcome in outcomes],
        "means": means,
        "median_ms": medians,
        "times_as_long": {name: ms / medians["loupette"] for name, ms in medians.items()},
        "rss_mib": memory,
    }


def make_report(figures: Mapping[str, dict[str, Any]], *, limit: int) -> dict[str, Any]:
    """What the documents quote: the figures of texts, those of the other comparisons by name."""
    report = {
        "date": datetime.now(UTC).date().isoformat(),
        "command": "make bench-peers DATA=folder",
        "limit": limit,
        "processor": processor(),
        **figures.get("text", {}),
        **{name: compared for name, compared in figures.items() if name != "text"},
    }
    rounded: dict[str, Any] = json.loads(
        json.dumps(report), parse_float=lambda text: round(float(text), 4)
    )
    return rounded


def processor() -> str:
    """What the milliseconds depend on."""
    found = re.search(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text())
    return found[1] if found else platform.machine()


def print_figures(comparison: str, figures: dict[str, Any]) -> None:
    """Accuracy, then time and memory."""
    console = Console(width=130)
    ways = list(figures["sources"][0]["right"])
    heads = [way.replace(", ", "\n") for way in ways]
    table = Table("source", "n", *heads, title=f"{comparison}: right")
    for type_id, mean in figures["means"].items():
        for source in (s for s in figures["sources"] if str(s["type_id"]) == type_id):
            shares = [f"{source['right'][way]:.3f}" for way in ways]
            table.add_row(source["source"], str(source["n"]), *shares)
        table.add_section()
        table.add_row(f"mean of {type_id}", "", *(f"{mean[way]:.3f}" for way in ways))
        table.add_section()
    console.print(table)
    names = list(figures["median_ms"])
    peers = [name for name in names if name != "loupette"]
    heads = [*(f"{name} ms" for name in names), *(f"{name} / loupette" for name in peers)]
    table = Table("source", *heads, title=f"{comparison}: median milliseconds")
    for name, ms in [
        *((source["source"], source["ms"]) for source in figures["sources"]),
        ("median of sources", figures["median_ms"]),
    ]:
        ratios = [f"{ms[peer] / ms['loupette']:.2f}" for peer in peers]
        table.add_row(name, *(f"{ms[each]:.1f}" for each in names), *ratios)
    console.print(table)
    for name, version in figures["versions"].items():
        console.print(f"{name} {version}: {figures['rss_mib'][name]:.0f} MiB")


if __name__ == "__main__":
    main()
