"""The commands of docs/postgresql.md, on a PostgreSQL that has nothing yet."""

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

import pgserver
import possible
from documented import blocks, read
from loupette.store.database import Database
from loupette.store.keys import create_key
from loupette.store.opening import open_database, read_database
from serving import find_port
from shell import begin

pytestmark = pytest.mark.cluster

SET_UP, MOVE = blocks("docs/postgresql.md", "bash")
(BACKUP,) = re.findall(r"`(pg_dump [^`]+)`", read("docs/postgresql.md"))
PASSWORD = "secret"  # noqa: S105  # the documented one


@pytest.fixture
def server() -> Iterator[pgserver.Server]:
    with pgserver.running(is_durable=False, superuser="postgres") as server:
        yield server


def begin_at(server: pgserver.Server, commands: str, folder: Path) -> "subprocess.Popen[str]":
    """Run commands as an operator who may make databases there."""
    here = commands.replace("@db.example/", f"@127.0.0.1:{server.port}/")
    return begin(
        here,
        folder,
        within_s=120,
        programs=[server.programs],
        PGHOST="127.0.0.1",
        PGPORT=str(server.port),
        PGUSER="postgres",
    )


def test_commands_of_the_page_run_in_their_order(server: pgserver.Server, tmp_path: Path) -> None:
    install, *others, serve = SET_UP.splitlines()
    possible.check(install)
    port = find_port()
    with begin_at(server, "\n".join((*others, f"{serve} --port {port}")), tmp_path) as process:
        assert process.stdin and process.stdout
        process.stdin.write(f"{PASSWORD}\n" * 2)  # what createuser asks for
        process.stdin.close()
        said = ""
        while line := process.stdout.readline():
            said += line
            if line.startswith("serving "):
                os.killpg(process.pid, signal.SIGTERM)
    assert "ak_" in said and "balance ¥100.0000" in said
    assert f"on http://127.0.0.1:{port}" in said
    assert not list(tmp_path.glob("*.db"))

    server.execute("DROP DATABASE loupette")
    server.execute("CREATE DATABASE loupette OWNER loupette")
    with Database.open(tmp_path / "loupette.db") as database:
        create_key(database, "shop", opening_micros=2_000_000, now_ms=0)
    moved, _ = begin_at(server, MOVE, tmp_path).communicate(timeout=120)
    assert "all is equal" in moved
    url = f"postgresql://loupette:{PASSWORD}@127.0.0.1:{server.port}/loupette"
    with read_database(tmp_path / "loupette.db", url) as reader:
        assert reader.execute("SELECT balance FROM accounts").fetchall()[0][0] == 2_000_000


def test_backup_of_the_page_is_restored_as_it_says(server: pgserver.Server, tmp_path: Path) -> None:
    url = f"postgresql://postgres@127.0.0.1:{server.port}"
    with open_database(tmp_path / "none.db", f"{url}/postgres") as database:
        create_key(database, "shop", opening_micros=2_000_000, now_ms=0)
    restore = "createdb again && pg_restore --dbname=again BACKUP && loupette ledger verify"
    commands = f"DATABASE_URL={url}/postgres; {BACKUP}; export DATABASE_URL={url}/again; {restore}"
    said, _ = begin_at(server, commands, tmp_path).communicate(timeout=120)
    assert "clean: 1 account" in said, said
