"""registry.toml: every mistake an operator can make is an error that says how to mend it."""

import tomllib
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

import fakes
from loupette.errors import RegistryError, UnknownType
from loupette.manager import Plugin, load_plugins
from loupette.plugin import Placement
from loupette.registry import Catalogue, ReportPolicy, build_catalogue
from loupette.settings import Settings

ON_RAY = "[types.60001]\nexecutor = 'ray'\n"


@pytest.fixture(scope="module")
def plugins() -> list[Plugin]:
    return [plugin for plugin in load_plugins(["fakes"]).loaded if plugin.name == "fakes"]


def build(plugins: list[Plugin], folder: Path, text: str | bytes) -> Catalogue:
    path = folder / "registry.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return build_catalogue(plugins, path)


def test_a_type_is_served_as_the_file_says(plugins: list[Plugin], tmp_path: Path) -> None:
    text = """
        [types.60001]
        package = "fakes"
        price = 0.0010
        deadline_s = 2.5
        min_confidence = 0.8
        isolation = "thread"
    """
    served = build(plugins, tmp_path, text).find(60001)
    assert served.isolation == "thread"
    assert (served.price_micros, served.deadline_s, served.min_confidence) == (1000, 2.5, 0.8)
    assert served.plugin == "fakes"


def test_an_empty_table_takes_price_and_limits_as_suggested(
    plugins: list[Plugin], tmp_path: Path
) -> None:
    served = build(plugins, tmp_path, "[types.60001]").find(60001)
    assert (served.price_micros, served.deadline_s, served.min_confidence) == (10_000, 5.0, 0.0)
    assert served.isolation == "process"


def test_a_type_runs_on_this_machine_unless_the_file_says_else(
    plugins: list[Plugin], tmp_path: Path
) -> None:
    for text in ("[types.60001]", "[types.60001]\nexecutor = 'local'"):
        assert build(plugins, tmp_path, text).find(60001).placement is None


def test_what_a_type_takes_of_a_cluster_is_read(plugins: list[Plugin], tmp_path: Path) -> None:
    text = "[types.60001]\nexecutor = 'ray'\n"
    served = build(plugins, tmp_path, text).find(60001)
    assert served.placement == Placement(replicas=2, max_replicas=2, cpus=1.0, gpus=0.0, batch=16)
    text += "ray = { replicas = 3, max_replicas = 9, cpus = 0.5, gpus = 0.25, batch = 64 }"
    assert build(plugins, tmp_path, text).find(60001).placement == Placement(3, 9, 0.5, 0.25, 64)
    more = build(plugins, tmp_path, text.replace("max_replicas = 9, ", "")).find(60001).placement
    assert more and more.max_replicas == 3  # a fixed number, where nothing is said


def test_what_its_plugin_says_of_a_cluster_holds_where_the_file_says_nothing(
    plugins: list[Plugin], tmp_path: Path
) -> None:
    wishes = Placement(replicas=1, max_replicas=6, cpus=0.5, gpus=0.25, batch=8)
    asking = [
        replace(plugin, specs=tuple(replace(spec, placement=wishes) for spec in plugin.specs))
        for plugin in plugins
    ]
    assert build(asking, tmp_path, ON_RAY).find(60001).placement == wishes
    text = ON_RAY + "ray = { replicas = 9, gpus = 0 }"
    assert build(asking, tmp_path, text).find(60001).placement == Placement(9, 9, 0.5, 0.0, 8)


def test_a_type_may_be_free(plugins: list[Plugin], tmp_path: Path) -> None:
    assert build(plugins, tmp_path, "[types.60001]\nprice = 0").find(60001).price_micros == 0


def test_a_type_the_file_does_not_name_is_not_served(plugins: list[Plugin], tmp_path: Path) -> None:
    catalogue = build(plugins, tmp_path, "[types.60001]")
    with pytest.raises(UnknownType, match="type 60002 is not served here; there are 60001"):
        catalogue.find(60002)


