"""Each check says what is wrong and how to mend it; none changes anything."""

import sqlite3
from contextlib import closing
from importlib.metadata import PathDistribution
from pathlib import Path

import pytest

from loupette.doctor import (
    Finding,
    check_cpu,
    check_database,
    check_disk,
    check_files,
    check_plugins,
    check_python,
    check_registry,
    check_runtime,
    check_sample,
    check_server,
)
from loupette.packages import find_distributions
from loupette.store.database import Database
from loupette.store.keys import create_key
from loupette.trial import Installed


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A database with an account that has money, closed."""
    path = tmp_path / "loupette.db"
    with Database.open(path) as database:
        create_key(database, "acme", opening_micros=1_000_000, now_ms=0)
    return path


def change(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(statement)


def test_this_python_is_well() -> None:
    assert check_python().state == "ok"


@pytest.mark.parametrize(
    ("python", "library", "said"),
    [((3, 10, 9), (3, 40, 1), "needs Python 3.11"), ((3, 12, 1), (3, 36, 0), "needs SQLite 3.37")],
)
def test_old_python_or_sqlite_fails(
    python: tuple[int, ...], library: tuple[int, ...], said: str
) -> None:
    found = check_python(python, library)
    assert (found.state, said in found.message, bool(found.mend)) == ("failed", True, True)


@pytest.mark.parametrize(
    ("machine", "flags", "state", "said"),
    [
        ("x86_64", "flags : fpu avx2 fma", "ok", "avx2, fma"),
        ("x86_64", "flags : fpu avx2", "warning", "without fma"),
        ("aarch64", "Features : fp asimd", "ok", "asimd"),
        ("riscv64", "isa : rv64", "warning", "riscv64"),
    ],
)
def test_processor_is_judged_by_its_features(
    tmp_path: Path, machine: str, flags: str, state: str, said: str
) -> None:
    (tmp_path / "cpuinfo").write_text(flags)
    found = check_cpu(machine, tmp_path / "cpuinfo")
    assert (found.state, said in found.message) == (state, True)


def test_processor_of_unknown_features_is_a_warning(tmp_path: Path) -> None:
    assert check_cpu("x86_64", tmp_path / "absent").state == "warning"


def test_runtime_that_no_plugin_requires_is_not_missed() -> None:
    assert check_runtime(find_distributions(["pluggy"])).state == "ok"


def requiring(folder: Path, requirement: str, origin: str = "{}") -> PathDistribution:
    info = folder / "reader-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: reader\nVersion: 1.0\nRequires-Dist: {requirement}\n"
    )
    (info / "direct_url.json").write_text(origin)
    (info / "RECORD").write_text("reader/model.tflite,sha256=of-another-file,9\n")
    return PathDistribution(info)


def test_runtime_that_cannot_be_loaded_fails_and_names_who_needs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ai_edge_litert").mkdir()
    (tmp_path / "ai_edge_litert" / "__init__.py").touch()
    (tmp_path / "ai_edge_litert" / "interpreter.py").write_text(
        "import os; os.kill(os.getpid(), 4)"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=":")
    found = check_runtime({"reader": requiring(tmp_path, "ai-edge-litert>=2.1")})
    assert (found.state, found.mend) == ("failed", "pip install --force-reinstall ai-edge-litert")
    assert "reader cannot read" in found.message
    assert "SIGILL" in found.message


def test_missing_weights_fail_with_the_command_that_brings_them_back(tmp_path: Path) -> None:
    found = [*check_files({"reader": requiring(tmp_path, "numpy")})]
    assert [finding.state for finding in found] == ["failed"]
    assert "model.tflite is missing" in found[0].message
    assert found[0].mend == "pip install --force-reinstall --no-deps reader==1.0"


def test_editable_installs_are_named_as_not_compared(tmp_path: Path) -> None:
    origin = '{"url": "file:///srv/reader", "dir_info": {"editable": true}}'
    (found,) = check_files({"reader": requiring(tmp_path, "numpy", origin)})
    assert (found.state, found.message.endswith("or without hashes: reader")) == ("ok", True)


def test_plugin_that_did_not_load_is_a_warning_with_its_reason() -> None:
    found = check_plugins(Installed(("good",), {"bad": "ImportError: no module"}))
    assert (found.state, "bad: ImportError" in found.message) == ("warning", True)
    assert "pip uninstall bad" in found.mend


def test_hook_that_stops_the_server_fails() -> None:
    found = check_plugins(Installed(problem="rename it to 'loupette_solvers'"))
    assert (found.state, "rename it" in found.message) == ("failed", True)


def test_no_plugin_at_all_is_a_warning() -> None:
    assert check_plugins(Installed()).state == "warning"


def test_registry_that_names_an_unknown_package_fails(tmp_path: Path) -> None:
    problem = "registry.toml: types.60100: no installed plugin reads type 60100; pip install dots"
    found = check_registry(tmp_path / "registry.toml", Installed(("good",), problem=problem))
    assert (found.state, "pip install dots" in found.message) == ("failed", True)


def test_registry_that_serves_nothing_is_a_warning(tmp_path: Path) -> None:
    (tmp_path / "registry.toml").touch()
    assert check_registry(tmp_path / "registry.toml", Installed(("good",))).state == "warning"


def test_sample_that_is_not_read_fails_and_names_the_package_to_reinstall(tmp_path: Path) -> None:
    found = check_sample(60100, "reader", "PluginError: damaged", requiring(tmp_path, "numpy"))
    assert (found.state, "PluginError: damaged" in found.message) == ("failed", True)
    assert "reader==1.0" in found.mend


def test_sample_of_an_editable_plugin_is_mended_in_its_folder(tmp_path: Path) -> None:
    origin = '{"url": "file:///srv/reader", "dir_info": {"editable": true}}'
    package = requiring(tmp_path, "numpy", origin)
    assert "git -C /srv/reader" in check_sample(60100, "reader", "damaged", package).mend


def test_database_that_adds_up_is_well(path: Path) -> None:
    found = check_database(path)
    assert (found.state, "1 account, 1 ledger entry" in found.message) == ("ok", True)


@pytest.mark.parametrize("is_empty", [True, False])
def test_database_yet_to_be_made_is_well_and_is_not_made(tmp_path: Path, is_empty: bool) -> None:
    path = tmp_path / "new.db"
    if is_empty:
        path.touch()
    assert check_database(path).state == "ok"
    assert [file.name for file in tmp_path.iterdir()] == ["new.db"] * is_empty


def test_missing_folder_of_the_database_fails(tmp_path: Path) -> None:
    found = check_database(tmp_path / "absent" / "loupette.db")
    assert (found.state, found.mend) == ("failed", f"mkdir -p {tmp_path / 'absent'}")


DAMAGES = {
    "tampered": ("UPDATE accounts SET balance = 5", "failed", "its ledger sums to ¥1.0000"),
    "newer": (
        "UPDATE _sqlite_migrations SET name = 'm999_later' WHERE name LIKE 'm003%'",
        "failed",
        "newer loupette (it has m999_later)",
    ),
    "older": ("DELETE FROM _sqlite_migrations WHERE name LIKE 'm004%'", "warning", "older"),
}


@pytest.mark.parametrize(("statement", "state", "said"), DAMAGES.values(), ids=DAMAGES)
def test_database_that_is_not_well_is_told_and_left_as_it_is(
    path: Path, statement: str, state: str, said: str
) -> None:
    change(path, statement)
    before = {file: file.read_bytes() for file in path.parent.iterdir()}
    found = check_database(path)
    assert (found.state, said in found.message, bool(found.mend)) == (state, True, True)
    assert {file: file.read_bytes() for file in path.parent.iterdir()} == before


def test_file_that_is_no_database_fails_and_names_restore(path: Path) -> None:
    path.write_text("dear diary, " * 1000)
    found = check_database(path)
    assert (found.state, "loupette restore" in found.mend) == ("failed", True)


def test_folder_in_the_databases_place_fails(tmp_path: Path) -> None:
    assert check_database(tmp_path).state == "failed"


def test_database_that_others_may_read_is_a_warning(path: Path) -> None:
    path.chmod(0o644)
    found = check_database(path)
    assert (found.state, found.mend) == ("warning", f"chmod 600 {path}*")


def test_running_server_is_named_and_goes_on(path: Path) -> None:
    assert "none runs" in check_server(path).message
    with Database.open(path, exclusive=True) as database:
        assert "is being served by process" in check_server(path).message
        assert check_database(path).state == "ok"
        create_key(database, "acme", now_ms=0)


@pytest.mark.parametrize(
    ("free_mib", "state"), [(1, "failed"), (63, "failed"), (65, "warning"), (2000, "ok")]
)
def test_disk_is_judged_by_what_is_free(path: Path, free_mib: int, state: str) -> None:
    found = check_disk(path, free_mib * 1024**2)
    assert (found.state, bool(found.mend)) == (state, state != "ok")


def test_disk_without_room_for_a_copy_is_a_warning(tmp_path: Path) -> None:
    path = tmp_path / "large.db"
    with path.open("wb") as file:
        file.truncate(3 * 1024**3)  # sparse: it takes no room
    assert check_disk(path, 2 * 1024**3).state == "warning"


def test_disk_of_a_missing_folder_is_a_warning(tmp_path: Path) -> None:
    assert check_disk(tmp_path / "absent" / "loupette.db").state == "warning"


def test_findings_that_are_well_need_no_mend(path: Path) -> None:
    found: list[Finding] = [check_python(), check_database(path), check_disk(path, 2**40)]
    assert [finding.mend for finding in found] == ["", "", ""]
