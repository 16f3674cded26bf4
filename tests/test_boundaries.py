"""Which way imports point, read from the sources; and what a fresh interpreter loads."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CORE = ROOT / "core" / "loupette"
HEAVY = ("tensorflow", "keras", "skimage", "ai_edge_litert", "cv2", "ray")


def sources(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.py"))


def plugin_sources() -> list[Path]:
    """What a plugin ships and trains with; its tests may use more."""
    folders = [folder for folder in (ROOT / "plugins").iterdir() if folder.is_dir()]
    return [
        path
        for folder in folders
        for part in ("src", "training")
        for path in sources(folder / part)
    ]


def everything() -> list[Path]:
    folders = [ROOT / name for name in ("core", "plugins", "tests", "bench", "docs")]
    return [ROOT / "server.py", *(path for folder in folders for path in sources(folder))]


def imports(path: Path) -> Iterator[str]:
    """Full names of all modules a file imports, wherever in it; ``from a import b`` is ``a.b``."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), str(path))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            yield from (f"{module}.{name.name}" for name in node.names)


def breaches(paths: list[Path], *forbidden: str) -> list[str]:
    def is_in(name: str) -> bool:
        return any(name == package or name.startswith(package + ".") for package in forbidden)

    return [f"{path.relative_to(ROOT)}: {n}" for path in paths for n in imports(path) if is_in(n)]


def engine_sources(*without: str) -> list[Path]:
    return [path for path in sources(CORE) if path.relative_to(CORE).parts[0] not in without]


def test_nobody_imports_the_folder_core() -> None:
    assert breaches(everything(), "core") == []


def test_shipped_code_imports_by_full_names() -> None:
    """A relative import would hide which way it points from the tests below."""
    paths = [*sources(CORE), *plugin_sources()]
    relative = [str(path) for path in paths for name in imports(path) if name.startswith(".")]
    assert relative == []


def test_the_core_imports_no_plugin() -> None:
    plugins = {path.name for path in (ROOT / "plugins").glob("*/src/*") if path.is_dir()}
    assert breaches(sources(CORE), *plugins) == []


def test_the_core_names_no_plugin() -> None:
    """Not even in a text: what the engine knows of plugins comes through the hook."""
    names = "|".join(path.name for path in (ROOT / "plugins").iterdir() if path.is_dir())
    package = re.compile(rf"loupette[-_]({names})\b")
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in sources(CORE)
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if package.search(line)
    ]
    assert found == []


def test_plugins_import_public_names_only() -> None:
    public = ("loupette.plugin", "loupette.toolkit", "loupette.errors", "loupette.testing")
    found = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in plugin_sources()
        for name in imports(path)
        if re.match(r"loupette(\.|$)", name)
        and not any(name == part or name.startswith(part + ".") for part in public)
    ]
    assert found == []


def test_plugins_do_not_import_each_other() -> None:
    found = []
    for folder in (ROOT / "plugins").iterdir():
        others = [
            path.name
            for path in (ROOT / "plugins").glob("*/src/*")
            if folder not in path.parents and path.is_dir()
        ]
        if folder.is_dir():
            found += breaches(sources(folder), *others)
    assert found == []


def test_only_the_web_and_the_command_line_know_http() -> None:
    paths = engine_sources("web", "cli", "testing")
    assert breaches(paths, "starlette", "uvicorn", "http", "loupette.web") == []


def test_only_the_client_calls_servers() -> None:
    assert breaches(engine_sources("client"), "httpx2") == []


def test_the_client_knows_only_the_errors_of_the_engine() -> None:
    found = {name for path in sources(CORE / "client") for name in imports(path)}
    ours = {name for name in found if re.match(r"loupette(\.|$)", name)}
    known = ("loupette.client", "loupette.errors", "loupette.__version__")
    assert {name for name in ours if not name.startswith(known)} == set()


def test_the_web_takes_no_function_that_reads_the_database() -> None:
    """Those run on the event loop wherever somebody forgets a thread; the engine does not."""
    known = ("audit.Audit", "keys.KeyRecord", "keys.NewKey", "keys.SCOPES",
             "logs.LogRecord", "logs.format_log_id", "logs.parse_log_id", "opening.open_database",
             "statistics.Figures", "statistics.Statistics")  # fmt: skip
    taken = {name for path in sources(CORE / "web") for name in imports(path)}
    stored = {name for name in taken if name.startswith("loupette.store")}
    assert stored <= {f"loupette.store.{name}" for name in known}


def test_nothing_below_the_command_line_imports_it() -> None:
    paths = [path for path in engine_sources("cli") if path.name != "__main__.py"]
    assert breaches(paths, "loupette.cli") == []


def test_the_store_knows_no_engine_and_no_web() -> None:
    above = ("engine", "pool", "worker", "solving", "registry", "manager", "web", "cli", "plugin")
    assert breaches(sources(CORE / "store"), *(f"loupette.{name}" for name in above)) == []


def test_the_errors_know_nobody() -> None:
    assert [name for name in imports(CORE / "errors.py") if name.startswith("loupette")] == []


def test_the_plugin_api_knows_only_the_errors() -> None:
    found = [
        name
        for path in sources(CORE / "plugin")
        for name in imports(path)
        if name.startswith("loupette")
        and not name.startswith(("loupette.plugin", "loupette.errors"))
    ]
    assert found == []


def test_images_are_decoded_where_solvers_are_and_solvers_are_in_workers_only() -> None:
    """Never on the event loop: a stranger's image may take long, or end the process."""

    def takers(name: str) -> set[str]:
        return {
            str(p.relative_to(CORE)) for p in engine_sources("testing") if name in {*imports(p)}
        }

    assert takers("loupette.decoding.decode_picture") == {"solving.py"}
    workers = {"worker.py", "threads.py", "cluster/remote.py"}
    assert takers("loupette.solving.Solvers") == {*workers, "trial.py", "cli/solve.py"}


