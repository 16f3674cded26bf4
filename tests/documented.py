"""What the documents show to be typed in, and where each of it is run."""

import re
from dataclasses import dataclass
from pathlib import Path

import click

from loupette.cli.main import main

ROOT = Path(__file__).parents[1]
PAGES = tuple(
    str(path.relative_to(ROOT))
    for path in (
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
        *sorted(ROOT.glob("docs/*.md")),
        *sorted(ROOT.glob("plugins/*/README.md")),
    )
)

ELSEWHERE = (
    ("", "curl ", "tests/test_documented_samples.py::test_curl_of_the_documents_works_as_written"),
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
)
"""Page (any if empty), what the block contains, and the test that runs all such blocks."""

_SERVES = "serves until it is stopped; tests/cli/test_serve.py starts and stops servers"
_ASKS = "asks a package index; `make test-wheels` builds and installs the same packages"
NOT_RUN = {
    "make run": _SERVES,
    "make test": "is what runs this",
    "python3 -m venv venv": "is of no use without the next line",
    "venv/bin/pip install . ./plugins/slider ./plugins/arith ./plugins/alnum": _ASKS,
    "pip install 'loupette[client]'": _ASKS,
    "pip install loupette-alnum": _ASKS,
    "venv/bin/loupette serve --host 127.0.0.1 --port 8000": _SERVES,
    "loupette serve": _SERVES,
    "loupette serve --demo": _SERVES,
    "loupette serve --host 0.0.0.0 --port 8000 --workers 4": _SERVES,
    "loupette serve --plugins-dir plugins": _SERVES,
    "loupette db copy loupette.db postgresql://loupette:secret@db/loupette": (
        "needs PostgreSQL; tests/store/postgres/test_copying.py copies"
    ),
    "loupette cluster up": "needs Ray; tests/cluster/arena.py starts and ends one",
    "loupette plugin check loupette-dots": (
        "checks a package that tests/test_example_plugin.py makes, installs and checks so"
    ),
    "loupette solve captchas/ --type 50200 --csv answers.csv --url http://127.0.0.1:8000": (
        "needs a server; docs/python-client.md has the same, and it is run"
    ),
}
"""Commands that are not run as they stand, and why; that they could be is checked."""


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
    def here(self) -> str:
        """What of it is to be run as it stands; empty where nothing is."""
        if elsewhere(self):
            return ""
        return "\n".join(line for line in self.lines if line not in NOT_RUN)


def elsewhere(shown: Shown) -> str | None:
    """The test that runs a block, where it is one of `ELSEWHERE`."""
    for page, part, test in ELSEWHERE:
        if shown.place.startswith(page or "") and part in shown.code:
            return test
    return None


def blocks(page: str, language: str) -> list[str]:
    """The fenced code of one language on a page."""
    text = (ROOT / page).read_text(encoding="utf-8")
    found = re.findall(rf"^( *)```{language}\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL)
    return [code for _, code in found]


def of_pages() -> list[Shown]:
    """All blocks of shell commands."""
    return [
        Shown(f"{page}-{number}", code)
        for page in PAGES
        for number, code in enumerate(blocks(page, "(?:bash|console|sh|shell)"))
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
    """Commands within a line of text, or in a table of them, with their page."""
    found = []
    for page in PAGES:
        text = (ROOT / page).read_text(encoding="utf-8")
        tables = "\n".join(blocks(page, "text"))
        prose = re.sub(r"^ *```.*?^ *```", "", text, flags=re.MULTILINE | re.DOTALL)
        inline = re.findall(r"`((?:loupette|make)(?: [^`]*)?)`", prose)
        listed = [
            re.split(r" {2,}", line)[0] for line in tables.splitlines() if line.startswith("make ")
        ]
        found += [(page, command) for command in (*inline, *listed)]
    return sorted(set(found))