def test_an_empty_file_serves_nothing(plugins: list[Plugin], tmp_path: Path) -> None:
    with pytest.raises(UnknownType, match="there are none"):
        build(plugins, tmp_path, "").find(60001)


def test_without_the_default_file_every_type_is_served_at_its_suggested_price_with_a_warning(
    plugins: list[Plugin],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.chdir(tmp_path)
    catalogue = build_catalogue(plugins, Settings().registry)
    assert "no registry.toml: all installed types are served" in caplog.text
    assert list(catalogue.types) == list(range(fakes.ECHO, fakes.CLOSED + 1))
    assert {served.price_micros for served in catalogue.types.values()} == {10_000}
    assert catalogue.reports == ReportPolicy()


def test_a_file_that_was_named_must_exist(plugins: list[Plugin], tmp_path: Path) -> None:
    with pytest.raises(RegistryError, match=r"typo\.toml: there is no such file"):
        build_catalogue(plugins, tmp_path / "typo.toml")


def test_prices_are_exact(plugins: list[Plugin], tmp_path: Path) -> None:
    served = build(plugins, tmp_path, "[types.60001]\nprice = 999.000001").find(60001)
    assert served.price_micros == 999_000_001


def test_the_report_policy_is_read(plugins: list[Plugin], tmp_path: Path) -> None:
    catalogue = build(plugins, tmp_path, "[reports]\nrefund = true\nwithin_hours = 1.5")
    assert catalogue.reports == ReportPolicy(refund=True, within_hours=1.5)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[type.60001]", "type: unknown key; did you mean 'types'?"),
        ("[types.60001]\nprize = 1", "types.60001.prize: unknown key; did you mean 'price'?"),
        ("[types.60001]\ncolour = 1", "known are package, price, deadline_s, min_confidence, isol"),
        ("[reports]\nrefunds = true", "reports.refunds: unknown key; did you mean 'refund'?"),
        ("[types.60001]\nprice = -0.01", "types.60001.price: is -0.01, must be within 0"),
        ("[types.60001]\nprice = 1000.5", "must be within 0 and 1000"),
        ("[types.60001]\nprice = 0.0000001", "more than six decimals"),
        ("[types.60001]\nprice = '0.01'", "types.60001.price: must be a number, not '0.01'"),
        ("[types.60001]\nprice = true", "must be a number, not True"),
        ("[types.60001]\nprice = nan", "types.60001.price"),
        ("[types.60001]\nprice = inf", "types.60001.price"),
        ("[types.60001]\ndeadline_s = 0", "types.60001.deadline_s: is 0"),
        ("[types.60001]\ndeadline_s = 1e9", "must be within 0.05 and 300"),
        ("[types.60001]\ndeadline_s = nan", "types.60001.deadline_s"),
        ("[types.60001]\nmin_confidence = 1.1", "must be within 0 and 1"),
        ("[types.60001]\nmin_confidence = '0.5'", "must be a number"),
        ("[types.60001]\nisolation = 'fibre'", "must be 'process' or 'thread', not 'fibre'"),
        ("[types.60001]\nisolation = 1", "types.60001.isolation: must be 'process' or"),
        ("[types.60001]\nexecutor = 'slurm'", "must be 'local' or 'ray', not 'slurm'"),
        ("[types.60001]\nray = {}", "types.60001.ray: is read only beside executor"),
        (f"{ON_RAY}isolation = 'thread'", "types.60001.isolation: is for this machine"),
        (f"{ON_RAY}ray = 3", "types.60001.ray: must be a table"),
        (f"{ON_RAY}ray = {{ replica = 3 }}", "replica: unknown key; did you mean 'replicas'?"),
        (f"{ON_RAY}ray = {{ replicas = 0 }}", "ray.replicas: is 0, must be within 1 and 1000"),
        (f"{ON_RAY}ray = {{ replicas = 1.5 }}", "ray.replicas: is 1.5, must be a whole number"),
        (f"{ON_RAY}ray = {{ max_replicas = 1 }}", "ray.max_replicas: is 1, must be within 2"),
        (f"{ON_RAY}ray = {{ cpus = 0 }}", "ray.cpus: is 0, must be within 0.01 and 64"),
        (f"{ON_RAY}ray = {{ gpus = -1 }}", "ray.gpus: is -1, must be within 0 and 16"),
        (f"{ON_RAY}ray = {{ batch = 257 }}", "ray.batch: is 257, must be within 1 and 256"),
        ("[types.60001]\npackage = 7", "types.60001.package: must be the name"),
        ("[types.60001]\npackage = 'loupette-alnum'", "type 60001 is read by 'fakes'"),
        ("[types]\n60001 = 3", "types.60001: must be a table [types.60001]"),
        ("types = 3", "types: must be a table"),
        ("[types.alnum]", "types.alnum: a type ID is a positive integer"),
        ("[types.0]", "a type ID is a positive integer"),
        ("[types.060001]", "a type ID is a positive integer"),
        ("[types.1000000001]", "a type ID is a positive integer up to 1000000000"),
        ("[types.-5]", "a type ID is a positive integer"),
        ("[types.'٣']", "a type ID is a positive integer"),
        ("reports = true", "reports: must be a table"),
        ("[reports]\nrefund = 1", "reports.refund: must be true or false, not 1"),
        ("[reports]\nwithin_hours = -1", "reports.within_hours: is -1"),
        ("[reports]\nwithin_hours = true", "reports.within_hours: must be a number"),
        ("[types.60001\nprice = 1", "not valid TOML"),
        ("[types.60001]\nprice = 0,01", "not valid TOML"),
        (b"[types.60001]\n# \xff\n", "cannot be read"),
    ],
)
def test_a_mistake_is_an_error_naming_file_and_key(
    plugins: list[Plugin], tmp_path: Path, text: str | bytes, complaint: str
) -> None:
    with pytest.raises(RegistryError) as caught:
        build(plugins, tmp_path, text)
    assert caught.value.message.startswith(str(tmp_path / "registry.toml") + ": ")
    assert complaint in caught.value.message


