"""Which database is opened, and that the one that is not used is not needed."""

import subprocess
import sys
from importlib.metadata import requires
from pathlib import Path

import pytest

from loupette.errors import StoreError
from loupette.store.opening import open_database

SERVED = """
import sys
from pathlib import Path
from starlette.testclient import TestClient
from loupette.settings import Settings
from loupette.web.app import create_app
folder = Path(sys.argv[1])
registry = folder / "registry.toml"
registry.write_text("")
settings = Settings(database=folder / "test.db", registry=registry, workers=1)
with TestClient(create_app(settings)) as client:
    assert client.get("/livez").status_code == 200
print([name for name in sys.modules if name.startswith("psycopg")])
"""


def test_without_a_url_a_server_imports_nothing_of_postgres(tmp_path: Path) -> None:
    command = [sys.executable, "-c", SERVED, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout.strip() == "[]", done.stderr


def test_only_the_extra_installs_anything_of_postgres() -> None:
    wanted = [line for line in requires("loupette") or () if "psycopg" in line]
    assert wanted
    assert all("extra ==" in line for line in wanted)


def test_without_the_extra_a_url_is_refused_with_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.startswith("loupette.store.postgres")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(StoreError, match=r"pip install 'loupette\[postgres\]'"):
        open_database(tmp_path / "x.db", "postgresql://127.0.0.1/x")
