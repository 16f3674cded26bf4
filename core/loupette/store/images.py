"""Request images, where the operator keeps them: files beside the database, for some days.

They are not in the database: so none is in a backup, each is gone when its file is, and a viewer
opens them. Nothing waits for the disk, as an image is worth less than the time of an answer.
"""

import hashlib
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from loupette.store.logs import LogRecord, format_log_id

_DAY = slice(3, 11)  # of LOG20241101000001


class ImageFolder:
    """The kept images of one database, a folder for each day; any thread may call it.

    Args:
        db_path: the database; the folder is beside it. Folders and files are for their owner only.

    Attributes:
        path: the folder, which is made when it is needed.
    """

    def __init__(self, db_path: Path) -> None:
        place = db_path.resolve()
        self.path = place.with_name(place.name + ".images")
        self._lock = threading.Lock()
        self._size: int | None = None  # unknown until something is kept

    def keep(self, log_id: int, images: Sequence[bytes], *, max_bytes: int) -> bool:
        """Write the images of one request; False, and nothing is written, where they have no room.

        Args:
            log_id: of the request.
            images: as they were sent, one or two.
            max_bytes: of all that are kept.

        Raises:
            OSError: they cannot be written.
        """
        size = sum(map(len, images))
        with self._lock:
            if self._size is None:
                self._size = sum(self._sizes())
            if self._size + size > max_bytes:
                return False
            self._size += size
        for leftover in self.find(log_id):
            # A number is given twice when the server ended before it was in the log.
            leftover.unlink(missing_ok=True)
        name = format_log_id(log_id)
        for number, image in enumerate(images, start=1):
            self._write(self.path / name[_DAY] / f"{name}-{number}", image)
        return True

    def _write(self, path: Path, image: bytes) -> None:
        with suppress(FileExistsError):
            self.path.mkdir(mode=0o700)
        self.path.chmod(0o700)  # also one that was restored
        while not path.parent.is_symlink():
            with suppress(FileExistsError):
                path.parent.mkdir(mode=0o700)
            with suppress(FileNotFoundError):  # a purge took the folder, which was still empty
                with open(path, "wb", opener=_open_private) as file:
                    file.write(image)
                return
        raise NotADirectoryError(f"{path.parent} is a link")

    def find(self, log_id: int) -> list[Path]:
        """The files of one request, in the order of its images; none where none were kept."""
        name = format_log_id(log_id)
        with suppress(FileNotFoundError):  # a purge took the folder while it was read
            return sorted((self.path / name[_DAY]).glob(f"{name}-*"))
        return []

    def of(self, log: LogRecord) -> list[Path]:
        """The files of a request in the log; none that are of another with the same number.

        Numbers come again when a server ended before they were in the log, or a backup was
        restored, and then the files may be of another account.
        """
        files = self.find(log.id)
        with suppress(FileNotFoundError):  # purged meanwhile
            if files and hashlib.sha256(files[0].read_bytes()).digest() == log.image_hash:
                return files
        return []

    def purge(self, before_ms: int) -> int:
        """Delete what was written before that time; gives how many files there were."""
        deleted = 0
        for file in list(self._files()):
            with suppress(FileNotFoundError):  # another purge was faster
                if file.stat().st_mtime * 1000 < before_ms:
                    file.unlink()
                    deleted += 1
        for day in self.path.glob("*/"):
            with suppress(OSError):  # not empty
                day.rmdir()
        with self._lock:
            self._size = None
        return deleted

    def _files(self) -> Iterator[Path]:
        for day in _list(self.path):
            yield from _list(day)

    def _sizes(self) -> Iterator[int]:
        for file in self._files():
            with suppress(FileNotFoundError):  # purged meanwhile
                yield file.stat().st_size


def _list(folder: Path) -> list[Path]:
    """What is in a folder; nothing where a purge takes it meanwhile."""
    with suppress(FileNotFoundError, NotADirectoryError):
        return list(folder.iterdir())
    return []


def _open_private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