def test_a_file_that_is_still_written_goes_to_no_other_machine(tmp_path: Path) -> None:
    (plugin,) = [one for one in load_plugins(["fakes"]).loaded if one.name == "fakes"]
    with pytest.raises(RegistryError, match="must be 'local' for a plugin of --plugins-dir"):
        build([replace(plugin, module="/some/fakes.py")], tmp_path, ON_RAY)


def test_bad_toml_is_an_error_with_its_line(plugins: list[Plugin], tmp_path: Path) -> None:
    with pytest.raises(RegistryError, match="line 3"):
        build(plugins, tmp_path, "[types.60001]\nprice = 0.01\nprice 0.02\n")


def test_a_type_nobody_offers_is_an_error_naming_the_package_to_install(
    plugins: list[Plugin], tmp_path: Path
) -> None:
    with pytest.raises(RegistryError, match=r"types\.61234.*pip install loupette-clock"):
        build(plugins, tmp_path, "[types.61234]\npackage = 'loupette-clock'")


def test_a_type_nobody_offers_without_a_package_says_what_is_missing(
    plugins: list[Plugin], tmp_path: Path
) -> None:
    with pytest.raises(RegistryError, match="no installed plugin reads type 61234"):
        build(plugins, tmp_path, "[types.61234]")


def test_a_folder_in_the_files_place_is_an_error(plugins: list[Plugin], tmp_path: Path) -> None:
    with pytest.raises(RegistryError, match="cannot be read"):
        build_catalogue(plugins, tmp_path)


def test_the_projects_own_file_sells_the_documented_types_at_the_documented_prices() -> None:
    path = Path(__file__).parents[1] / "registry.toml"
    tables = tomllib.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)["types"]
    prices = {type_id: table["price"] for type_id, table in tables.items()}
    assert prices == {
        "10200": Decimal("0.0100"),
        "50100": Decimal("0.0050"),
        "50200": Decimal("0.0010"),
    }
