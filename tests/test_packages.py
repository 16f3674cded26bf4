"""Installed files are held against the hashes of their installation."""

import base64
import hashlib
import json
from importlib.metadata import Distribution, PathDistribution
from pathlib import Path

import pytest

from loupette.packages import damaged_files, edited_in, find_distributions, source_of


def install(folder: Path, **files: bytes) -> Distribution:
    """A distribution as pip leaves it: files, and a RECORD of their hashes."""
    info = folder / "dots-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: dots\nVersion: 1.0\n")
    lines = ["dots-1.0.dist-info/RECORD,,", "../../bin/dots,sha256=elsewhere,9"]
    for name, content in files.items():
        (folder / name).write_bytes(content)
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        lines.append(f"{name},sha256={digest},{len(content)}")
    (info / "RECORD").write_text("\n".join(lines) + "\n")
    return PathDistribution(info)


def test_untouched_files_are_whole(tmp_path: Path) -> None:
    assert list(damaged_files(install(tmp_path, model=b"weights", code=b"pass"))) == []


def test_changed_byte_is_found(tmp_path: Path) -> None:
    package = install(tmp_path, model=b"weights", code=b"pass")
    (tmp_path / "model").write_bytes(b"Weights")
    (problem,) = damaged_files(package)
    assert problem == f"{tmp_path / 'model'} is not the file that was installed"


def test_missing_file_is_found(tmp_path: Path) -> None:
    package = install(tmp_path, model=b"weights")
    (tmp_path / "model").unlink()
    assert list(damaged_files(package)) == [f"{tmp_path / 'model'} is missing"]


def test_package_without_a_record_has_nothing_to_compare(tmp_path: Path) -> None:
    package = install(tmp_path)
    (tmp_path / "dots-1.0.dist-info" / "RECORD").unlink()
    assert list(damaged_files(package)) == []


@pytest.mark.parametrize(
    ("origin", "folder"),
    [
        ({"url": "file:///srv/dots", "dir_info": {"editable": True}}, "/srv/dots"),
        ({"url": "file:///srv/dots", "dir_info": {}}, None),
        (None, None),
    ],
)
def test_editable_install_is_told_by_its_folder(
    tmp_path: Path, origin: object, folder: str | None
) -> None:
    package = install(tmp_path)
    if origin is not None:
        (tmp_path / "dots-1.0.dist-info" / "direct_url.json").write_text(json.dumps(origin))
    assert edited_in(package) == folder


@pytest.mark.parametrize(
    ("origin", "source"),
    [
        ({"url": "file:///srv/dots", "dir_info": {}}, "/srv/dots"),
        ({"url": "file:///srv/dots-1.0.zip", "archive_info": {}}, "/srv/dots-1.0.zip"),
        ({"url": "ssh://a.example/dots", "vcs_info": {"vcs": "git"}}, "ssh://a.example/dots"),
        (None, "dots==1.0"),
    ],
)
def test_package_is_installed_again_from_where_it_came(
    tmp_path: Path, origin: object, source: str
) -> None:
    package = install(tmp_path)
    if origin is not None:
        (tmp_path / "dots-1.0.dist-info" / "direct_url.json").write_text(json.dumps(origin))
    assert source_of(package) == source


def test_distributions_come_with_what_they_require_and_without_extras(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path)
    metadata = tmp_path / "dots-1.0.dist-info" / "METADATA"
    metadata.write_text(
        "Metadata-Version: 2.1\nName: dots\nVersion: 1.0\nRequires-Dist: Pillow>=11\n"
        "Requires-Dist: not-installed-anywhere; sys_platform == 'win32'\n"
        "Requires-Dist: pytest; extra == 'dev'\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert list(find_distributions(["dots", "never-installed"])) == ["dots", "pillow"]


def test_files_of_this_environment_are_whole(tmp_path: Path) -> None:
    """The rule holds for what pip really writes."""
    package = find_distributions(["pluggy"])["pluggy"]
    assert list(damaged_files(package)) == []