def test_nothing_is_unpickled() -> None:
    pickles = ("pickle", "cloudpickle", "dill", "joblib", "marshal", "shelve", "multiprocessing")
    shipped = [*sources(CORE), *plugin_sources(), ROOT / "server.py"]
    assert breaches(shipped, *pickles) == []


def test_sql_is_written_in_the_store_only() -> None:
    sql = re.compile(
        r"\b(SELECT\s.+\sFROM|INSERT\s+INTO|DELETE\s+FROM|UPDATE\s+\w+\s+SET|PRAGMA)\b", re.DOTALL
    )
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in engine_sources("store", "toolkit")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and sql.search(node.value)
    ]
    assert found == []


def test_only_processes_of_the_cluster_import_ray() -> None:
    """The server starts them; what it imports itself is `cluster/nodes.py`."""
    of_ray = {"bridge.py", "remote.py", "status.py", "trial.py"}
    assert breaches([p for p in engine_sources() if p.name not in of_ray], "ray") == []
    theirs = [f"loupette.cluster.{name.removesuffix('.py')}" for name in of_ray - {"trial.py"}]
    assert breaches(engine_sources("cluster"), *theirs) == []


def test_without_the_extra_nothing_of_ray_is_needed_or_asked_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    others = [*project["dependencies"], *(one for key in extras if key != "cluster"
                                          for one in extras[key])]  # fmt: skip
    assert [one for one in others if re.match(r"ray\b", one)] == []


def test_the_core_outside_the_toolkit_imports_no_framework() -> None:
    assert breaches(engine_sources("toolkit", "cluster"), *HEAVY) == []


def test_postgres_is_spoken_to_in_its_own_folder_alone() -> None:
    """So that whoever has SQLite needs no library for it."""
    folder = CORE / "store" / "postgres"
    others = [path for path in everything() if CORE in path.parents and folder not in path.parents]
    assert breaches(others, "psycopg") == []
    assert breaches(sources(folder), "psycopg") != []


def test_the_engine_does_not_import_the_toolkit() -> None:
    """The command line does, to measure."""
    assert breaches(engine_sources("toolkit", "testing", "cli"), "loupette.toolkit") == []


def test_nothing_asks_whether_it_is_under_test() -> None:
    assert breaches(engine_sources("testing"), "pytest", "unittest", "hypothesis") == []


@pytest.mark.parametrize(
    "program",
    [
        "import loupette",
        "import loupette.plugin",
        "import loupette.web.app",
        "import loupette.worker",
        "from loupette.manager import load_plugins; load_plugins()",
        "import loupette.cli.main, loupette.cluster.nodes",
    ],
)
def test_a_fresh_interpreter_loads_no_framework(program: str) -> None:
    heavy = {"psycopg", *HEAVY}
    script = f"{program}\nimport sys\nprint(*sorted({heavy!r} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=True
    )
    assert done.stdout.split() == []


def run_fresh(script: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=120
    )


@pytest.mark.parametrize(
    ("program", "loads"),
    [
        ("import loupette", []),
        ("import loupette; loupette.Client", ["httpx2"]),
        ("from loupette import AsyncClient", ["httpx2"]),
    ],
)
def test_importing_the_package_loads_almost_nothing(program: str, loads: list[str]) -> None:
    heavier = {"numpy", "PIL", "starlette", "sqlite3", "httpx2", "loupette.engine"}
    done = run_fresh(f"{program}\nimport sys\nprint(*{heavier} & {{*sys.modules}})")
    assert (done.stdout.split(), done.stderr) == (loads, "")


def test_without_its_http_library_the_client_says_what_to_install() -> None:
    done = run_fresh("import sys; sys.modules['httpx2'] = None\nimport loupette\nloupette.Client")
    assert "ImportError: the client needs httpx2: pip install 'loupette[client]'" in done.stderr


def test_without_its_http_library_the_command_line_works_on_this_machine() -> None:
    start = "import sys; sys.modules['httpx2'] = None\nfrom loupette.cli.main import main\n"
    solve = f"main(['solve', {__file__!r}, '--type', '10999'"
    assert "type 10999 is not served" in run_fresh(f"{start}{solve}])").stderr
    assert "the client needs httpx2" in run_fresh(f"{start}{solve}, '--url', 'http://x'])").stderr


@pytest.mark.parametrize(
    "arguments",
    [["serve", "--port", "1"], ["ledger", "verify"], ["db", "copy", "x.db", "postgresql://x"]],
)
def test_without_psycopg_what_needs_it_says_what_to_install(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", "postgresql://127.0.0.1:1/x")
    start = "import sys; sys.modules['psycopg'] = None\nfrom loupette.cli.main import main\n"
    done = run_fresh(f"{start}main({arguments!r})")
    assert done.returncode == 1
    assert "pip install 'loupette[postgres]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_without_ray_what_needs_it_says_what_to_install(tmp_path: Path) -> None:
    registry = tmp_path / "registry.toml"
    registry.write_text("[types.50200]\nexecutor = 'ray'\n")
    start = "import sys; sys.modules['ray'] = None\nfrom loupette.cli.main import main\n"
    for arguments in (["cluster", "up"], ["--registry", str(registry), "serve", "--port", "1"]):
        done = run_fresh(f"{start}main({arguments!r})")
        assert "there is no Ray here; pip install 'loupette[cluster]'" in done.stderr
        assert "Traceback" not in done.stderr


def test_the_package_has_no_other_names() -> None:
    done = run_fresh("import loupette\nloupette.Clients")
    assert "AttributeError: module 'loupette' has no attribute 'Clients'" in done.stderr
