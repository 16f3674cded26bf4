import hashlib
import os
import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from loupette.store.backup import backup
from loupette.store.database import Database
from loupette.store.images import ImageFolder
from loupette.store.logs import LogRecord

FIRST = 202411010000000001
PLENTY = 1_000_000
DAY_MS = 86_400_000


@pytest.fixture
def folder(path: Path) -> ImageFolder:
    return ImageFolder(path)


def logged(image: bytes | None) -> LogRecord:
    """The log's entry of a request whose image was kept, or was not."""
    return LogRecord(
        id=FIRST,
        account_id=1,
        key_id=1,
        created_ms=0,
        type_id=50200,
        code=200,
        outcome="ok",
        response_ms=1,
        image_hash=hashlib.sha256(image).digest() if image else None,
    )


def age(folder: ImageFolder, log_id: int, written_ms: int) -> None:
    """Let the files of a request have been written then."""
    for file in folder.find(log_id):
        os.utime(file, ns=(written_ms * 1_000_000,) * 2)


def test_images_are_found_by_their_request_in_order(folder: ImageFolder) -> None:
    assert folder.keep(FIRST, [b"background", b"piece"], max_bytes=PLENTY)
    assert folder.keep(FIRST + 1, [b"other"], max_bytes=PLENTY)
    assert [file.read_bytes() for file in folder.find(FIRST)] == [b"background", b"piece"]
    assert folder.find(FIRST + 2) == []


def test_files_and_folders_are_for_their_owner_only(folder: ImageFolder, path: Path) -> None:
    umask = os.umask(0)
    try:
        folder.keep(FIRST, [b"private"], max_bytes=PLENTY)
    finally:
        os.umask(umask)
    (file,) = folder.find(FIRST)
    modes = [stat.S_IMODE(place.stat().st_mode) for place in (file, file.parent, file.parents[1])]
    assert modes == [0o600, 0o700, 0o700]
    assert file.parents[1] == path.with_name(path.name + ".images")


def test_files_lie_beside_the_database_that_a_link_leads_to(path: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    link = tmp_path / "elsewhere" / "link.db"
    path.touch()
    link.symlink_to(path)
    ImageFolder(link).keep(FIRST, [b"one"], max_bytes=PLENTY)
    assert len(ImageFolder(path).find(FIRST)) == 1


def test_there_are_never_more_bytes_than_allowed_also_after_a_restart(
    folder: ImageFolder, path: Path
) -> None:
    assert folder.keep(FIRST, [b"12345", b"678"], max_bytes=10)
    assert not folder.keep(FIRST + 1, [b"12", b"3"], max_bytes=10)
    assert folder.find(FIRST + 1) == []
    restarted = ImageFolder(path)
    assert not restarted.keep(FIRST + 2, [b"123"], max_bytes=10)
    assert restarted.keep(FIRST + 3, [b"12"], max_bytes=10)


def test_purge_deletes_what_is_older_and_makes_room(folder: ImageFolder) -> None:
    folder.keep(FIRST, [b"1234", b"5"], max_bytes=10)
    folder.keep(FIRST + 10**10, [b"12345"], max_bytes=10)
    age(folder, FIRST, 5 * DAY_MS)
    assert folder.purge(5 * DAY_MS) == 0
    assert folder.purge(5 * DAY_MS + 1) == 2
    assert (folder.find(FIRST), len(folder.find(FIRST + 10**10))) == ([], 1)
    assert not (folder.path / "20241101").exists()
    assert folder.keep(FIRST + 1, [b"12345"], max_bytes=10)


def test_a_purge_that_takes_empty_folders_takes_none_from_under_an_image(
    folder: ImageFolder,
) -> None:
    ended = threading.Event()

    def purge() -> None:
        while not ended.is_set():
            folder.purge(0)

    with ThreadPoolExecutor(1) as threads:
        purging = threads.submit(purge)
        try:
            for day in range(300):
                assert folder.keep(FIRST + day * 10**10, [b"image"], max_bytes=PLENTY)
        finally:
            ended.set()
        purging.result()


def test_two_purges_take_all_from_under_who_counts_and_looks(
    folder: ImageFolder, path: Path
) -> None:
    ended = threading.Event()

    def purge() -> int:
        deleted = 0
        while not ended.is_set():
            deleted += folder.purge(10**15)
        return deleted

    with ThreadPoolExecutor(2) as threads:
        purging = [threads.submit(purge) for _ in range(2)]
        try:
            for number in range(300):
                # A new one counts what is there.
                assert ImageFolder(path).keep(FIRST + number, [b"image"], max_bytes=PLENTY)
                folder.find(FIRST + number)
        finally:
            ended.set()
        deleted = sum(one.result() for one in purging)
    assert deleted + folder.purge(10**15) == 300
    assert list(folder.path.iterdir()) == []


def test_a_link_in_place_of_a_folder_is_not_followed(folder: ImageFolder, tmp_path: Path) -> None:
    folder.path.mkdir()
    (folder.path / "20241101").symlink_to(tmp_path / "nowhere")
    with pytest.raises(NotADirectoryError, match="is a link"):
        folder.keep(FIRST, [b"image"], max_bytes=PLENTY)


def test_a_folder_that_others_may_open_is_closed_to_them(folder: ImageFolder) -> None:
    folder.path.mkdir(mode=0o755)
    folder.keep(FIRST, [b"image"], max_bytes=PLENTY)
    assert stat.S_IMODE(folder.path.stat().st_mode) == 0o700


def test_a_backup_has_no_images(
    folder: ImageFolder, db: Database, path: Path, tmp_path: Path
) -> None:
    secret = os.urandom(64)
    folder.keep(FIRST, [secret], max_bytes=PLENTY)
    backup(path, tmp_path / "backup.db")
    assert secret not in (tmp_path / "backup.db").read_bytes()
    assert [place.name for place in tmp_path.glob("backup*")] == ["backup.db"]


def test_purge_of_what_was_never_kept_is_nothing(folder: ImageFolder) -> None:
    assert folder.purge(10**15) == 0


def test_an_id_that_comes_again_after_a_crash_has_its_new_image(folder: ImageFolder) -> None:
    folder.keep(FIRST, [b"lost", b"piece of the lost one"], max_bytes=PLENTY)
    folder.keep(FIRST, [b"new"], max_bytes=PLENTY)
    assert [file.read_bytes() for file in folder.find(FIRST)] == [b"new"]


@pytest.mark.parametrize("image", [None, b"mine"])
def test_images_of_another_request_with_the_same_id_are_not_shown(
    folder: ImageFolder, image: bytes | None
) -> None:
    folder.keep(FIRST, [b"of another account"], max_bytes=PLENTY)
    assert folder.of(logged(image)) == []
    folder.keep(FIRST, [b"mine", b"my piece"], max_bytes=PLENTY)
    shown = [file.read_bytes() for file in folder.of(logged(image))]
    assert shown == ([b"mine", b"my piece"] if image else [])
