"""The CSV of many readings: one line for each file, and going on where an earlier run ended."""

import csv
import io
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Self

import click


@dataclass(frozen=True)
class Row:
    """What came of one file.

    Attributes:
        file: below the folder.
        type: the type ID.
        outcome: ``ok``, or an error's reason.
        result: the answer, if there was one.
        confidence: of the answer.
        cost: in yuan, of a server.
        ms: how long it took.
        log_id: of a server.
        message: why there is no answer.
        run: names the run to a server, so that a file whose answer was lost is not charged again.
        expected: the answer in labels.csv.
        right: whether they agree: 1, or 0.
    """

    file: str
    type: int
    outcome: str
    result: str = ""
    confidence: float | None = None
    cost: Decimal | None = None
    ms: float | None = None
    log_id: str = ""
    message: str = ""
    run: str = ""
    expected: str | None = None
    right: int | None = None


_OF_LABELS = ("expected", "right")
_PARSERS = {
    "type": int,
    "confidence": float,
    "cost": Decimal,
    "ms": float,
    "right": int,
}


class Sheet:
    """An open CSV file; each row is on the disk's side of this program once it is appended.

    Attributes:
        run: names the run that began the file.
        rows: all of them, those of earlier runs first.
    """

    def __init__(self, path: Path, columns: Iterable[str], rows: list[Row]) -> None:
        self.rows = rows
        self.run = next((row.run for row in rows if row.run), "") or secrets.token_hex(8)
        self._columns = tuple(columns)
        # Names of files need not be text; they come back as they were.
        self._file = path.open("a", encoding="utf-8", errors="surrogateescape", newline="")

    @classmethod
    def open(cls, path: Path, type_id: int, *, has_labels: bool) -> Self:
        """Begin a file, or go on with one; a line that was cut off is taken off.

        Raises:
            click.ClickException: it is of something else, or cannot be written.
        """
        columns = [f.name for f in fields(Row) if has_labels or f.name not in _OF_LABELS]
        try:
            text = _read_whole_lines(path)
            rows = _parse(text, columns)
            _check(rows, type_id)
            sheet = cls(path, columns, rows)
            if not text:
                sheet._write(columns)
        except OSError as error:
            raise click.ClickException(f"{path}: {error.strerror}") from error
        except (ValueError, InvalidOperation) as error:
            raise click.ClickException(
                f"{path} cannot be gone on with: {error}; name another with --csv"
            ) from error
        return sheet

    def append(self, row: Row) -> None:
        """Add a row, at once and whole."""
        values = asdict(row)
        self._write([_text(values[name]) for name in self._columns])
        self.rows.append(row)

    def _write(self, values: Iterable[str]) -> None:
        line = io.StringIO()
        csv.writer(line, lineterminator="\n").writerow(values)
        self._file.write(line.getvalue())
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _text(value: object) -> str:
    if isinstance(value, Decimal):
        return f"{value:f}"
    return "" if value is None else str(value)


def _read_whole_lines(path: Path) -> str:
    """The text of the file, up to its last line's end; what is behind it is cut off."""
    if not path.exists():
        return ""
    content = path.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    if len(whole) < len(content):
        if not whole and not content.startswith(b"file,"):
            raise ValueError("it is no CSV of this command")
        with path.open("r+b") as file:
            file.truncate(len(whole))
    return whole.decode("utf-8", "surrogateescape")


def _parse(text: str, columns: list[str]) -> list[Row]:
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    if text and reader.fieldnames != columns:
        raise ValueError(f"its columns are not {','.join(columns)}")
    try:
        return [_parse_row(row) for row in reader]
    except csv.Error as error:
        raise ValueError(f"line {reader.line_num}: {error}") from error


def _parse_row(row: Mapping[str, str | None]) -> Row:
    if None in row or None in row.values():
        raise ValueError(f"a line has not as many fields as columns: {row.get('file')!r}")
    values: dict[str, object] = {}
    for name, text in row.items():
        parse = _PARSERS.get(name)
        if parse is None:
            values[name] = text
        elif text:
            values[name] = parse(text)
    return Row(**values)  # type: ignore[arg-type]  # by the parsers of its own fields


def _check(rows: Iterable[Row], type_id: int) -> None:
    for row in rows:
        if row.type != type_id:
            raise ValueError(f"it has answers of type {row.type}")
