"""loupette solve FOLDER, by the plugins of this machine."""

import csv
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

import fakes

Run = Callable[..., Result]
Json = Callable[..., Any]
ECHO = ("--type", str(fakes.ECHO), "--csv", "out.csv", "--jobs", "2")
TIMEOUT_S = 120.0


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Five images, each of a width of its own; one lies deeper."""
    folder = tmp_path / "images"
    (folder / "more").mkdir(parents=True)
    for number in range(4):
        (folder / f"{number}.png").write_bytes(fakes.draw_png(20 + number, 10))
    (folder / "more" / "4.PNG").write_bytes(fakes.draw_png(24, 10))
    (folder / "notes.txt").write_text("no image")
    return folder


def label(folder: Path, rows: str, *, encoding: str = "utf-8") -> None:
    (folder / "labels.csv").write_text(f"file,answer\n{rows}", encoding=encoding)


def rows(path: Path) -> dict[str, dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return {row["file"]: row for row in csv.DictReader(file, strict=True)}


def test_every_image_becomes_a_row(loupette: Run, images: Path, tmp_path: Path) -> None:
    result = loupette("solve", str(images), *ECHO)
    assert result.exit_code == 0, result.output
    assert result.output.startswith("5 files, 5 answered\nmedian ")
    found = rows(tmp_path / "out.csv")
    assert {name: row["result"] for name, row in found.items()} == {
        "0.png": "20x10",
        "1.png": "21x10",
        "2.png": "22x10",
        "3.png": "23x10",
        "more/4.PNG": "24x10",
    }
    row = found["0.png"]
    assert (row["outcome"], row["confidence"], row["cost"], row["log_id"]) == ("ok", "0.9", "", "")
    assert float(row["ms"]) > 0
    assert "expected" not in row


def test_options_reach_the_plugin(loupette: Run, images: Path, tmp_path: Path) -> None:
    assert loupette("solve", str(images), *ECHO, "-o", "charset=0123").exit_code == 0
    assert {row["result"] for row in rows(tmp_path / "out.csv").values()} == {"0123"}


def test_what_is_in_the_csv_is_not_read_again(loupette: Run, images: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    loupette("solve", str(images), *ECHO)
    kept = [line for line in out.read_text().splitlines(keepends=True) if "1.png" not in line]
    out.write_text("".join(kept).replace("20x10", "of the first run"))
    again = loupette("solve", str(images), *ECHO)
    assert again.output.startswith("5 files, 5 answered\n")
    found = rows(out)
    assert (found["0.png"]["result"], found["1.png"]["result"]) == ("of the first run", "21x10")
    assert len({row["run"] for row in found.values()}) == 1


def test_a_finished_csv_needs_no_plugin(loupette: Run, images: Path, tmp_path: Path) -> None:
    loupette("solve", str(images), *ECHO)
    before = (tmp_path / "out.csv").read_bytes()
    assert loupette("solve", str(images), *ECHO).exit_code == 0
    assert (tmp_path / "out.csv").read_bytes() == before


def test_a_line_that_was_cut_off_is_read_again(loupette: Run, images: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    loupette("solve", str(images), *ECHO)
    whole = rows(out)
    out.write_bytes(out.read_bytes()[:-9])
    assert len(out.read_bytes().splitlines()) == 6
    assert loupette("solve", str(images), *ECHO).exit_code == 0
    found = rows(out)
    assert {n: r["result"] for n, r in found.items()} == {n: r["result"] for n, r in whole.items()}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("name,phone\n1,2\n", "its columns are not file,type"),
        ("name,phone", "it is no CSV of this command"),
        ("{header}0.png,50200,ok,x,0.9,,1,,,a\n", "it has answers of type 50200"),
        ("{header}0.png,60001\n", "not as many fields as columns"),
        ("{header}0.png,60001,ok,x,0.9,,1,,,a,b\n", "not as many fields as columns"),
        ("{header}0.png,60001,ok,x,sure,,1,,,a\n", "could not convert"),
        ("{header}0.png,60001,ok,x,0.9,cheap,1,,,a\n", "cannot be gone on with"),
    ],
)
def test_another_csv_is_left_as_it_is(
    loupette: Run, images: Path, tmp_path: Path, content: str, said: str
) -> None:
    header = "file,type,outcome,result,confidence,cost,ms,log_id,message,run\n"
    content = content.replace("{header}", header)
    (tmp_path / "out.csv").write_text(content)
    result = loupette("solve", str(images), *ECHO)
    assert result.exit_code == 1
    assert said in result.output
    assert (tmp_path / "out.csv").read_text() == content


def test_labels_give_accuracy_with_n_and_interval(
    loupette: Run, images: Path, tmp_path: Path, as_json: Json
) -> None:
    label(images, "0.png,20x10\n1.png,21X10\nmore/4.PNG,24x10\n", encoding="utf-8-sig")
    result = loupette("solve", str(images), *ECHO)
    assert "right 0.667 [0.208, 0.939] n=3; of those answered 0.667 " in result.output
    found = rows(tmp_path / "out.csv")
    assert [(row["expected"], row["right"]) for _, row in sorted(found.items())] == [
        ("20x10", "1"),
        ("21X10", "0"),
        ("", ""),
        ("", ""),
        ("24x10", "1"),
    ]
    told = as_json("solve", str(images), *ECHO)
    assert (told["right"]["n"], told["files"], told["answered"]) == (3, 5, 5)


def test_labels_are_compared_as_kindly_as_is_asked(images: Path, as_json: Json) -> None:
    label(images, "0.png,20X10\n1.png,21X10\n")
    assert as_json("solve", str(images), *ECHO, "--any-case")["right"]["value"] == 1
    near = ("--type", str(fakes.ECHO), "--csv", "near.csv", "-o", "charset=12")
    label(images, "0.png,14\n1.png,15\n2.png,abc\n3.png,12\n")
    assert as_json("solve", str(images), *near, "--within", "2")["right"]["value"] == 0.5


def test_what_is_not_answered_is_not_right(images: Path, as_json: Json) -> None:
    label(images, "0.png,20x10\n1.png,x\n")
    (images / "1.png").write_text("no image")
    told = as_json("solve", str(images), *ECHO)
    assert told["failed"] == {"not_an_image": 1}
    assert (told["right"]["value"], told["right_of_answered"]["value"]) == (0.5, 1)


@pytest.mark.parametrize("content", ["", "name,answer\n0.png,1\n", "file,answer\n0.png\n", "\0"])
def test_labels_without_their_columns_are_refused(
    loupette: Run, images: Path, tmp_path: Path, content: str
) -> None:
    (images / "labels.csv").write_text(content)
    result = loupette("solve", str(images), *ECHO)
    assert (result.exit_code, "labels.csv must be" in result.output) == (1, True)
    assert not (tmp_path / "out.csv").exists()


def test_one_bad_file_does_not_end_the_others(loupette: Run, images: Path, tmp_path: Path) -> None:
    (images / "0.png").write_text("no image")
    (images / "1.png").write_bytes(bytes(3_000_000))
    (images / "2.png").chmod(0)
    result = loupette("solve", str(images), *ECHO)
    assert result.exit_code == 0
    found = rows(tmp_path / "out.csv")
    assert (found["0.png"]["outcome"], found["1.png"]["outcome"]) == (
        "not_an_image",
        "image_too_large",
    )
    readable = os.access(images / "2.png", os.R_OK)  # as root everything is
    assert found["2.png"]["outcome"] == ("ok" if readable else "bad_image")
    assert "failed: " in result.output


def test_refusals_are_summed_up_by_reason(loupette: Run, images: Path) -> None:
    for number in range(3):
        (images / f"{number}.png").write_bytes(fakes.draw_png(colour="black"))
    result = loupette("solve", str(images), "--type", str(fakes.REFUSES), "--csv", "out.csv")
    assert "5 files, 2 answered\n3 refused: no_text 3\n" in result.output


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--type", str(fakes.ECHO)), 2, "a folder needs --csv"),
        ((*ECHO, "--image2", "images/0.png"), 2, "takes no --image2"),
        (("--type", "99999", "--csv", "out.csv"), 1, "type 99999 is not served here"),
        ((*ECHO, "-o", "colour=red"), 1, "does not take options.colour"),
        (("--type", str(fakes.ECHO), "--csv", "none/out.csv"), 1, "No such file"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line(
    loupette: Run, images: Path, arguments: tuple[str, ...], code: int, said: str
) -> None:
    result = loupette("solve", str(images), *arguments)
    assert (result.exit_code, said in result.output) == (code, True), result.output


def test_an_empty_folder_is_told(loupette: Run, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    result = loupette("solve", str(tmp_path / "empty"), *ECHO)
    assert (result.exit_code, "there is no image in" in result.output) == (1, True)


def test_a_csv_is_for_folders_only(loupette: Run, images: Path) -> None:
    result = loupette("solve", str(images / "0.png"), *ECHO)
    assert (result.exit_code, "--csv is for a folder" in result.output) == (2, True)


def test_names_that_are_no_text_come_back_as_they_were(
    loupette: Run, images: Path, tmp_path: Path
) -> None:
    (images / "0.png").rename(images / os.fsdecode(b'\xff",\n.png'))
    assert loupette("solve", str(images), *ECHO).exit_code == 0
    before = (tmp_path / "out.csv").read_bytes()
    assert b"\xff" in before
    assert loupette("solve", str(images), *ECHO).output.startswith("5 files, 5 answered")
    assert (tmp_path / "out.csv").read_bytes() == before


@pytest.mark.slow
def test_ctrl_c_leaves_a_csv_that_is_gone_on_with(
    loupette: Run, images: Path, tmp_path: Path
) -> None:
    """The solver hangs on each image until its deadline of a second."""
    for number, path in enumerate(images.rglob("*.[pP][nN][gG]")):
        # Each another: one that ended two workers is not given to a third.
        path.write_bytes(fakes.draw_png(40 + number, colour="black"))
    loupette("types")  # makes the settings
    command = ["solve", str(images), "--type", str(fakes.SLOW), "--csv", "out.csv", "--jobs", "1"]
    # A shell has what it runs in the background ignore the signal, and so the tests may.
    process = subprocess.Popen(
        ["env", "--default-signal=INT", sys.executable, "-m", "loupette", *command],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        text=True,
    )
    out = tmp_path / "out.csv"
    deadline_s = time.monotonic() + TIMEOUT_S
    while not (out.exists() and len(rows(out)) >= 1):
        assert time.monotonic() < deadline_s
        assert process.poll() is None
        time.sleep(0.02)  # a poll; the deadline decides
    process.send_signal(signal.SIGINT)
    printed, _ = process.communicate(timeout=TIMEOUT_S)
    found = rows(out)
    assert process.returncode == 130
    assert f"{len(found)} files, 0 answered" in printed
    assert 1 <= len(found) <= 3
    assert {row["outcome"] for row in found.values()} == {"solver_timeout"}
    again = loupette(*command)
    assert again.output.startswith("5 files, 0 answered")
    assert list(rows(out))[: len(found)] == list(found)


@pytest.mark.slow
def test_a_terminal_shows_the_progress(loupette: Run, images: Path, tmp_path: Path) -> None:
    loupette("types")  # makes the settings
    ours, theirs = os.openpty()
    with open(ours, "rb", buffering=0) as screen:
        process = subprocess.Popen(
            [sys.executable, "-m", "loupette", "solve", str(images), *ECHO],
            cwd=tmp_path,
            env=os.environ | {"TERM": "xterm", "COLUMNS": "100"},
            stderr=theirs,
            stdout=subprocess.PIPE,
        )
        os.close(theirs)
        shown = b""
        try:
            while piece := screen.read(4096):
                shown += piece
        except OSError:  # how a terminal says that nobody has it open any more
            pass
        printed, _ = process.communicate(timeout=TIMEOUT_S)
    assert b"5/5" in shown
    assert printed.startswith(b"5 files, 5 answered")
