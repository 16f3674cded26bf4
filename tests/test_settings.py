"""Environment variables to one frozen value."""

from dataclasses import FrozenInstanceError
from ipaddress import ip_network
from pathlib import Path

import pytest

from loupette.errors import SettingsError
from loupette.settings import Images, Settings


def test_nothing_set_gives_the_defaults() -> None:
    assert Settings.from_environment({}) == Settings()


def test_variables_of_others_are_left_alone() -> None:
    assert Settings.from_environment({"PATH": "/bin", "DATABASE": "x"}) == Settings()


def test_variables_of_the_client_are_left_alone() -> None:
    of_the_client = {"LOUPETTE_URL": "http://127.0.0.1:8000", "LOUPETTE_KEY": "ak_x"}
    assert Settings.from_environment(of_the_client) == Settings()


@pytest.mark.parametrize(
    ("variable", "text", "name", "value"),
    [
        ("LOUPETTE_DATABASE", "/data/money.db", "database", Path("/data/money.db")),
        ("DATABASE_URL", "postgresql://me@db/x", "database_url", "postgresql://me@db/x"),
        ("DATABASE_URL", "postgres://me@db/x", "database_url", "postgres://me@db/x"),
        ("DATABASE_URL", "", "database_url", None),
        ("LOUPETTE_REGISTRY", "other.toml", "registry", Path("other.toml")),
        ("LOUPETTE_WORKERS", "3", "workers", 3),
        ("LOUPETTE_MAX_IN_FLIGHT", "7", "max_in_flight", 7),
        ("LOUPETTE_MAX_BODY_BYTES", "1000", "max_body_bytes", 1000),
        ("LOUPETTE_BODY_TIMEOUT_S", "2.5", "body_timeout_s", 2.5),
        ("LOUPETTE_ALWAYS_200", "1", "always_200", True),
        ("LOUPETTE_ALWAYS_200", "No", "always_200", False),
        ("LOUPETTE_PLUGINS", " mine, yours ,", "plugins", ("mine", "yours")),
        ("LOUPETTE_PLUGINS", "", "plugins", ()),
        (
            "LOUPETTE_METRICS_FROM",
            "192.0.2.0/24, ::/0",
            "metrics_from",
            (ip_network("192.0.2.0/24"), ip_network("::/0")),
        ),
        ("LOUPETTE_METRICS_FROM", "192.0.2.7", "metrics_from", (ip_network("192.0.2.7/32"),)),
        ("LOUPETTE_METRICS_FROM", "", "metrics_from", ()),
        ("LOUPETTE_LOG_FORMAT", "json", "log_format", "json"),
        ("LOUPETTE_PLUGINS_DIR", "mine", "plugins_dir", Path("mine")),
        ("LOUPETTE_TRACE_PLUGINS", "1", "trace_plugins", True),
        ("LOUPETTE_IMAGES", "none", "images", Images()),
        ("LOUPETTE_IMAGES", "hash", "images", Images(hashed=True)),
        ("LOUPETTE_IMAGES", "7d", "images", Images(hashed=True, kept_days=7)),
        ("LOUPETTE_IMAGES_MAX_BYTES", "1000", "images_max_bytes", 1000),
    ],
)
def test_each_field_has_its_variable(variable: str, text: str, name: str, value: object) -> None:
    assert getattr(Settings.from_environment({variable: text}), name) == value


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("LOUPETTE_WORKERS", "0"),
        ("LOUPETTE_WORKERS", "-2"),
        ("LOUPETTE_WORKERS", "two"),
        ("LOUPETTE_WORKERS", "1.5"),
        ("LOUPETTE_BODY_TIMEOUT_S", "0"),
        ("LOUPETTE_BODY_TIMEOUT_S", "nan"),
        ("LOUPETTE_BODY_TIMEOUT_S", "inf"),
        ("LOUPETTE_ALWAYS_200", "maybe"),
        ("LOUPETTE_ALWAYS_200", ""),
        ("LOUPETTE_LOG_FORMAT", "JSON"),
        ("LOUPETTE_IMAGES", "7"),
        ("LOUPETTE_IMAGES", "0d"),
        ("LOUPETTE_IMAGES", "3651d"),
        ("LOUPETTE_IMAGES", "keep"),
        ("LOUPETTE_METRICS_FROM", "localhost"),
        ("LOUPETTE_METRICS_FROM", "192.0.2.7/24"),
    ],
)
def test_a_bad_value_is_an_error_naming_variable_and_value(variable: str, text: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.from_environment({variable: text})
    assert f"{variable}={text!r}" in caught.value.message


def test_a_misspelt_variable_is_an_error_listing_the_right_ones() -> None:
    with pytest.raises(SettingsError, match=r"LOUPETTE_WORKER is no setting.*LOUPETTE_WORKERS"):
        Settings.from_environment({"LOUPETTE_WORKER": "2"})


def test_settings_cannot_be_changed_once_made() -> None:
    with pytest.raises(FrozenInstanceError):
        Settings().workers = 9  # type: ignore[misc]  # what is tested


def test_there_is_at_least_one_worker_by_default() -> None:
    assert Settings().workers >= 1


def test_modules_are_the_named_ones_and_the_files_of_the_folder(tmp_path: Path) -> None:
    for name in ("b.py", "a.py", "_shared.py", ".hidden.py", "notes.txt"):
        (tmp_path / name).touch()
    settings = Settings(plugins=("named",), plugins_dir=tmp_path)
    assert settings.modules == ("named", str(tmp_path / "a.py"), str(tmp_path / "b.py"))


def test_a_folder_of_plugins_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="is no folder; correct --plugins-dir"):
        _ = Settings(plugins_dir=tmp_path / "none").modules


def test_a_file_that_cannot_be_named_to_the_workers_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a,b.py").touch()
    with pytest.raises(SettingsError, match="may have a comma"):
        _ = Settings(plugins_dir=tmp_path).modules


def test_another_database_than_postgres_is_refused_without_telling_its_password() -> None:
    with pytest.raises(SettingsError, match="must begin with postgresql://") as refused:
        Settings.from_environment({"DATABASE_URL": "mysql://me:very-secret@db/x"})
    assert "very-secret" not in refused.value.message


def test_password_of_the_database_is_not_in_what_is_printed_of_the_settings() -> None:
    assert "very-secret" not in repr(Settings(database_url="postgresql://me:very-secret@db/x"))


def test_the_url_has_one_name_only() -> None:
    with pytest.raises(SettingsError, match="is no setting"):
        Settings.from_environment({"LOUPETTE_DATABASE_URL": "postgresql://me@db/x"})
