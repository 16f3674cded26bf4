"""A PostgreSQL server of its own on loopback: started, killed and started again by tests."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

_USER = "postgres"
_WITHIN_S = 30.0
_FULL = """
CREATE OR REPLACE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100';
END $$;
CREATE TRIGGER full_disk BEFORE INSERT ON ledger FOR EACH STATEMENT EXECUTE FUNCTION full_disk()
"""


class Server:
    """Debian's PostgreSQL on a data folder of its own, without a password, for this machine only.

    Args:
        folder: for its data and its messages.
        is_durable: it keeps its promises to the disk; without that, tests of what has nothing to do
            with it take a tenth of the time.
        superuser: who owns all.
    """

    def __init__(self, folder: Path, *, is_durable: bool, superuser: str = "loupette") -> None:
        self._superuser = superuser
        self._data = folder / "data"
        self._log = folder / "log"
        self.programs = _find_programs()
        self.port = _free_port()
        self._fsync = "on" if is_durable else "off"
        # PostgreSQL refuses to run as root.
        self._as_user: dict[str, str] = {"user": _USER, "group": _USER} if _is_root() else {}
        if _is_root():
            shutil.chown(folder, _USER, _USER)
        self._run("initdb", "-D", self._data, "-U", superuser, "-A", "trust", "-E", "UTF8")
        self._process: subprocess.Popen[bytes] | None = None

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://{self._superuser}@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """Start it and wait until it answers, also where a killed one's children still end."""
        until_s = time.monotonic() + _WITHIN_S
        while not self._is_up():
            if self._process is None or self._process.poll() is not None:
                self._spawn()
            if time.monotonic() > until_s:
                raise TimeoutError(self._log.read_text())
            time.sleep(0.05)  # between two looks; how often it looks changes no result

    def kill(self) -> None:
        """As the kernel does where memory is short: no word to anybody, all backends end."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(_WITHIN_S)

    def fill_disk(self) -> None:
        """Let what serves its clients write no more, and wait until it has come back from that.

        It ends all of them then, and begins anew with what was committed, by itself.
        """
        doing = [
            pid
            for pid in self._children()
            if _title(pid).startswith(f"postgres: {self._superuser}")
        ]
        for pid in doing:  # by a process of its user, who alone may; some end with the first
            subprocess.run(
                ["prlimit", f"--pid={pid}", "--fsize=0:"], capture_output=True, **self._as_user
            )  # type: ignore[call-overload]  # as below
        until_s = time.monotonic() + _WITHIN_S
        while set(doing) & set(self._children()) or not self._is_up():
            if time.monotonic() > until_s:
                raise TimeoutError(self._log.read_text())
            time.sleep(0.05)  # between two looks; how often it looks changes no result

    @contextmanager
    def refusing_charges(self, database: str = "postgres") -> Iterator[None]:
        """As where it can write its log, but not the ledger: errors, and connections stay."""
        self.execute(_FULL, database)
        try:
            yield
        finally:
            self.execute("DROP TRIGGER full_disk ON ledger", database)

    def stop(self) -> None:
        """End it at once, but in order."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(_WITHIN_S)

    def cpu_s(self) -> float:
        """Processor time of all its processes so far, those that ended too."""
        assert self._process is not None
        pid = self._process.pid
        ended_s = sum(_times_s(pid)[2:])
        return ended_s + sum(sum(_times_s(one)[:2]) for one in (pid, *self._children()))

    def execute(self, sql: str, database: str = "postgres") -> list[tuple[object, ...]]:
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            cursor = connection.execute(sql.encode())
            return cursor.fetchall() if cursor.description else []

    def _children(self) -> list[int]:
        assert self._process is not None
        pid = self._process.pid
        return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    def _spawn(self) -> None:
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": self.port,
            "unix_socket_directories": "",
            "max_connections": 200,
            "fsync": self._fsync,
            "full_page_writes": self._fsync,
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [self.programs / "postgres", "-D", self._data, *options],
                stdout=log,
                stderr=log,
                cwd="/",
                **self._as_user,  # type: ignore[call-overload]  # user and group, or nothing
            )

    def _is_up(self) -> bool:
        try:
            self.execute("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True

    def _run(self, program: str, *arguments: object) -> None:
        command = [str(self.programs / program), *map(str, arguments)]
        subprocess.run(
            command, check=True, stdout=subprocess.DEVNULL, timeout=120, cwd="/", **self._as_user
        )  # type: ignore[call-overload]  # as above


@contextmanager
def running(*, is_durable: bool = True, superuser: str = "loupette") -> Iterator[Server]:
    """A fresh server, which is stopped and gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="loupette-pg-") as folder:
        server = Server(Path(folder), is_durable=is_durable, superuser=superuser)
        try:
            server.start()
            yield server
        finally:
            server.stop()


def _find_programs() -> Path:
    """Debian keeps them apart by version, outside PATH; elsewhere they are on it."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    if found:
        return found[-1].parent
    postgres = shutil.which("postgres")
    if postgres is None:
        raise FileNotFoundError("there is no PostgreSQL; make test-postgres installs Debian's")
    return Path(postgres).parent


_ENDED = (FileNotFoundError, ProcessLookupError)
"""What reading of a process raises that ends before it is opened, or before it is read."""


def _title(pid: int) -> str:
    """What a process of PostgreSQL is for, as it shows itself."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except _ENDED:
        return ""


def _times_s(pid: int) -> tuple[float, ...]:
    """Of a process, in it and for it in the kernel, then those of its children that ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except _ENDED:  # meanwhile, and is in its parent's sum now
        return (0.0,) * 4
    return tuple(int(field) / os.sysconf("SC_CLK_TCK") for field in fields[11:15])


def _is_root() -> bool:
    return os.geteuid() == 0


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
