"""Which findings of pip-audit keep a submission out."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[1] / ".ci" / "advisories.py"


def judge(text: str) -> tuple[int, str]:
    done = subprocess.run([sys.executable, SCRIPT], input=text, capture_output=True, text=True)
    return done.returncode, done.stdout


def found(**package: Any) -> str:
    clean = {"name": "clean", "version": "1.0", "vulns": []}
    return json.dumps({"dependencies": [clean, {"name": "odd", **package}], "fixes": []})


@pytest.mark.parametrize(
    ("fixes", "code", "told"),
    [(["2.1", "3.0"], 1, "odd 2.0: X-1, 2.1, 3.0\n"), ([], 0, "odd 2.0: X-1, no version\n")],
)
def test_a_hole_fails_only_where_a_version_mends_it(fixes: list[str], code: int, told: str) -> None:
    hole = {"id": "X-1", "fix_versions": fixes, "description": "", "aliases": []}
    returned, printed = judge(found(version="2.0", vulns=[hole]))
    assert (returned, told in printed) == (code, True)


def test_nothing_found_is_good() -> None:
    assert judge(found(version="2.0", vulns=[])) == (0, "2 of 2 packages were looked up\n")


def test_what_the_index_does_not_know_is_printed() -> None:
    returned, printed = judge(found(skip_reason="not found"))
    assert returned == 0
    assert printed.startswith("1 of 2 packages were looked up\n")
    assert printed.endswith("no advisories on: odd\n")


@pytest.mark.parametrize("text", ["", "{}", '{"dependencies": []}'])
def test_an_audit_that_did_not_happen_fails(text: str) -> None:
    assert judge(text)[0] == 1
