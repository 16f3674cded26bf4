"""loupette solve --url: one image or a folder, read by a server over loopback."""

import csv
import json
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import Result

import fakes
from loupette import Client
from loupette.settings import Settings
from loupette.store.database import Database
from loupette.store.ledger import topup
from serving import serve

pytestmark = pytest.mark.slow
Run = Callable[..., Result]
NewKey = Callable[..., str]
ECHO = ("--type", str(fakes.ECHO), "--csv", "out.csv")


@pytest.fixture(scope="module")
def url(settings: Settings) -> Iterator[str]:
    with serve(settings) as server:
        yield f"http://127.0.0.1:{server.port}"


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    folder.mkdir()
    for number in range(6):
        (folder / f"{number}.png").write_bytes(fakes.draw_png(20 + number, 10))
    return folder


def rows(path: Path) -> dict[str, dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return {row["file"]: row for row in csv.DictReader(file, strict=True)}


def test_one_image_is_read_and_charged(
    loupette: Run, images: Path, url: str, new_key: NewKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = new_key("1")
    monkeypatch.setenv("LOUPETTE_KEY", key)
    one = ("solve", str(images / "0.png"), "--type", str(fakes.ECHO), "--url", url)
    assert loupette(*one).output == "20x10\n"
    told = json.loads(loupette(*one, "--json", "--image2", str(images / "1.png")).stdout)
    assert (told["result"], told["cost"], told["log_id"][:3]) == ("20x10", 0.01, "LOG")
    assert told["detail"]["image2_width"] == 21
    with Client(url, key) as client:
        assert client.balance().balance == Decimal("0.98")


@pytest.mark.parametrize(
    ("type_id", "key", "said"),
    [
        (fakes.REFUSES, None, "no_text: 无法识别: there is nothing to read {'candidates': [1, 2]}"),
        (99999, None, "unknown_type: "),
        (fakes.ECHO, "ak_unknown", "unauthenticated: "),
        (fakes.ECHO, "", "set LOUPETTE_KEY"),
    ],
)
def test_one_image_that_is_refused_says_why(
    loupette: Run, images: Path, url: str, new_key: NewKey, type_id: int, key: str | None, said: str
) -> None:
    (images / "0.png").write_bytes(fakes.draw_png(colour="black"))
    server = ("--url", url, "--key", new_key() if key is None else key)
    result = loupette("solve", str(images / "0.png"), "--type", str(type_id), *server)
    assert result.exit_code == 1
    assert said in result.output


def test_a_field_of_the_request_is_no_option(loupette: Run, images: Path, url: str) -> None:
    one = ("solve", str(images / "0.png"), "--type", "1", "--url", url, "--key", "ak_x")
    result = loupette(*one, "-o", "type=2")
    assert (result.exit_code, "type is not among the options" in result.output) == (1, True)


def test_a_folder_is_read_and_its_cost_summed_up(
    loupette: Run, images: Path, url: str, new_key: NewKey, tmp_path: Path
) -> None:
    key = new_key("1")
    (images / "5.png").write_text("no image")
    result = loupette("solve", str(images), *ECHO, "--url", url, "--key", key)
    assert result.exit_code == 0, result.output
    assert "6 files, 5 answered\n1 failed: not_an_image 1\n" in result.output
    assert "cost ¥0.0500\n" in result.output
    found = rows(tmp_path / "out.csv")
    assert {(row["cost"], row["log_id"][:3]) for row in found.values()} == {
        ("0.01", "LOG"),
        ("", "LOG"),
    }
    assert key not in result.output + (tmp_path / "out.csv").read_text()


def test_a_file_whose_row_was_lost_is_not_charged_again(
    loupette: Run, images: Path, url: str, new_key: NewKey, tmp_path: Path
) -> None:
    key = new_key("1")
    server = ("--url", url, "--key", key)
    loupette("solve", str(images), *ECHO, *server)
    out = tmp_path / "out.csv"
    out.write_bytes(b"".join(out.read_bytes().splitlines(keepends=True)[:3]))
    result = loupette("solve", str(images), *ECHO, *server)
    assert "6 files, 6 answered" in result.output
    with Client(url, key) as client:
        assert client.balance().balance == Decimal("0.94")
        assert len(list(client.logs(outcome="replayed"))) == 4


def test_a_run_that_the_balance_ends_goes_on_after_a_top_up(
    loupette: Run,
    images: Path,
    url: str,
    new_key: NewKey,
    settings: Settings,
    tmp_path: Path,
) -> None:
    key = new_key("0.03", account="small")
    again = ("solve", str(images), *ECHO, "--url", url, "--key", key, "--jobs", "2")
    result = loupette(*again)
    assert result.exit_code == 1
    assert "3 files, 3 answered" in result.output
    assert "insufficient_balance: " in result.output
    assert "the same command goes on from here" in result.output
    assert len(rows(tmp_path / "out.csv")) == 3
    with Database.open(settings.database) as database:
        topup(database, "small", 1_000_000, now_ms=0)
    assert "6 files, 6 answered" in loupette(*again).output
    with Client(url, key) as client:
        assert client.balance().balance == Decimal("0.97")


def test_a_keys_rate_slows_a_folder_down_and_loses_nothing(
    loupette: Run, images: Path, url: str, new_key: NewKey
) -> None:
    for number in range(6, 16):
        (images / f"{number}.png").write_bytes(fakes.draw_png(20 + number, 10))
    key = new_key("1", rate=10)
    result = loupette("solve", str(images), *ECHO, "--url", url, "--key", key, "--jobs", "8")
    assert "16 files, 16 answered" in result.output, result.output
