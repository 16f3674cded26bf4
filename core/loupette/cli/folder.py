"""Reads the images of a folder into a CSV: some at a time, to the end or until Ctrl-C."""

import asyncio
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TypeAlias

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from loupette.cli.output import visible
from loupette.cli.readers import Images, Options, Read, Reader
from loupette.cli.sheet import Row, Sheet
from loupette.decoding import LIMITS
from loupette.errors import (
    BadImage,
    BodyTooLarge,
    ImageTooLarge,
    InternalError,
    LoupetteError,
    SolverError,
)
from loupette.toolkit.metrics import read_labels

_SUFFIXES = (".png", ".jpg", ".jpeg", ".gif", ".webp", ".bmp")
_LABELS = "labels.csv"
_OF_THE_FILE = (SolverError, BadImage, BodyTooLarge, InternalError)
"""What may be otherwise with the next file; anything else would be the same again."""

Compare: TypeAlias = Callable[[str, str], bool]


@dataclass(frozen=True)
class Folder:
    """The images of a folder.

    Attributes:
        path: the folder.
        labels: right answers by the file's name, where there is a labels.csv.
    """

    path: Path
    labels: Mapping[str, str] | None

    def names(self) -> list[str]:
        """Names of the images below it, in order."""
        found = (path for path in self.path.rglob("*") if path.suffix.lower() in _SUFFIXES)
        return sorted(path.relative_to(self.path).as_posix() for path in found if path.is_file())

    def read(self, name: str) -> bytes:
        """The bytes of one of them.

        Raises:
            BadImage: it cannot be read, or need not be.
        """
        path = self.path / name
        try:
            if path.stat().st_size > LIMITS.max_bytes:
                raise ImageTooLarge(f"the file has more than {LIMITS.max_bytes} bytes")
            return path.read_bytes()
        except OSError as error:
            raise BadImage(f"the file cannot be read: {error.strerror}") from error


def open_folder(path: Path) -> Folder:
    """Look for labels.

    Raises:
        click.ClickException: it has a labels.csv that cannot be used.
    """
    if not (path / _LABELS).exists():
        return Folder(path, None)
    try:
        labels = {each.path.relative_to(path).as_posix(): each.answer for each in read_labels(path)}
        if not labels or None in labels.values():
            raise ValueError("a line has no answer" if labels else "it has no line")
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise click.ClickException(
            f"{path / _LABELS} must be a CSV with the columns file and answer: {error!r}"
        ) from error
    return Folder(path, labels)


@dataclass
class Job:
    """One run over the files that are not in the sheet yet.

    Attributes:
        folder: of the images.
        type_id: what they are.
        options: as posted.
        is_right: compares an answer with the expected one.
        failure: what ended it early.
        interrupted: by Ctrl-C.
    """

    folder: Folder
    type_id: int
    options: Options
    is_right: Compare
    failure: LoupetteError | None = None
    interrupted: bool = False
    _waiting: Iterator[str] = field(default_factory=lambda: iter(()))

    async def run(self, reader: Reader, sheet: Sheet, *, jobs: int) -> None:
        """Read what is left, some at a time.

        After the first Ctrl-C nothing more is begun, and what is under way is waited for and
        kept, as it may be charged. A second one ends at once.
        """
        names = self.folder.names()
        done = {row.file for row in sheet.rows}
        left = [name for name in names if name not in done]
        if not names:
            raise click.ClickException(f"there is no image in {self.folder.path}")
        if not left:
            return
        self._waiting = iter(left)
        with _progress() as progress:
            bar = progress.add_task("reading", total=len(names), completed=len(names) - len(left))
            async with reader as read:
                work = [
                    asyncio.create_task(self._work(read, sheet, lambda: progress.advance(bar)))
                    for _ in range(min(jobs, len(left)))
                ]
                await self._wait(work, progress)

    async def _wait(self, work: list[asyncio.Task[None]], progress: Progress) -> None:
        everything = asyncio.gather(*work)
        try:
            await asyncio.shield(everything)
        except asyncio.CancelledError:  # how asyncio.run tells of the first Ctrl-C
            self.interrupted = True
            _uncancel()
            self._waiting = iter(())
            progress.console.print("waiting for what is under way; Ctrl-C again ends at once")
            await everything

    async def _work(self, read: Read, sheet: Sheet, advance: Callable[[], None]) -> None:
        while (name := next(self._waiting, None)) is not None:
            row = await self._read(read, name, run=sheet.run)
            if row is None:
                self._waiting = iter(())
                return
            sheet.append(row)
            advance()

    async def _read(self, read: Read, name: str, *, run: str) -> Row | None:
        """What came of a file; None where the run cannot go on."""
        expected = self.folder.labels.get(name) if self.folder.labels else None
        wrong = None if expected is None else 0
        try:
            image = self.folder.read(name)
            request = name_request(run, name, image, type_id=self.type_id, options=self.options)
            found = await read(Images(image, request=request))
        except _OF_THE_FILE as error:
            return Row(
                name,
                self.type_id,
                error.reason,
                log_id=error.log_id or "",
                message=visible(error.message),
                run=run,
                expected=expected,
                right=wrong,
            )
        except LoupetteError as error:
            self.failure = self.failure or error
            return None
        right = None if expected is None else int(self.is_right(found.result, expected))
        return Row(
            name,
            self.type_id,
            "ok",
            found.result,
            round(found.confidence, 4),
            found.cost,
            None if found.ms is None else round(found.ms, 1),
            found.log_id,
            run=run,
            expected=expected,
            right=right,
        )


def name_request(run: str, name: str, image: bytes, *, type_id: int, options: Options) -> str:
    """An Idempotency-Key: the same file asked the same way in the same run is charged once."""
    asked = json.dumps([run, name, type_id, options], sort_keys=True)
    return hashlib.sha256(asked.encode() + image).hexdigest()[:40]


def compare(*, within: int, any_case: bool) -> Compare:
    """How answers are compared with labels: exactly, or more kindly where that is asked for.

    Args:
        within: numbers so near to each other are alike.
        any_case: so are letters in any case.
    """

    def is_right(result: str, expected: str) -> bool:
        if result == expected or (any_case and result.casefold() == expected.casefold()):
            return True
        try:
            return within > 0 and abs(Decimal(result) - Decimal(expected)) <= within
        except InvalidOperation:
            return False

    return is_right


def _uncancel() -> None:
    """The cancel was heard; what is still awaited must not look cancelled."""
    task = asyncio.current_task()
    assert task is not None
    task.uncancel()


def _progress() -> Progress:
    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
    )
