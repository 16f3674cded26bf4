"""What the documents show to be typed in, and where each of it is run."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click

from loupette.cli.main import main

ROOT = Path(__file__).parents[1]
_NOT_OURS = {"build", "data", "dist", "node_modules"}


def _pages() -> Iterator[str]:
    """Every Markdown file of the repository."""
    yield from sorted(path.name for path in ROOT.glob("*.md"))
    folders = [path for path in ROOT.iterdir() if path.is_dir() and path.name not in _NOT_OURS]
    for folder in sorted(path for path in folders if not path.name.startswith(".")):
        yield from sorted(str(path.relative_to(ROOT)) for path in folder.rglob("*.md"))


PAGES = tuple(_pages())

CURL = r"(?:^|\| )curl "

ELSEWHERE = (
    ("", CURL, "tests/test_documented_samples.py::test_curl_of_the_documents_works_as_written"),
    (
        "docs/writing-a-plugin.md",
        "",
        "tests/test_example_plugin.py::test_commands_of_the_page_run_in_their_order",
    ),
    (
        "docs/python-client.md",
        "",
        "tests/test_documented_samples.py::test_documented_folders_are_read_here_and_by_the_server",
    ),
    (
        "docs/postgresql.md",
        "",
        "tests/store/postgres/test_documented.py::test_commands_of_the_page_run_in_their_order",
    ),
    (
        "docs/scaling.md",
        "loupette cluster up",
        "tests/cluster/test_documented.py::test_a_cluster_is_tried_as_the_page_says",
    ),
    (
        "docs/scaling.md",
        "ray start",
        "tests/cluster/test_documented.py::test_ray_takes_what_the_page_has_it_told",
    ),
)
"""Page (any if empty), an expression found in the block, and the test that runs all such blocks."""

_SERVES = "serves until it is stopped; tests/cli/test_serve.py starts and stops servers"
NOT_RUN = {
    "make *": "takes minutes, or serves; make itself is asked whether it would",
    "pip install *": "asks a package index; `make test-wheels` installs the same packages",
    "venv/bin/pip install *": "as pip does",
    "python3 -m venv venv": "is of no use without the next line",
    "python plugins/*": "takes hours, on data that is not here; the script reads the arguments",
    "sh plugins/*": "fetches photos for minutes; it is read by a shell",
    "POSTGRES_PASSWORD=... docker *": (
        "needs a container engine; `make test-containers` runs each command of the files"
    ),
    "kill -HUP PID": "tests/cli/test_renewing.py sends it to a server",
    "venv/bin/loupette serve --host 127.0.0.1 --port 8000": _SERVES,
    "loupette serve": _SERVES,
    "loupette serve --demo": _SERVES,
    "loupette serve --host 0.0.0.0 --port 8000 --workers 4": _SERVES,
    "loupette serve --plugins-dir plugins": _SERVES,
    "loupette db copy loupette.db postgresql://loupette:secret@db/loupette": (
        "needs PostgreSQL; docs/postgresql.md has the same, and it is run"
    ),
    "loupette cluster up": "needs Ray; docs/scaling.md has the same, and it is run",
    "loupette plugin check loupette-dots": (
        "checks a package that tests/test_example_plugin.py makes, installs and checks so"
    ),
    "loupette solve captchas/ --type 50200 --csv answers.csv --url http://127.0.0.1:8000": (
        "needs a server; docs/python-client.md has the same, and it is run"
    ),
}
"""Commands that are not run as they stand, and why; `possible` looks whether they could be.

One that ends with ``*`` stands for all that begin so.
"""


def exception_of(line: str) -> str | None:
    """The entry of `NOT_RUN` that a line falls under."""
    if line in NOT_RUN:
        return line
    return next((key for key in NOT_RUN if key[-1] == "*" and line.startswith(key[:-1])), None)


@dataclass(frozen=True)
class Shown:
    """Commands that belong together: a block of a page, or an example of a command's help."""

    place: str
    code: str

    @property
    def lines(self) -> list[str]:
        """Without remarks."""
        return [line for line in (part.split("  #")[0].strip() for part in self.code.splitlines())]

    @property
    def not_run(self) -> list[str]:
        """What of it only could be run."""
        return [] if elsewhere(self) else [line for line in self.lines if exception_of(line)]

    @property
    def here(self) -> str:
        """What of it is to be run as it stands; empty where nothing is."""
        if elsewhere(self):
            return ""
        return "\n".join(line for line in self.lines if not exception_of(line)).strip()


def elsewhere(shown: Shown) -> str | None:
    """The test that runs a block, where it is one of `ELSEWHERE`."""
    for page, part, test in ELSEWHERE:
        if shown.place.startswith(page) and re.search(part, shown.code, re.MULTILINE):
            return test
    return None


_FENCED = re.compile(r"^( *)```([^\n`]*)\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
_INDENTED = re.compile(r"(?<=\n\n)(?: {4,}\S.*\n)+")
_SHELL = ("bash", "console", "sh", "shell")


def read(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def blocks(page: str, *languages: str) -> list[str]:
    """The fenced code of some languages on a page."""
    return [code for _, language, code in _FENCED.findall(read(page)) if language in languages]


def of_pages() -> list[Shown]:
    """All blocks of shell commands."""
    return [
        Shown(f"{page}-{number}", code)
        for page in PAGES
        for number, code in enumerate(blocks(page, *_SHELL))
    ]


def of_help(command: click.Command = main, path: str = "loupette") -> list[Shown]:
    """The examples in the help of every command."""
    text = command.help or ""
    found = [
        Shown(f"{path} --help", re.split(r" {2,}", line.strip())[0])
        for line in text.splitlines()
        if line.strip().startswith("loupette ")
    ]
    if isinstance(command, click.Group):
        for name, part in command.commands.items():
            found += of_help(part, f"{path} {name}")
    return found


def mentioned() -> list[tuple[str, str]]:
    """Commands within a line of text, with their page."""
    command = (
        r"(?:[A-Z_]+=\S+ )*(?:[\w./-]+/)?"
        r"(?:(?:loupette|make)(?: [^`]*)?|(?:pip|python|sh|uvicorn) [^`]+)"
    )
    found = [
        (page, " ".join(told.split()))
        for page in PAGES
        for told in re.findall(f"`({command})`", _FENCED.sub("", read(page)))
    ]
    return sorted(set(found))


_COMMAND = re.compile(
    r"(?:\$ )?(?:\w+=\S* )*(?:[\w./-]*/)?(?:loupette|make|pip3?|python3?|uvicorn|pytest|sh|bash"
    r"|curl|wget|docker|podman|kubectl|ray|kill|createuser|createdb|psql|pg_dump|pg_restore|export|cd"
    r"|git|apt|apt-get|sudo|systemctl|npm|node|php)(?: |$)"
)


def hidden(text: str) -> list[str]:
    """Lines that look like commands, in blocks that no test takes for some.

    The help of commands is left out: the examples in it are looked at for themselves.
    """
    others = [
        code
        for _, language, code in _FENCED.findall(text)
        if language in ("", "text") and not code.lstrip().startswith("Usage: loupette")
    ]
    plain = [*others, *_INDENTED.findall(_FENCED.sub("", text))]
    return [line.strip() for code in plain for line in code.splitlines() if _looks(line)]


def _looks(line: str) -> bool:
    return _COMMAND.match(line.strip()) is not None
