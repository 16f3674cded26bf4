"""What a server keeps of the images that callers send, as the setting says."""

import base64
import hashlib
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

import fakes
from conftest import issue_key
from loupette.settings import Images, Settings
from loupette.store import logs
from loupette.store.images import ImageFolder
from loupette.store.logs import parse_log_id
from loupette.store.opening import read_database
from loupette.web.app import create_app

MakeSettings = Callable[..., Settings]
WHITE, BLACK = fakes.draw_png(), fakes.draw_png(colour="black")


@dataclass(frozen=True)
class Desk:
    """A server, a key, and what was kept."""

    client: TestClient
    settings: Settings
    key: str

    def post(self, type_id: int, image: bytes, image2: bytes | None = None, name: str = "") -> Any:
        fields: dict[str, object] = {"type": type_id, "image": base64.b64encode(image).decode()}
        if image2:
            fields["image2"] = base64.b64encode(image2).decode()
        headers = {"X-API-Key": self.key} | ({"Idempotency-Key": name} if name else {})
        return self.client.post("/api/v1/captcha.php", headers=headers, json=fields).json()["data"]

    def kept(self, log_id: str) -> tuple[bytes | None, list[bytes]]:
        """The hash in the log, and the files."""
        number = parse_log_id(log_id)
        assert number is not None
        with read_database(self.settings.database, self.settings.database_url) as reader:
            log = logs.find(reader, number)
        assert log
        images = []
        for file in ImageFolder(self.settings.database).find(number):
            with suppress(FileNotFoundError):  # the server deletes it while we look
                images.append(file.read_bytes())
        return log.image_hash, images


@contextmanager
def serve(
    make_settings: MakeSettings, folder: Path, images: Images, **changes: Any
) -> Iterator[Desk]:
    settings = make_settings(folder, images=images, workers=1, **changes)
    key = issue_key(settings)
    with TestClient(create_app(settings)) as client:
        yield Desk(client, settings, key)


def digest(image: bytes) -> bytes:
    return hashlib.sha256(image).digest()


def test_by_default_nothing_is_kept(make_settings: MakeSettings, tmp_path: Path) -> None:
    assert Settings().images == Images(hashed=False, kept_days=0)
    with serve(make_settings, tmp_path, Settings().images) as desk:
        assert desk.kept(desk.post(fakes.ECHO, WHITE)["log_id"]) == (None, [])
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == []


def test_hashed_images_are_in_the_log_as_their_hash_alone(
    make_settings: MakeSettings, tmp_path: Path
) -> None:
    with serve(make_settings, tmp_path, Images(hashed=True)) as desk:
        assert desk.kept(desk.post(fakes.ECHO, WHITE)["log_id"]) == (digest(WHITE), [])
        refused = desk.post(fakes.REFUSES, BLACK)
        assert desk.kept(refused["log_id"]) == (digest(BLACK), [])


def test_kept_images_are_files_answered_or_not_and_once_for_a_repeat(
    make_settings: MakeSettings, tmp_path: Path
) -> None:
    with serve(make_settings, tmp_path, Images(hashed=True, kept_days=7)) as desk:
        answered = desk.post(fakes.ECHO, WHITE, BLACK, name="once")
        assert desk.kept(answered["log_id"]) == (digest(WHITE), [WHITE, BLACK])
        assert desk.kept(desk.post(fakes.REFUSES, BLACK)["log_id"])[1] == [BLACK]
        assert desk.post(fakes.ECHO, WHITE, BLACK, name="once")["log_id"] == answered["log_id"]
    assert len(list(tmp_path.glob("*.images/*/*"))) == 3


def test_images_of_requests_that_are_refused_before_they_are_read_are_not_kept(
    make_settings: MakeSettings, tmp_path: Path
) -> None:
    with serve(make_settings, tmp_path, Images(hashed=True, kept_days=1)) as desk:
        refused = [desk.post(5, WHITE), desk.post(fakes.CLOSED, WHITE, BLACK)]
        poor = Desk(desk.client, desk.settings, issue_key(desk.settings, "0"))
        refused.append(poor.post(fakes.ECHO, WHITE))
        assert [desk.kept(one["log_id"]) for one in refused] == [(digest(WHITE), [])] * 3


def test_images_that_cannot_be_kept_cost_nobody_an_answer(
    make_settings: MakeSettings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "test.db.images").write_text("a file where the folder should be")
    with serve(make_settings, tmp_path, Images(hashed=True, kept_days=7)) as desk:
        answered = desk.post(fakes.ECHO, WHITE)
        assert answered["result"] == "40x20"
        assert f"{answered['log_id']}: its image is not kept" in caplog.text
        (tmp_path / "test.db.images").unlink()
        assert desk.kept(desk.post(fakes.ECHO, WHITE)["log_id"])[1] == [WHITE]


def test_without_room_images_are_not_kept_and_that_is_said(
    make_settings: MakeSettings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    keeping = Images(hashed=True, kept_days=7)
    with serve(make_settings, tmp_path, keeping, images_max_bytes=len(WHITE)) as desk:
        assert desk.kept(desk.post(fakes.ECHO, WHITE)["log_id"])[1] == [WHITE]
        log_id = desk.post(fakes.ECHO, WHITE)["log_id"]
        assert desk.kept(log_id) == (digest(WHITE), [])
        assert f"{log_id}: there is no room" in caplog.text


@pytest.mark.parametrize(
    ("images", "is_kept"),
    [
        (Images(hashed=True, kept_days=7), True),
        (Images(hashed=True, kept_days=1), False),
        (Images(hashed=True), False),
        (Images(), False),
    ],
)
def test_images_over_their_days_are_deleted_at_the_start(
    make_settings: MakeSettings, tmp_path: Path, images: Images, is_kept: bool
) -> None:
    with serve(make_settings, tmp_path, Images(hashed=True, kept_days=7)) as desk:
        log_ids = [desk.post(fakes.ECHO, WHITE)["log_id"] for _ in range(2)]
    for file, days in zip(sorted(tmp_path.glob("*.images/*/*")), (2, 8), strict=True):
        then_s = time.time() - days * 86_400
        os.utime(file, (then_s, then_s))
    left = [digest(WHITE), digest(WHITE)], [[WHITE] if is_kept else [], []]
    with serve(make_settings, tmp_path, images) as desk:
        deadline_s = time.monotonic() + 60
        while (kept := tuple(map(list, zip(*map(desk.kept, log_ids), strict=True)))) != left:
            assert time.monotonic() < deadline_s, kept
            time.sleep(0.05)  # a poll; nothing but the server's own chore deletes them


def test_no_image_is_in_a_message(
    make_settings: MakeSettings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with serve(make_settings, tmp_path, Images(hashed=True, kept_days=7)) as desk:
        desk.post(fakes.RAISES, BLACK)
    assert base64.b64encode(BLACK).decode()[:40] not in caplog.text
    assert digest(BLACK).hex() not in caplog.text
